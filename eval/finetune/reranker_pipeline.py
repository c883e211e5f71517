"""The pipeline with a reranker and without: its settings, its lines for rag.toml, and what a tuned one has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eval.datasets.dataset import Dataset

if TYPE_CHECKING:
    from eval.runs import Run
    from rag.settings import RerankSettings, Settings


def without_reranker(settings: Settings) -> Settings:
    """The pipeline whose order is the fused one."""
    rerank = settings.rerank.model_copy(update={"provider": "none", "weight": 1.0})
    return settings.model_copy(update={"rerank": rerank})


def with_reranker(settings: Settings, model: Path, weight: float, scale: float | None) -> Settings:
    """The pipeline with a cross-encoder; ``weight``, ``scale``: see ``RerankSettings``."""
    changes = {"provider": "cross_encoder", "model": str(model), "weight": weight, "scale": scale}
    return settings.model_copy(update={"rerank": settings.rerank.model_copy(update=changes)})


def rerank_lines(rerank: RerankSettings) -> list[str]:
    """Lines for rag.toml: the section, provider and model, then what else is needed to get the proved order."""
    return [
        "[rerank]",
        'provider = "cross_encoder"',
        f'model = "{Path(rerank.model).resolve()}"',
        f"weight = {rerank.weight:g}",
        *([f"scale = {rerank.scale:g}"] if rerank.scale is not None else []),
        f"depth = {rerank.depth}",
        f'read = "{rerank.read}"',
    ]


def opponent(
    without: Mapping[str, Run], first: Mapping[str, Run] | None, test: Dataset
) -> tuple[Mapping[str, Run], str]:
    """(runs, name) of what a tuned reranker has to beat: the better of no reranker and the base one on the test.

    Args:
        first: of the base model; None where its head is new, and its order therefore random.
    """
    from eval.finetune.proof import MEASURES, run_key
    from eval.metrics import score

    def mean(runs: Mapping[str, Run]) -> float:
        return score(runs[run_key(test)].results, test.qrels, [MEASURES[0]]).mean[MEASURES[0]]

    if first is not None and mean(first) > mean(without):
        return first, "with the base model as reranker"
    return without, "without a reranker"
