"""Documents to nodes: every sentence, chunk or child once, with its place in the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.registry import face

if TYPE_CHECKING:
    from indexes.nodes.fixed_size import FixedSizeNodeParser
    from indexes.nodes.parent_child_parser import ParentChildNodeParser
    from indexes.nodes.record import SentenceRecord, point_id
    from indexes.nodes.sentence_window import SentenceWindowNodeParser, iter_records
    from indexes.nodes.splitter import Splitter, build_splitter

__all__ = [
    "FixedSizeNodeParser",
    "ParentChildNodeParser",
    "SentenceRecord",
    "SentenceWindowNodeParser",
    "Splitter",
    "build_splitter",
    "iter_records",
    "point_id",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "FixedSizeNodeParser": "indexes.nodes.fixed_size",
        "ParentChildNodeParser": "indexes.nodes.parent_child_parser",
        "SentenceRecord": "indexes.nodes.record",
        "SentenceWindowNodeParser": "indexes.nodes.sentence_window",
        "Splitter": "indexes.nodes.splitter",
        "build_splitter": "indexes.nodes.splitter",
        "iter_records": "indexes.nodes.sentence_window",
        "point_id": "indexes.nodes.record",
    },
)
