"""eval: measure every stage, and report whether a difference is real.

>>> from eval import compare, load_run
>>> from eval.measure.runs import Run
>>> old = Run("old", {"q1": [("d2", 2.0), ("d1", 1.0)]})
>>> new = Run("new", {"q1": [("d1", 2.0), ("d2", 1.0)]})
>>> compare([old, new], {"q1": {"d1": 1}}, ["RR@10"]).runs[1].mean
{'RR@10': 1.0}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.registry import face

if TYPE_CHECKING:
    from eval.comparing.compare import compare
    from eval.datasets import load_dataset
    from eval.finetune.embedder.run import finetune_embedder
    from eval.finetune.reranker.run import finetune_reranker
    from eval.measure.evaluate import evaluate
    from eval.measure.indexing import index_dataset
    from eval.measure.runs import load_run
    from eval.synthesis.run import synthesize

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

__getattr__, __dir__ = face(
    __name__,
    {
        "compare": "eval.comparing.compare",
        "evaluate": "eval.measure.evaluate",
        "finetune_embedder": "eval.finetune.embedder.run",
        "finetune_reranker": "eval.finetune.reranker.run",
        "index_dataset": "eval.measure.indexing",
        "load_dataset": "eval.datasets",
        "load_run": "eval.measure.runs",
        "synthesize": "eval.synthesis.run",
    },
)
