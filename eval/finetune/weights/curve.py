"""merge: the weighted average of base and tuned weights (LM-Cocktail, Xiao et al. 2023, arXiv 2311.13534).

Between the base model and the tuned one lies a line; on it there is often a model that keeps most of the gain and loses
little elsewhere. The weight is chosen on dev questions and on samples of other collections, never on the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import Dataset
from eval.datasets.questions import subset
from eval.finetune.proof.forgetting import MEASURES, WEAK, WEAK_NOTE, run_key
from eval.finetune.proof.scorer import Measure, score_all
from eval.finetune.training.options import DOCUMENTS, QUERIES, WEIGHTS
from eval.finetune.training.request import MAX_LOSS
from eval.finetune.weights.average import average_folders as merge_folders
from eval.measure.metrics import score
from eval.report.table import pipes, plain, table
from eval.ticks import Tick, ticking
from indexes.errors import SettingsError

KEEP = 0.9  # share of the best gain that a weight must keep to be chosen for its small loss
_SAME = 1e-4  # relative losses closer than this are equal
_BAR = 20

MeasureOf = Callable[[Path], Measure]  # a model's folder -> how it is measured


@dataclass(slots=True)
class Point:
    """One weight of the tuned model: means of MAP on dev and on the other collections (by name)."""

    weight: float
    dev: float
    others: dict[str, float]


@dataclass(slots=True)
class Curve:
    """All points by weight, and which one was chosen, with the reason in one sentence."""

    points: list[Point]
    chosen: float
    reason: str
    notes: list[str] = field(default_factory=list)
    weak: list[str] = field(default_factory=list)  # collections that the base is too weak on to be counted

    def as_dict(self) -> dict[str, Any]:
        rows = [asdict(point) | {"worst": worst_change(self.points[0], point, self.weak)} for point in self.points]
        own = {"measure": MEASURES[0], "points": rows, "chosen": self.chosen}
        return own | {"reason": self.reason, "notes": self.notes}

    def to_text(self) -> str:
        """A table with a bar for each weight, for a terminal."""
        rows = [[*row, bar] for row, bar in zip(self._rows(), self._bars(), strict=True)]
        notes = "\n".join(f"note: {note}" for note in self.notes)
        return f"{self.reason}\n\n{table([*self._head(), 'gain on dev'], rows)}\n\n{notes}".rstrip()

    def to_markdown(self) -> str:
        """The same table in Markdown."""
        lines = [plain(self.reason), "", *pipes(self._head(), self._rows()), ""]
        return "\n".join([*lines, *(f"- {plain(note)}" for note in self.notes)]) + "\n"

    def _head(self) -> list[str]:
        return ["weight", f"dev {MEASURES[0]}", *(f"{name} {MEASURES[0]}" for name in self.points[0].others), "worst"]

    def _rows(self) -> list[list[str]]:
        rows = []
        for point in self.points:
            mark = " <" if point.weight == self.chosen else ""
            worst = worst_change(self.points[0], point, self.weak)
            others = (f"{value:.4f}" for value in point.others.values())
            rows.append([f"{point.weight:g}{mark}", f"{point.dev:.4f}", *others, f"{worst:+.1%}"])
        return rows

    def _bars(self) -> list[str]:
        gains = [point.dev - self.points[0].dev for point in self.points]
        most = max((abs(gain) for gain in gains), default=0.0) or 1.0
        return [(("#" if gain >= 0 else "-") * round(_BAR * abs(gain) / most)).ljust(_BAR) for gain in gains]


def worst_change(base: Point, point: Point, weak: Sequence[str] = ()) -> float:
    """The lowest relative change among the collections not in ``weak``: -0.03 is a loss of 3 %; 0 without any."""
    changes = [(point.others[name] - v) / v for name, v in base.others.items() if v and name not in weak]
    return min(changes, default=0.0)


def choose_weight(
    points: Sequence[Point], *, max_loss: float = MAX_LOSS, keep: float = KEEP, weak: Sequence[str] = ()
) -> tuple[float, str]:
    """The weight that keeps at least ``keep`` of the best gain on dev at the least loss elsewhere, and why.

    Where all of those lose more than ``max_loss`` on some collection, the largest gain within ``max_loss`` is taken;
    where no weight has any, the one that loses least. Weight 0, the base itself, is chosen where nothing gains on dev.

    Args:
        points: by weight, the first one with weight 0.
        weak: names of collections that do not count.
    """
    base = points[0]
    gains = {point.weight: point.dev - base.dev for point in points}
    losses = {point.weight: max(0.0, -worst_change(base, point, weak)) for point in points}
    best = max(gains.values())
    if best <= 0:
        return 0.0, f"weight 0: no weight is better than the base on dev ({MEASURES[0]} {base.dev:.4f})"

    def say(weight: float, why: str) -> tuple[float, str]:
        what = f"{gains[weight] / best:.0%} of the best gain on dev, at most {losses[weight]:.1%} lost elsewhere"
        return weight, f"weight {weight:g}: {what}; {why}"

    good = [weight for weight, gain in gains.items() if gain >= keep * best]
    within = [weight for weight in good if losses[weight] <= max_loss]
    if within:
        least = min(losses[weight] for weight in within)
        near = [weight for weight in within if losses[weight] <= least + _SAME]
        return say(max(near, key=lambda weight: gains[weight]), f"of those that keep {keep:.0%}, it loses least")
    safe = [weight for weight, gain in gains.items() if gain > 0 and losses[weight] <= max_loss]
    if safe:
        chosen = max(safe, key=lambda weight: gains[weight])
        return say(chosen, f"more of the gain would cost more than the {max_loss:.1%} that are allowed")
    chosen = min((weight for weight, gain in gains.items() if gain > 0), key=lambda weight: losses[weight])
    return say(chosen, f"every weight that gains loses more than the {max_loss:.1%} that are allowed")


def merge_curve(
    base: Path,
    tuned: Path,
    measure_of: MeasureOf,
    dev: Dataset,
    others: Sequence[Dataset],
    *,
    work: Path,
    weights: Sequence[float] = WEIGHTS,
    max_loss: float = MAX_LOSS,
    keep: float = KEEP,
    queries: int = QUERIES,
    documents: int = DOCUMENTS,
    seed: int = 7,
    progress: Tick | None = None,
) -> Curve:
    """Measure every weight on samples of ``dev`` and ``others``, and choose.

    Args:
        measure_of: a model's folder -> how a dataset is measured with it; averaged models are made in ``work``, one
            at a time, and removed.
        work: keeps the runs; what is there for the same models and samples is not measured again.
        weights: of the tuned model; 0 is always measured.
        queries, documents: size of each sample; the relevant documents of its questions are always in it.

    Raises:
        SettingsError: a weight is not between 0 and 1.
        SourceError: the two folders do not belong together.
    """
    from indexes.encoders.torch_runtime import weights_digest

    if bad := [weight for weight in weights if not 0 <= weight <= 1]:
        raise SettingsError(f"the weight {bad[0]} is not between 0 and 1", remedy="use shares such as 0,0.25,0.5,1")
    measured = sorted({0.0, *map(float, weights)})
    pools = [sample(dataset, queries, documents, seed) for dataset in (dev, *others)]
    models = f"{weights_digest(base)}-{weights_digest(tuned)}"
    names = _unique([dataset.name for dataset in others])
    points: list[Point] = []
    weak: list[str] = []
    for weight in ticking(measured, progress):
        model = _Averaged(base, tuned, weight, work / "averaged")
        runs = score_all(
            lambda dataset, model=model: measure_of(model.folder())(dataset),  # type: ignore[misc]
            pools,
            work / f"weight-{weight:g}",
            fingerprint=f"{models}-{weight!r}",
        )
        shutil.rmtree(work / "averaged", ignore_errors=True)
        scores = [score(runs[run_key(pool)].results, pool.qrels, MEASURES).mean for pool in pools]
        if not points:
            weak = [name for name, mean in zip(names, scores[1:], strict=True) if mean["nDCG@10"] < WEAK]
        means = {name: mean[MEASURES[0]] for name, mean in zip(names, scores[1:], strict=True)}
        points.append(Point(weight, scores[0][MEASURES[0]], means))
    chosen, reason = choose_weight(points, max_loss=max_loss, keep=keep, weak=weak)
    notes = [f"{name} did not count in the choice: {WEAK_NOTE}" for name in weak]
    notes += [note for pool in pools for note in pool.notes if note.startswith(_SAMPLED)]
    notes.append(
        "the weight was chosen by these figures: they flatter it a little; the proof's held-out questions do not"
    )
    return Curve(points, chosen, reason, notes, weak)


_SAMPLED = "sampled: "


def sample(dataset: Dataset, queries: int, documents: int, seed: int) -> Dataset:
    """At most ``queries`` questions over what they judge, and others drawn up to ``documents``: a note says so."""
    rng = np.random.default_rng(seed)
    chosen = list(dataset.queries)
    if len(chosen) > queries:
        chosen = [chosen[i] for i in sorted(rng.permutation(len(chosen))[:queries])]
    part = subset(dataset, chosen)
    judged = {d for q in chosen for d in (*part.qrels[q], *part.candidates.get(q, ())) if d in dataset.corpus}
    rest = [name for name in dataset.corpus if name not in judged]
    drawn = {rest[i] for i in rng.permutation(len(rest))[: max(0, documents - len(judged))]}
    corpus = {name: passage for name, passage in dataset.corpus.items() if name in judged or name in drawn}
    if len(corpus) == len(dataset.corpus) and len(chosen) == len(dataset.queries):
        return dataset
    note = f"{_SAMPLED}{dataset.name} ({dataset.split}): {len(chosen)} of {len(dataset.queries)} questions over "
    note += f"{len(corpus)} of {len(dataset.corpus)} documents"
    return replace(part, corpus=corpus, notes=[*dataset.notes, note])


class _Averaged:
    """A model that is made when it is asked for: base and tuned stand for weights 0 and 1."""

    def __init__(self, base: Path, tuned: Path, weight: float, target: Path) -> None:
        self._base, self._tuned, self._weight, self._target = base, tuned, weight, target
        self._made = False

    def folder(self) -> Path:
        if self._weight in (0, 1):
            return self._tuned if self._weight else self._base
        if not self._made:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            merge_folders(self._base, self._tuned, self._weight, self._target)
            self._made = True
        return self._target


def _unique(names: Sequence[str]) -> list[str]:
    """Names for columns: a second one of a name gets a number."""
    return [name if name not in names[:i] else f"{name} {i + 1}" for i, name in enumerate(names)]
