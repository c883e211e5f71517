"""rag: ask an index, and get answers with numbered citations.

>>> from rag import build_query_engine, build_chat_engine, build_retriever, load_settings  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.registry import face

if TYPE_CHECKING:
    from rag.api import build_chat_engine, build_query_engine, build_retriever
    from rag.settings import Settings, load_settings

__all__ = ["Settings", "build_chat_engine", "build_query_engine", "build_retriever", "load_settings"]

__getattr__, __dir__ = face(
    __name__, dict.fromkeys(__all__, "rag.api") | dict.fromkeys(("Settings", "load_settings"), "rag.settings")
)
