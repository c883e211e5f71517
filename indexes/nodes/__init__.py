"""Split documents into nodes: sentences, chunks or children, each stored once with its place in the document.

The functions that split import no LlamaIndex; its node parsers are in ``parsers``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from indexes.registry import face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llama_index.core.schema import Document

    from indexes.nodes.parsers.fixed_size import FixedSizeNodeParser
    from indexes.nodes.parsers.parent_child import ParentChildNodeParser
    from indexes.nodes.parsers.sentence_window import SentenceWindowNodeParser
    from indexes.nodes.record import SentenceRecord, point_id
    from indexes.nodes.sentence_window import iter_records
    from indexes.readers.stream import DocumentStream
    from indexes.settings.sections import SplitSettings

__all__ = [
    "FixedSizeNodeParser",
    "ParentChildNodeParser",
    "SentenceRecord",
    "SentenceWindowNodeParser",
    "build_splitter",
    "iter_records",
    "point_id",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "FixedSizeNodeParser": "indexes.nodes.parsers.fixed_size",
        "ParentChildNodeParser": "indexes.nodes.parsers.parent_child",
        "SentenceRecord": "indexes.nodes.record",
        "SentenceWindowNodeParser": "indexes.nodes.parsers.sentence_window",
        "iter_records": "indexes.nodes.sentence_window",
        "point_id": "indexes.nodes.record",
    },
)

Splitter: TypeAlias = "Callable[[Document | DocumentStream], Iterator[SentenceRecord]]"


def build_splitter(split: SplitSettings, encoder: Any = None) -> Splitter:
    """Build the splitter that ``settings.split`` describes: a function from a document to its records, in order.

    >>> from llama_index.core.schema import Document
    >>> from indexes.settings.sections import SplitSettings
    >>> split = build_splitter(SplitSettings())
    >>> [record.text for record in split(Document(text="It rains. We stay in."))]
    ['It rains.', 'We stay in.']

    Args:
        split: mode and lengths.
        encoder: an encoder with ``max_tokens`` and ``count_tokens`` (``encoders.base.CountsTokens``), for which no
            record is too long; with another, or None, only characters count.
    """
    from indexes.nodes.fixed_size import iter_chunks
    from indexes.nodes.parent_child import iter_children
    from indexes.nodes.sentence_window import iter_records

    count_tokens = getattr(encoder, "count_tokens", None)
    max_tokens = encoder.max_tokens if count_tokens is not None else None

    if split.mode == "sentence":
        return partial(
            iter_records,
            max_chars=split.max_chars,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            overlap=split.overlap_chars,
            contextual=split.contextual,
        )
    if split.mode == "fixed":
        return partial(
            iter_chunks,
            chunk_chars=split.chunk_chars,
            overlap_chars=split.overlap_chars,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            contextual=split.contextual,
        )
    return partial(
        iter_children,
        child_max_chars=split.child_max_chars,
        parent_max_chars=split.parent_max_chars,
        max_tokens=max_tokens,
        count_tokens=count_tokens,
        overlap=split.overlap_chars,
        contextual=split.contextual,
    )
