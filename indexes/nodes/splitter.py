"""``build_splitter``: the splitter that the settings describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from llama_index.core.schema import Document

from indexes.nodes.fixed_size import iter_chunks
from indexes.nodes.parent_child_parser import iter_children
from indexes.nodes.record import SentenceRecord
from indexes.nodes.sentence_window import iter_records
from indexes.readers.stream import DocumentStream

if TYPE_CHECKING:
    from indexes.settings.sections import SplitSettings

Splitter = Callable[[Document | DocumentStream], Iterator[SentenceRecord]]


def build_splitter(split: SplitSettings, encoder: Any = None) -> Splitter:
    """The splitter that ``settings.split`` describes: one Document in, its records in order out.

    Args:
        encoder: one that says how many tokens it reads, and counts them (``encoders.base.CountsTokens``), so that
            nothing it is given is truncated; with another, or none, characters alone decide.
    """
    count_tokens = getattr(encoder, "count_tokens", None)
    max_tokens = encoder.max_tokens if count_tokens is not None else None

    def sentences(document: Document | DocumentStream) -> Iterator[SentenceRecord]:
        return iter_records(
            document,
            max_chars=split.max_chars,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            overlap=split.overlap_chars,
            contextual=split.contextual,
        )

    def chunks(document: Document | DocumentStream) -> Iterator[SentenceRecord]:
        return iter_chunks(
            document,
            chunk_chars=split.chunk_chars,
            overlap_chars=split.overlap_chars,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            contextual=split.contextual,
        )

    def children(document: Document | DocumentStream) -> Iterator[SentenceRecord]:
        return iter_children(
            document,
            child_max_chars=split.child_max_chars,
            parent_max_chars=split.parent_max_chars,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            overlap=split.overlap_chars,
            contextual=split.contextual,
        )

    return {"sentence": sentences, "fixed": chunks, "parent_child": children}[split.mode]
