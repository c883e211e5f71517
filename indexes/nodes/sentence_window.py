"""Documents to sentence records, streaming, and the LlamaIndex node parser built on it.

Choices:

- A sentence is a record of its own and is stored once; its window is fetched at query time.
- ``section`` is the index of the outline section the sentence stands in, so a window never crosses a heading, a table
  or a code block. Consecutive text sections that differ in nothing but their page count as one: a sentence or a window
  may run over a page break, and a sentence's page is the one it begins on.
- A heading is not a record if body text stands under it or one of its sub-headings: the heading path of that text
  names it already. A heading without any body is a record of kind "heading".
- A table is a record a row, in words (``tables.py``). A code block is one record.
- What is too little to be searched by itself (bare punctuation, lines of numbers, fragments) joins its neighbour
  (``indexes.text.units``).
- What is longer than ``max_chars``, or than the encoder reads, is cut (``cutting.py``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.node_parser.node_utils import default_id_func
from llama_index.core.schema import BaseNode, Document, NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import Field

from indexes.nodes.cutting import OVERLAP, CountTokens, Limits, pieces
from indexes.nodes.record import CUSTOM_WINDOW_KEYS, WINDOW_KEYS, SentenceRecord, dense_text, join_records
from indexes.nodes.record_parser import RecordNodeParser
from indexes.nodes.sliding_sentences import in_order, section_metadata, spans_of, window_of
from indexes.nodes.sliding_text import SentenceSplitter, TextRun, TextWindow, iter_runs, spans_by
from indexes.nodes.tables import caption_before, iter_rows
from indexes.readers.stream import DocumentStream
from indexes.text.sentences import MAX_CHARS

WINDOW_SIZE = 3  # LlamaIndex's default


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
    """The sentences of one document in order, one at a time; ``position`` counts them from 0.

    Records of the same section and page share one ``metadata`` dict: copy it before you change it.

    Args:
        document: with or without an outline; its metadata but the outline goes into every record. One that comes in
            parts gives the same records, and only what is being split is held.
        max_chars: longest sentence in characters.
        max_tokens, count_tokens: longest sentence in tokens, and the encoder's count of them; without both, tokens
            are not looked at.
        overlap: characters that two pieces of a cut sentence have in common.
        contextual: as for ``dense_text``; what is put before a sentence counts as its tokens.
        sentence_splitter: a function of your own in place of our rules, for running text; tables and code stay ours.

    Raises:
        SettingsError: ``max_chars`` is below 1, or the encoder's prompt leaves no room for text.
        SourceError: ``sentence_splitter`` gave what is not in the text.
    """
    limits = Limits(max_chars, max_tokens, count_tokens, overlap)
    window, doc_id, base = window_of(document)
    drafts = _drafts(window, doc_id, base, limits, contextual, sentence_splitter)

    def fits(record: SentenceRecord) -> bool:
        return len(record.text) <= max_chars and limits.tokens_over(dense_text(record, contextual)) <= 1

    return in_order(window, drafts, fits if sentence_splitter is None else None)


def _drafts(
    window: TextWindow,
    doc_id: str,
    base: dict[str, Any],
    limits: Limits,
    contextual: str,
    sentence_splitter: SentenceSplitter | None,
) -> Iterator[SentenceRecord]:
    for run in iter_runs(window):
        yield from run_records(window, run, doc_id, base, limits, contextual, sentence_splitter)


def run_records(
    window: TextWindow,
    run: TextRun,
    doc_id: str,
    base: dict[str, Any],
    limits: Limits,
    contextual: str,
    sentence_splitter: SentenceSplitter | None = None,
) -> Iterator[SentenceRecord]:
    """The sentences of one run of sections."""
    if run.first.kind == "table":
        yield from table_records(window, run, doc_id, base, limits, contextual)
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


def table_records(
    window: TextWindow, run: TextRun, doc_id: str, base: dict[str, Any], limits: Limits, contextual: str
) -> Iterator[SentenceRecord]:
    """The rows of a table, which is held whole: readers make many tables of a long one."""
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
    """Metadata of the sections of a run, and what the encoder is given before a sentence that begins in them."""

    def __init__(self, run: TextRun, base: dict[str, Any], contextual: str) -> None:
        self._run, self._base, self._contextual = run, base, contextual
        self._starts: list[int] = []
        self._known: list[tuple[dict[str, Any], str]] = []

    def metadata(self, start: int) -> dict[str, Any]:
        return self._at(start)[0]

    def prefix(self, start: int) -> str:
        return self._at(start)[1]

    def _at(self, start: int) -> tuple[dict[str, Any], str]:
        for section in self._run.sections[len(self._known) :]:  # it has grown
            metadata = section_metadata(self._base, section)
            self._starts.append(section.start)
            self._known.append((metadata, context_before(section.kind, metadata, self._contextual)))
        return self._known[max(bisect_right(self._starts, start) - 1, 0)]


def context_before(kind: str, metadata: dict[str, object], contextual: str) -> str:
    """What ``dense_text`` puts before a sentence of this kind and place."""
    return dense_text(SentenceRecord("", 0, "", kind=kind, metadata=metadata), contextual)


class SentenceWindowNodeParser(RecordNodeParser):
    """LlamaIndex node parser: one node a sentence, with the ids and keys of ``SentenceRecord.to_node()``.

    A sentence is stored once and its window fetched when it is found, so windows are not copied into the nodes, unless
    ``from_defaults`` is asked for them as LlamaIndex's parser is (``window_size=3``): then ``metadata`` holds
    ``window`` and ``original_text``, which our store leaves out again when such nodes are added.

    Use it where LlamaIndex takes a transformation, for example
    ``IngestionPipeline(transformations=[SentenceWindowNodeParser.from_defaults()])``.
    """

    max_chars: int = Field(default=MAX_CHARS, ge=1, description="longest sentence in characters")

    window_size: int = Field(default=0, ge=0, description="sentences on each side in metadata; 0 copies no windows")
    window_metadata_key: str = Field(default=WINDOW_KEYS[0], description="metadata key of the window")
    original_text_metadata_key: str = Field(default=WINDOW_KEYS[1], description="metadata key of the sentence")

    sentence_splitter: SentenceSplitter | None = Field(
        default=None, exclude=True, description="a function of your own in place of our sentence rules"
    )

    @classmethod
    def from_defaults(
        cls,
        sentence_splitter: SentenceSplitter | None = None,
        window_size: int | None = None,
        window_metadata_key: str | None = None,
        original_text_metadata_key: str | None = None,
        include_metadata: bool = True,
        include_prev_next_rel: bool = True,
        callback_manager: CallbackManager | None = None,
        id_func: Callable[[int, BaseNode], str] | None = None,
        *,
        max_chars: int = MAX_CHARS,
    ) -> SentenceWindowNodeParser:
        """Build the parser with the arguments of LlamaIndex's; any ``window_...`` among them asks for windows.

        ``id_func`` names the nodes; our store gives what it keeps its own ids, made of document and position.
        """
        arguments = window_size, window_metadata_key, original_text_metadata_key
        size = WINDOW_SIZE if window_size is None else window_size
        return cls(
            sentence_splitter=sentence_splitter,
            max_chars=max_chars,
            include_metadata=include_metadata,
            include_prev_next_rel=include_prev_next_rel,
            window_size=0 if arguments == (None, None, None) else size,
            window_metadata_key=window_metadata_key or WINDOW_KEYS[0],
            original_text_metadata_key=original_text_metadata_key or WINDOW_KEYS[1],
            callback_manager=callback_manager or CallbackManager([]),
            id_func=id_func or default_id_func,
        )

    def _nodes_of(self, node: BaseNode) -> list[TextNode]:
        nodes = super()._nodes_of(node)
        if self.window_size:
            self._put_windows(nodes)
        if self.id_func is not default_id_func:
            self._rename(nodes, node)
        return nodes

    def _put_windows(self, nodes: list[TextNode]) -> None:
        keys = [self.window_metadata_key, self.original_text_metadata_key]
        records = [SentenceRecord.from_node(sentence) for sentence in nodes]
        for place, (sentence, record) in enumerate(zip(nodes, records, strict=True)):
            around = records[max(0, place - self.window_size) : place + self.window_size + 1]
            window = join_records([other for other in around if other.section == record.section])
            sentence.metadata.update(dict(zip(keys, (window, record.text), strict=True)))
            hidden = list(keys)
            if tuple(keys) != WINDOW_KEYS:
                sentence.metadata[CUSTOM_WINDOW_KEYS] = keys  # for our store, which leaves them out
                hidden.append(CUSTOM_WINDOW_KEYS)
            sentence.excluded_embed_metadata_keys += hidden
            sentence.excluded_llm_metadata_keys += hidden

    def _rename(self, nodes: list[TextNode], document: BaseNode) -> None:
        """Give the nodes the ids that the user's function names, in their links to each other too."""
        names = {node.node_id: self.id_func(place, document) for place, node in enumerate(nodes)}
        for node in nodes:
            for link in (NodeRelationship.PREVIOUS, NodeRelationship.NEXT):
                if isinstance(other := node.relationships.get(link), RelatedNodeInfo):
                    other.node_id = names[other.node_id]
            node.id_ = names[node.node_id]

    @classmethod
    def class_name(cls) -> str:
        return "RagWrightSentenceWindowNodeParser"

    def records(self, document: Document) -> Iterator[SentenceRecord]:
        return iter_records(document, max_chars=self.max_chars, sentence_splitter=self.sentence_splitter)
