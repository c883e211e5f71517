"""Parent-child chunks as records: the store holds the children, and each records the extent of its parent.

``section`` is the number of the parent, so that no window leaves it; ``parent`` has the positions of its first and last
child. ``Collection.windows`` fetches all of them for the answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from indexes.nodes.blocks import blocks_of
from indexes.nodes.cutting import OVERLAP, CountTokens, Limits, pieces
from indexes.nodes.parent_child_cutting import NO_LIMIT, Child, Together, parents_of
from indexes.nodes.record import SentenceRecord
from indexes.nodes.sentence_window import context_before
from indexes.nodes.sliding_sentences import in_order, section_metadata, window_of
from indexes.nodes.tables import caption_before, iter_rows
from indexes.readers.outline import Section, outline_of
from indexes.readers.stream import DocumentStream

if TYPE_CHECKING:
    from llama_index.core.schema import Document

CHILD_MAX_CHARS, PARENT_MAX_CHARS = 300, 1200


def iter_children(
    document: Document | DocumentStream,
    *,
    child_max_chars: int = CHILD_MAX_CHARS,
    parent_max_chars: int = PARENT_MAX_CHARS,
    max_tokens: int | None = None,
    count_tokens: CountTokens | None = None,
    overlap: int = OVERLAP,
    contextual: str = "none",
    together: Together | None = None,
) -> Iterator[SentenceRecord]:
    r"""Yield the children of a document in order, as records that name their parent.

    A table that is a parent by itself gives one record per row; a child with more tokens than the encoder reads is cut.

    >>> from llama_index.core.schema import Document
    >>> text = "# Care\n\nDry it.\n\n## Storage\n\nKeep it dark."
    >>> [(child.text, child.parent) for child in iter_children(Document(text=text), child_max_chars=30)]
    [('# Care\n\nDry it.', (0, 1)), ('## Storage\n\nKeep it dark.', (0, 1))]

    Args:
        document: as for ``iter_records``.
        child_max_chars, parent_max_chars, together: as for ``parent_child_cutting.parents_of``.
        max_tokens, count_tokens, overlap, contextual: as for ``iter_records``.
    """
    limits = Limits(NO_LIMIT, max_tokens, count_tokens, overlap)
    if isinstance(document, DocumentStream):  # a parent may be the whole document
        document = document.document()
    window, _, base = window_of(document)
    drafts = _drafts(document, base, limits, contextual, child_max_chars, parent_max_chars, together)
    return in_order(window, drafts)


def _drafts(
    document: Document,
    base: dict[str, Any],
    limits: Limits,
    contextual: str,
    child_max: int,
    parent_max: int,
    together: Together | None,
) -> Iterator[SentenceRecord]:
    text = document.text
    sections = outline_of(document)
    starts = [section.start for section in sections]
    position = 0
    blocks = blocks_of(document)
    parents = parents_of(text, blocks, child_max=child_max, parent_max=parent_max, together=together)
    for number, parent in enumerate(parents):
        records: list[SentenceRecord] = []
        for child in parent:
            section = sections[max(bisect_right(starts, child.start) - 1, 0)]
            metadata = section_metadata(base, Section(0, 0, child.path, section.page, place=section.place))
            records += _records(document, child, section, number, metadata, limits, contextual)
        for record in records:
            record.parent = (position, position + len(records) - 1)
        position += len(records)
        yield from records


def _records(
    document: Document,
    child: Child,
    section: Section,
    number: int,
    metadata: dict[str, Any],
    limits: Limits,
    contextual: str,
) -> Iterator[SentenceRecord]:
    text, doc_id = document.text, document.node_id
    prefix = context_before(child.kind, metadata, contextual)
    if child.kind == "table" and text[child.start] == "|":
        label = section.caption or caption_before(text, child.start) or (child.path[-1] if child.path else "")
        for row in iter_rows(text, child.start, child.end, label=label, limits=limits, prefix=prefix):
            yield SentenceRecord(
                doc_id, 0, row.text, row.start, row.end, "", number, "table", metadata, row.raw, row.head
            )
        return
    for piece in pieces(text, child.start, child.end, limits, lambda a, b: prefix + text[a:b]):
        words = text[piece.start : piece.end]
        yield SentenceRecord(doc_id, 0, words, piece.start, piece.end, "", number, child.kind, metadata)
