"""Documents to sentence records, streaming, and the LlamaIndex node parser built on it.

Choices:

- A sentence is a record of its own and is stored once; its window is fetched at query time.
- ``section`` is the index of the outline section the sentence stands in, so a window never crosses a heading, a table
  or a code block. Consecutive text sections that differ in nothing but their page count as one: a sentence or a window
  may run over a page break, and a sentence's page is the one it begins on.
- A heading is no record of its own where body text stands under it, or under one of its sub-headings: the heading path
  of that text names it already. A heading without any body is a record of kind "heading".
- A table is a record a row, in words (``tables.py``). A code block is one record.
- What is longer than ``max_chars``, or than the encoder reads, is cut (``cutting.py``).
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator

from llama_index.core.schema import Document
from pydantic import Field

from indexes.nodes.cutting import OVERLAP, CountTokens, Limits, pieces
from indexes.nodes.record import SentenceRecord, dense_text
from indexes.nodes.record_parser import RecordNodeParser
from indexes.nodes.sections import in_order, plain_metadata, runs, section_metadata
from indexes.nodes.tables import caption_before, iter_rows
from indexes.readers.outline import Section, outline_of
from indexes.sentences import MAX_CHARS, Span, iter_spans


def iter_records(
    document: Document,
    *,
    max_chars: int = MAX_CHARS,
    max_tokens: int | None = None,
    count_tokens: CountTokens | None = None,
    overlap: int = OVERLAP,
    contextual: str = "none",
) -> Iterator[SentenceRecord]:
    """The sentences of one document in order, one at a time; ``position`` counts them from 0.

    Records of the same section and page share one ``metadata`` dict: copy it before you change it.

    Args:
        document: with or without an outline; its metadata but the outline goes into every record.
        max_chars: longest sentence in characters.
        max_tokens, count_tokens: longest sentence in tokens, and the encoder's count of them; without both, tokens
            are not looked at.
        overlap: characters that two pieces of a cut sentence have in common.
        contextual: as for ``dense_text``; what is put before a sentence counts as its tokens.

    Raises:
        SettingsError: ``max_chars`` is below 1, or the encoder's prompt leaves no room for text.
    """
    limits = Limits(max_chars, max_tokens, count_tokens, overlap)
    return in_order(document.text, _drafts(document, limits, contextual))


def _drafts(document: Document, limits: Limits, contextual: str) -> Iterator[SentenceRecord]:
    base = plain_metadata(document)
    for index, run in runs(document.text, outline_of(document)):
        yield from run_records(document, index, run, base, limits, contextual)


def run_records(
    document: Document, index: int, run: list[Section], base: dict[str, object], limits: Limits, contextual: str
) -> Iterator[SentenceRecord]:
    """The sentences of one run of sections; ``index`` becomes their section."""
    text, doc_id, first = document.text, document.node_id, run[0]
    starts = [section.start for section in run]
    metadatas = [section_metadata(base, section) for section in run]
    prefixes = [context_before(first.kind, metadata, contextual) for metadata in metadatas]
    if first.kind == "table":
        heading = first.heading[-1] if first.heading else ""
        label = first.caption or caption_before(text, first.start) or heading
        for row in iter_rows(text, first.start, run[-1].end, label=label, limits=limits, prefix=prefixes[0]):
            yield SentenceRecord(
                doc_id, 0, row.text, row.start, row.end, "", index, "table", metadatas[0], row.raw, row.head
            )
        return

    def place(start: int) -> int:
        return max(bisect_right(starts, start) - 1, 0)

    def shown(start: int, end: int) -> str:
        return prefixes[place(start)] + text[start:end]

    if first.kind == "code":
        spans: Iterator[Span] = iter((Span(first.start, run[-1].end),))
    else:
        spans = iter_spans(text, first.start, run[-1].end, sys.maxsize)
    for whole in spans:
        for span in pieces(text, whole.start, whole.end, limits, shown):
            metadata = metadatas[place(span.start)]
            words = text[span.start : span.end]
            yield SentenceRecord(doc_id, 0, words, span.start, span.end, "", index, first.kind, metadata)


def context_before(kind: str, metadata: dict[str, object], contextual: str) -> str:
    """What ``dense_text`` puts before a sentence of this kind and place."""
    return dense_text(SentenceRecord("", 0, "", kind=kind, metadata=metadata), contextual)


class SentenceWindowNodeParser(RecordNodeParser):
    """LlamaIndex node parser: one node a sentence, with the ids and keys of ``SentenceRecord.to_node()``.

    Windows are not copied into the nodes; they are fetched at query time. Use it where LlamaIndex takes a
    transformation, for example ``IngestionPipeline(transformations=[SentenceWindowNodeParser.from_defaults()])``.
    """

    max_chars: int = Field(default=MAX_CHARS, ge=1, description="longest sentence in characters")

    @classmethod
    def from_defaults(
        cls, max_chars: int = MAX_CHARS, include_metadata: bool = True, include_prev_next_rel: bool = True
    ) -> SentenceWindowNodeParser:
        return cls(max_chars=max_chars, include_metadata=include_metadata, include_prev_next_rel=include_prev_next_rel)

    @classmethod
    def class_name(cls) -> str:
        return "RagWrightSentenceWindowNodeParser"

    def records(self, document: Document) -> Iterator[SentenceRecord]:
        return iter_records(document, max_chars=self.max_chars)
