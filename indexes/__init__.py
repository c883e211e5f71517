"""indexes: read, split, encode and store documents.

>>> from indexes import build_index, open_index  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexes.api import DocumentInfo, Index, build_index, open_index, plan_index
    from indexes.reindexing.run import reindex

__all__ = ["DocumentInfo", "Index", "build_index", "open_index", "plan_index", "reindex"]


def __getattr__(name: str) -> Any:
    # Lazy: `rag --help` imports indexes.settings.sections, and must not pull in llama_index for it.
    if name == "reindex":
        from indexes.reindexing.run import reindex

        return reindex
    if name in __all__:
        from indexes import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
