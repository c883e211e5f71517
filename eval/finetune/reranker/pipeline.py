"""The pipeline with and without a reranker: settings, scores, and what a tuned reranker has to beat."""

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
from eval.measure.session import changed, without_reranker
from eval.ticks import ticking

if TYPE_CHECKING:
    from eval.measure.runs import Run
    from rag.settings import RerankSettings, Settings


PIPELINE = ("encoder", "split", "sparse", "retrieval", "rerank")  # sections on which a reranker's scores depend


def with_reranker(settings: Settings, model: Path, weight: float, scale: float | None) -> Settings:
    """Return the pipeline's settings with a cross-encoder; ``weight``, ``scale``: see ``RerankSettings``.

    >>> from rag.settings import Settings
    >>> rerank = with_reranker(Settings(), Path("tuned/model"), weight=0.5, scale=None).rerank
    >>> rerank.provider, rerank.weight
    ('cross_encoder', 0.5)
    """
    rerank = {"provider": "cross_encoder", "model": str(model), "weight": weight, "scale": scale}
    return changed(settings, rerank=rerank)


def depends(model: Path | None, settings: Settings) -> list[Any]:
    """Return what a pipeline's scores depend on: the weights of its reranker (not their place), and its settings.

    >>> from rag.settings import Settings
    >>> weights, settings = depends(None, Settings())
    >>> list(settings)
    ['encoder', 'split', 'sparse', 'retrieval', 'rerank']
    """
    from indexes.encoders.torch_runtime import weights_digest

    tree = settings.model_dump(mode="json")
    tree["rerank"].pop("model")
    digest = weights_digest(model) if model is not None else None
    return [digest, {section: tree[section] for section in PIPELINE}]


def rerank_lines(rerank: RerankSettings) -> list[str]:
    """Return lines for rag.toml: section, provider, model, and what else the proved order needs.

    >>> from rag.settings import RerankSettings
    >>> rerank_lines(RerankSettings(model="tuned/model", weight=0.5))[3:]
    ['weight = 0.5', 'depth = 50', 'read = "window"']
    """
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
    """Return (runs, name) of what a tuned reranker has to beat: no reranker or the base, whichever is better.

    >>> from eval.measure.runs import Run
    >>> test = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> good, bad = ({run_key(test): Run("any", {"q1": [(name, 1.0)]})} for name in ("d1", "x"))
    >>> opponent(bad, good, test)[1], opponent(good, bad, test)[1], opponent(bad, None, test)[1]
    ('with the base model as reranker', 'without a reranker', 'without a reranker')

    Args:
        first: runs of the base model; None if its head is new, and its order random.
    """

    def mean(runs: Mapping[str, Run]) -> float:
        return score(runs[run_key(test)].results, test.qrels, [MEASURES[0]]).mean[MEASURES[0]]

    if first is not None and mean(first) > mean(without):
        return first, "with the base model as reranker"
    return without, "without a reranker"


def gain_alone(start: Mapping[str, float], tuned: Mapping[str, float], *, new_head: bool) -> str:
    """Return a note on the gain of the reranker's own order; the mappings are measure -> mean.

    >>> gain_alone({"MAP": 0.4}, {"MAP": 0.5}, new_head=False)
    'the reranker alone orders the candidates with MAP 0.4000 -> 0.5000 (+25.0%)'
    """
    before, after = start[MEASURES[0]], tuned[MEASURES[0]]
    gain = f" ({(after - before) / before:+.1%})" if before else ""
    head = "; the head of the base was new" if new_head else ""
    return f"the reranker alone orders the candidates with {MEASURES[0]} {before:.4f} -> {after:.4f}{gain}{head}"


def against_none(without: Mapping[str, Run], tuned: Mapping[str, Run], test: Dataset) -> str:
    """Return a note that compares with the pipeline without a reranker, for a base that is a reranker.

    >>> from eval.measure.runs import Run
    >>> test = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> good, bad = ({run_key(test): Run("any", {"q1": [(name, 1.0)]})} for name in ("d1", "x"))
    >>> against_none(bad, good, test)
    'against the pipeline without a reranker: MAP 0.0000 -> 1.0000 (p = 1.0000)'
    """
    measure, key = MEASURES[0], run_key(test)
    before, after = (score(runs[key].results, test.qrels, [measure]) for runs in (without, tuned))
    values = [after.per_query[measure][query] - value for query, value in before.per_query[measure].items()]
    return (
        f"against the pipeline without a reranker: {measure} {before.mean[measure]:.4f} -> {after.mean[measure]:.4f} "
        f"(p {p_sign(paired(values)[0].p)})"
    )


@dataclass
class PipelineMeasures(Scorer):
    """The measurements of a run in the pipeline; each is made once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rerankers: dict[Path, Any] = {}  # loaded rerankers by folder

    @cached_property
    def pipeline(self) -> Settings:
        """Return the pipeline's settings without a reranker."""
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
        """Return the runs of the pipeline with a reranker (None: without), saved in the folder ``name``."""
        settings = self.pipeline if model is None else with_reranker(self.settings, model, weight, scale)

        def measure(dataset: Dataset, tick: Any = None) -> Any:
            """Score each pair of question and text once per run, whatever the share."""
            reranker = False if model is None else self.remembered(model)
            return measured(self.request, settings, "pipeline", dataset, reranker=reranker, tick=tick)

        return self.scored(name, what, measure, depends(model, settings), datasets)

    def remembered(self, model: Path) -> Any:
        """Return the loaded reranker behind its file of scores."""
        from eval.finetune.reranker.remembered_scores import Remembered
        from indexes.encoders.torch_runtime import weights_digest
        from rag.rerankers import build_reranker

        if model not in self.rerankers:
            inner = build_reranker(with_reranker(self.settings, model, 1.0, None).rerank)
            path = self.run.path / "scores" / f"{model.name}-{weights_digest(model)}.sqlite"
            self.rerankers[model] = Remembered(inner, path)
        return self.rerankers[model]

    def dev_lists(self) -> list[CandidateList]:
        """Return the pipeline's candidates for the dev questions."""
        path = self.run.path / "dev.jsonl"

        def work() -> list[CandidateList]:
            dev, depth = self.splits.dev, self.settings.rerank.depth
            with self.retrieving(self.pipeline, dev) as retriever, self.stage("candidates of dev") as tick:
                return candidate_lists(retriever, dev, depth=depth, progress=tick)

        return self.run.step("dev", work, save=lambda found: save_lists(found, path), load=lambda: load_lists(path))

    def chosen(
        self, name: str, model: Path, lists: list[CandidateList], scale: float | None, fixed: float | None
    ) -> Share:
        """Return the reranker's share: ``fixed``, or chosen by MAP on dev.

        Args:
            scale: that of a reranker trained with ``Residual`` (see ``steady_share``); None: choose the best share.
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
        """Return name of a run -> measure -> mean on the test questions."""
        return {name: score(run.results, self.splits.test.qrels, MEASURES).mean for name, run in runs.items()}
