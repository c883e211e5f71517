"""indexes: read, split, encode and store documents.

>>> from indexes import build_index, open_index  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.registry import face

if TYPE_CHECKING:
    from indexes.api import DocumentInfo, Index, build_index, open_index, plan_index
    from indexes.reindexing.run import reindex

__all__ = ["DocumentInfo", "Index", "build_index", "open_index", "plan_index", "reindex"]

__getattr__, __dir__ = face(__name__, dict.fromkeys(__all__, "indexes.api") | {"reindex": "indexes.reindexing.run"})
