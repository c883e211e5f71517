"""eval: measure every stage, and say whether a difference is real.

>>> from eval import load_dataset, evaluate, compare  # doctest: +SKIP
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.compare import compare
    from eval.datasets import load_dataset
    from eval.evaluate import evaluate
    from eval.finetune.embedder import finetune_embedder
    from eval.finetune.reranker import finetune_reranker
    from eval.indexing import index_dataset
    from eval.runs import load_run
    from eval.synthesize import synthesize

__all__ = [
    "compare",
    "evaluate",
    "finetune_embedder",
    "finetune_reranker",
    "index_dataset",
    "load_dataset",
    "load_run",
    "synthesize",
]

_HOMES = {
    "compare": "eval.compare",
    "evaluate": "eval.evaluate",
    "finetune_embedder": "eval.finetune.embedder",
    "finetune_reranker": "eval.finetune.reranker",
    "index_dataset": "eval.indexing",
    "load_dataset": "eval.datasets",
    "load_run": "eval.runs",
    "synthesize": "eval.synthesize",
}


def __getattr__(name: str) -> Any:
    # Lazy: `rag-eval --help` must not pull in llama_index.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Face(ModuleType):
    """Importing ``eval.compare`` binds the module of that name to the package; the function of the face keeps it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return __all__
