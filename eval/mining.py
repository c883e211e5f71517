"""Hard negatives from the real hybrid pipeline: texts that both legs rank high and that do not answer the question.

What looks like a negative may be an answer that nobody judged (a false negative; Qu et al., RocketQA,
arXiv 2010.08191). Three guards: ranks before ``skip`` are left out, so is what scores within ``margin`` of the
positive (Moreira et al., NV-Retriever, arXiv 2407.15831), and a cross-encoder may be asked as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from eval.datasets.dataset import Dataset
from eval.finetune.data import TrainingSet

if TYPE_CHECKING:
    from rag.retrieval.hybrid import HybridRetriever

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class MiningOptions:
    """How negatives are chosen.

    Args:
        depth: documents taken from the pipeline a question.
        skip: best ranks that are left out (0: none).
        negatives: kept a question, hardest first.
        margin: a negative's fused score is at most (1 - margin) of the positive's. 0 only asks that it be lower; the
            guard is off with None.
        unit: what a training text is: the whole document, the best window, or the best sentence of it.
        cross_encoder: any of ``rag.rerankers``; what it scores at or above the positive less the margin is left out.
        seed: for what is drawn.
    """

    depth: int = 100
    skip: int = 0
    negatives: int = 7
    margin: float | None = 0.05
    unit: Literal["document", "window", "sentence"] = "document"
    cross_encoder: Any = None
    seed: int = 7


@dataclass
class MiningReport:
    """What mining found."""

    queries: int = 0

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError


def mine(
    retriever: HybridRetriever, train: Dataset, options: MiningOptions, *, progress: Tick | None = None
) -> tuple[TrainingSet, MiningReport]:
    """Ask the pipeline every training question, and keep what it wrongly ranks high."""
    raise NotImplementedError
