"""rag: ask an index, and get answers with numbered citations.

>>> from rag import build_query_engine, build_chat_engine, build_retriever, load_settings  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.api import build_chat_engine, build_query_engine, build_retriever
    from rag.settings import Settings, load_settings

__all__ = ["Settings", "build_chat_engine", "build_query_engine", "build_retriever", "load_settings"]


def __getattr__(name: str) -> Any:
    # Lazy: importing `rag` for its settings or its command line must not pull in llama_index.
    if name in ("Settings", "load_settings"):
        from rag import settings

        return getattr(settings, name)
    if name in __all__:
        from rag import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
