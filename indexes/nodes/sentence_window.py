"""Split documents into sentence records, streaming (the LlamaIndex node parser for it is in ``parsers``).

Rules:

- Each sentence is one record and is stored once; its window is fetched at query time.
- ``section`` is the index of the sentence's outline section, so that a window does not cross a heading, a table or a
  code block. Consecutive text sections that differ only in their page count as one: sentences and windows may cross a
  page break, and the page of a sentence is the one on which it begins.
- A heading is not a record if there is body text under it or one of its sub-headings, whose heading path names it. A
  heading without body is a record of kind "heading".
- A table gives one record per row, in words (``tables.py``). A code block is one record.
- Text too short to be searched by itself (punctuation, lines of numbers, fragments) joins its neighbour
  (``indexes.text.units``).
- Text longer than ``max_chars``, or than the encoder reads, is cut (``cutting.py``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from indexes.nodes.cutting import OVERLAP, CountTokens, Limits, pieces
from indexes.nodes.record import SentenceRecord, dense_text
from indexes.nodes.sliding_sentences import in_order, section_metadata, spans_of, window_of
from indexes.nodes.sliding_text import SentenceSplitter, TextRun, TextWindow, iter_runs, spans_by
from indexes.nodes.tables import caption_before, iter_rows
from indexes.readers.stream import DocumentStream
from indexes.text.sentences import MAX_CHARS

if TYPE_CHECKING:
    from llama_index.core.schema import Document


def iter_records(
    document: Document | DocumentStream,
    *,
    max_chars: int = MAX_CHARS,
    max_tokens: int | None = None,
    count_tokens: CountTokens | None = None,
    overlap: int = OVERLAP,
    contextual: str = "none",
    sentence_splitter: SentenceSplitter | None = None,
) -> Iterator[SentenceRecord]:
    """Yield the sentences of a document in order, as records with ``position`` 0, 1, 2 ...

    Records of the same section and page share one ``metadata`` dict: copy it before changing it.

    >>> from llama_index.core.schema import Document
    >>> [record.text for record in iter_records(Document(text="今天下雨。我们不出门。"))]
    ['今天下雨。', '我们不出门。']

    Args:
        document: with or without an outline; all metadata except the outline is copied into the records. A stream gives
            the same records as the whole document, and only the part being split is in memory.
        max_chars: longest sentence in characters.
        max_tokens, count_tokens: longest sentence in tokens, and the encoder's token count; without both, tokens are
            not checked.
        overlap: characters shared by two pieces of a cut sentence.
        contextual: as for ``dense_text``; the text before a sentence counts towards its tokens.
        sentence_splitter: custom function that replaces our rules for running text; not used for tables and code.

    Raises:
        SettingsError: ``max_chars`` is below 1, or the encoder's prompt leaves no room for text.
        SourceError: ``sentence_splitter`` returned a sentence that is not in the text.
    """
    limits = Limits(max_chars, max_tokens, count_tokens, overlap)
    window, doc_id, base = window_of(document)
    drafts = chain.from_iterable(
        run_records(window, run, doc_id, base, limits, contextual, sentence_splitter) for run in iter_runs(window)
    )

    def fits(record: SentenceRecord) -> bool:
        return len(record.text) <= max_chars and limits.tokens_over(dense_text(record, contextual)) <= 1

    return in_order(window, drafts, fits if sentence_splitter is None else None)


def run_records(
    window: TextWindow,
    run: TextRun,
    doc_id: str,
    base: dict[str, Any],
    limits: Limits,
    contextual: str,
    sentence_splitter: SentenceSplitter | None = None,
) -> Iterator[SentenceRecord]:
    """Yield the sentences of one run of sections.

    >>> from llama_index.core.schema import Document
    >>> window, doc_id, base = window_of(Document(text="It rains. We stay in.", id_="a.md"))
    >>> run = next(iter_runs(window))
    >>> [(record.text, record.start) for record in run_records(window, run, doc_id, base, Limits(), "heading")]
    [('It rains.', 0), ('We stay in.', 10)]
    """
    if run.first.kind == "table":
        yield from _table_records(window, run, doc_id, base, limits, contextual)
        return
    index, kind = run.index, run.first.kind
    places = RunPlaces(run, base, contextual)
    own = partial(spans_by, sentence_splitter) if sentence_splitter is not None and kind == "text" else None
    for text, at, whole in (own or spans_of)(window, run):

        def shown(start: int, end: int, text: str = text, at: int = at) -> str:
            return places.prefix(start + at) + text[start:end]

        for span in pieces(text, whole.start, whole.end, limits, shown):
            start, end = span.start + at, span.end + at
            words = text[span.start : span.end]
            yield SentenceRecord(doc_id, 0, words, start, end, "", index, kind, places.metadata(start))


def _table_records(
    window: TextWindow, run: TextRun, doc_id: str, base: dict[str, Any], limits: Limits, contextual: str
) -> Iterator[SentenceRecord]:
    """Yield the rows of a table. It is held in memory as a whole: readers divide long tables."""
    first = run.first
    window.reach(first.end)
    text, at = window.text, window.base
    metadata = section_metadata(base, first)
    prefix = context_before("table", metadata, contextual)
    label = first.caption or caption_before(text, first.start - at) or (first.heading[-1] if first.heading else "")
    for row in iter_rows(text, first.start - at, first.end - at, label=label, limits=limits, prefix=prefix):
        start, end = row.start + at, row.end + at
        yield SentenceRecord(doc_id, 0, row.text, start, end, "", run.index, "table", metadata, row.raw, row.head)


class RunPlaces:
    r"""Metadata of the sections of a run, and the text before a sentence in them for the encoder.

    >>> from indexes.readers.outline import Section
    >>> run = TextRun(TextWindow(iter(())), 0, Section(0, 9, ("Care", "Drying"), page=2))
    >>> places = RunPlaces(run, {"source": "a.md"}, "heading")
    >>> places.metadata(4), places.prefix(4)
    ({'source': 'a.md', 'heading': 'Care > Drying', 'page': 2}, 'Care > Drying\n')
    """

    def __init__(self, run: TextRun, base: dict[str, Any], contextual: str) -> None:
        self._run, self._base, self._contextual = run, base, contextual
        self._starts: list[int] = []
        self._known: list[tuple[dict[str, Any], str]] = []

    def metadata(self, start: int) -> dict[str, Any]:
        return self._at(start)[0]

    def prefix(self, start: int) -> str:
        return self._at(start)[1]

    def _at(self, start: int) -> tuple[dict[str, Any], str]:
        for section in self._run.sections[len(self._known) :]:  # sections added since the last call
            metadata = section_metadata(self._base, section)
            self._starts.append(section.start)
            self._known.append((metadata, context_before(section.kind, metadata, self._contextual)))
        return self._known[max(bisect_right(self._starts, start) - 1, 0)]


def context_before(kind: str, metadata: dict[str, object], contextual: str) -> str:
    r"""Return the text that ``dense_text`` prepends to a sentence of this kind and metadata.

    >>> context_before("text", {"heading": "Care > Drying"}, "heading")
    'Care > Drying\n'
    """
    return dense_text(SentenceRecord("", 0, "", kind=kind, metadata=metadata), contextual)
