"""The pipeline with a reranker and without: its settings, its figures, and what a tuned one has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.comparing.significance import p_sign, paired
from eval.datasets.dataset import Dataset
from eval.finetune.proof.forgetting import MEASURES, run_key
from eval.finetune.proof.scorer import Scorer, measured
from eval.finetune.reranker.blend_weight import Share, best_share, steady_share
from eval.finetune.reranker.rows import CandidateList, candidate_lists, load_lists, save_lists
from eval.measure.metrics import score
from eval.measure.session import without_reranker
from eval.ticks import ticking

if TYPE_CHECKING:
    from eval.measure.runs import Run
    from rag.settings import RerankSettings, Settings


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

    def mean(runs: Mapping[str, Run]) -> float:
        return score(runs[run_key(test)].results, test.qrels, [MEASURES[0]]).mean[MEASURES[0]]

    if first is not None and mean(first) > mean(without):
        return first, "with the base model as reranker"
    return without, "without a reranker"


def gain_alone(start: Mapping[str, float], tuned: Mapping[str, float], *, new_head: bool) -> str:
    """What the reranker's own order of the candidates gained; measure -> mean, before its training and after it."""
    before, after = start[MEASURES[0]], tuned[MEASURES[0]]
    gain = f" ({(after - before) / before:+.1%})" if before else ""
    head = "; the head of the base was new" if new_head else ""
    return f"the reranker alone orders the candidates with {MEASURES[0]} {before:.4f} -> {after:.4f}{gain}{head}"


def against_none(without: Mapping[str, Run], tuned: Mapping[str, Run], test: Dataset) -> str:
    """What the tuned reranker is worth beside none at all: said where the base was a reranker already."""
    measure, key = MEASURES[0], run_key(test)
    before, after = (score(runs[key].results, test.qrels, [measure]) for runs in (without, tuned))
    values = [after.per_query[measure][query] - value for query, value in before.per_query[measure].items()]
    return (
        f"against the pipeline without a reranker: {measure} {before.mean[measure]:.4f} -> {after.mean[measure]:.4f} "
        f"(p {p_sign(paired(values)[0].p)})"
    )


@dataclass
class PipelineMeasures(Scorer):
    """What a run measures in the pipeline; nothing is measured twice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rerankers: dict[Path, Any] = {}  # loaded, by folder

    @cached_property
    def pipeline(self) -> Settings:
        """The pipeline's settings without a reranker."""
        return without_reranker(self.settings)

    def runs(
        self,
        name: str,
        what: str,
        datasets: Sequence[Dataset],
        model: Path | None = None,
        weight: float = 1.0,
        scale: float | None = None,
    ) -> dict[str, Run]:
        """Runs of the pipeline with a reranker (None: without), each kept in the folder ``name``."""
        from indexes.encoders.torch_runtime import weights_digest

        settings = self.pipeline if model is None else with_reranker(self.settings, model, weight, scale)
        tree = settings.model_dump(mode="json")
        tree["rerank"].pop("model")
        kept = {section: tree[section] for section in ("encoder", "split", "sparse", "retrieval", "rerank")}
        fingerprint = [weights_digest(model) if model is not None else None, kept]

        def measure(dataset: Dataset, tick: Any = None) -> Any:
            """A pair of question and text is scored once in a run, whatever its share."""
            reranker = False if model is None else self.remembered(model)
            return measured(self.request, settings, "pipeline", dataset, reranker=reranker, tick=tick)

        return self.scored(name, what, measure, fingerprint, datasets)

    def remembered(self, model: Path) -> Any:
        from eval.finetune.reranker.remembered_scores import Remembered
        from indexes.encoders.torch_runtime import weights_digest
        from rag.rerankers import build_reranker

        if model not in self.rerankers:
            inner = build_reranker(with_reranker(self.settings, model, 1.0, None).rerank)
            path = self.run.path / "scores" / f"{model.name}-{weights_digest(model)}.sqlite"
            self.rerankers[model] = Remembered(inner, path)
        return self.rerankers[model]

    def dev_lists(self) -> list[CandidateList]:
        """The pipeline's candidates for the dev questions."""
        path = self.run.path / "dev.jsonl"

        def work() -> list[CandidateList]:
            dev, depth = self.splits.dev, self.settings.rerank.depth
            with self.retrieving(self.pipeline, dev) as retriever, self.stage("candidates of dev") as tick:
                return candidate_lists(retriever, dev, depth=depth, progress=tick)

        return self.run.step("dev", work, save=lambda found: save_lists(found, path), load=lambda: load_lists(path))

    def chosen(
        self, name: str, model: Path, lists: list[CandidateList], scale: float | None, fixed: float | None
    ) -> Share:
        """The share of a reranker's score that dev chooses by MAP, or the ``fixed`` one.

        Args:
            scale: of a reranker trained on what the fused order lacks (``steady_share``); None: the best one is taken.
        """

        def work() -> dict[str, Any]:
            reranker = self.remembered(model)
            raw = []
            with self.stage(f"choose the weight of {name}") as tick:
                for one in ticking(lists, tick):
                    raw.append([float(value) for value in reranker.score(one.question, one.texts).raw])
            if fixed is None and scale is not None:
                found = steady_share(lists, raw, MEASURES[0], scale)
            else:
                found = best_share(lists, raw, MEASURES[0], scale)
            return {**(found if fixed is None else replace(found, share=fixed)).as_dict(), "scale": scale}

        found = self.run.step(f"weight {name}", work)
        return Share.load(found)

    def table(self, runs: dict[str, Run]) -> dict[str, dict[str, float]]:
        return {name: score(run.results, self.splits.test.qrels, MEASURES).mean for name, run in runs.items()}
