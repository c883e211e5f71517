"""indexes: read, split, encode and store documents.

>>> from indexes import build_index, open_index  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.registry import face

if TYPE_CHECKING:
    from indexes.api import DocumentInfo, Index, build_index, open_index, plan_index
    from indexes.copying.run import copy_collection
    from indexes.reindexing.run import reindex

__all__ = ["DocumentInfo", "Index", "build_index", "copy_collection", "open_index", "plan_index", "reindex"]

__getattr__, __dir__ = face(
    __name__,
    dict.fromkeys(__all__, "indexes.api")
    | {"copy_collection": "indexes.copying.run", "reindex": "indexes.reindexing.run"},
)
