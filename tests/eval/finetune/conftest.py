from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

MEASURING = {
    "eval.measure.evaluate": "evaluate",
    "eval.measure.session": "Session",
    "eval.measure.indexing": "index_dataset",
    "indexes": "open_index",
    "indexes.encoders": "build_encoder",
    "rag.rerankers": "build_reranker",
    "rag.llms": "build_llm",
}


@pytest.fixture
def forbid_scoring(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on measuring, indexing and loading a model fail: a finished run needs none of them."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished run measured something, or loaded a model")

    def forbid() -> None:
        for module, name in MEASURING.items():
            monkeypatch.setattr(import_module(module), name, fail)

    return forbid
