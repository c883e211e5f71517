"""merge: the weighted average of base and tuned weights (LM-Cocktail, Xiao et al. 2023, arXiv 2311.13534).

Between the base model and the tuned one there is often a model that keeps most of the gain and loses little elsewhere.
The weight is chosen on dev questions and on samples of other datasets, never on the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
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
from indexes.display import counted
from indexes.errors import SettingsError

KEEP = 0.9  # share of the best gain that a weight must keep to be chosen for its small loss
_SAME = 1e-4  # relative losses closer than this are equal
_BAR = 20

MeasureOf = Callable[[Path], Measure]  # folder of a model -> function that measures it


@dataclass(slots=True)
class Point:
    """One weight of the tuned model: mean MAP on dev and on the other datasets (by name).

    >>> points = [Point(0.0, 0.40, {"faq": 0.8}), Point(0.5, 0.50, {"faq": 0.79}), Point(1.0, 0.51, {"faq": 0.6})]
    >>> choose_weight(points)[0]
    0.5
    """

    weight: float
    dev: float
    others: dict[str, float]


@dataclass(slots=True)
class Curve:
    """All points by weight, the chosen weight, and the reason in one sentence.

    >>> points = [Point(0.0, 0.40, {"faq": 0.8}), Point(0.5, 0.50, {"faq": 0.79})]
    >>> print(Curve(points, 0.5, "0.5 keeps the gain").to_text())
    0.5 keeps the gain
    <BLANKLINE>
    weight  dev MAP  faq MAP  worst           gain on dev
    0        0.4000   0.8000  +0.0%
    0.5 <    0.5000   0.7900  -1.3%  ####################
    """

    points: list[Point]
    chosen: float
    reason: str
    notes: list[str] = field(default_factory=list)
    weak: list[str] = field(default_factory=list)  # datasets that do not count, since the base is too weak on them

    def as_dict(self) -> dict[str, Any]:
        """Return the curve as plain data for JSON."""
        rows = [asdict(point) | {"worst": _worst_change(self.points[0], point, self.weak)} for point in self.points]
        own = {"measure": MEASURES[0], "points": rows, "chosen": self.chosen}
        return own | {"reason": self.reason, "notes": self.notes}

    def to_text(self) -> str:
        """Return a plain table with a bar per weight."""
        rows = [[*row, bar] for row, bar in zip(self._rows(), self._bars(), strict=True)]
        notes = "\n".join(f"note: {note}" for note in self.notes)
        return f"{self.reason}\n\n{table([*self._head(), 'gain on dev'], rows)}\n\n{notes}".rstrip()

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [plain(self.reason), "", *pipes(self._head(), self._rows()), ""]
        return "\n".join([*lines, *(f"- {plain(note)}" for note in self.notes)]) + "\n"

    def _head(self) -> list[str]:
        return ["weight", f"dev {MEASURES[0]}", *(f"{name} {MEASURES[0]}" for name in self.points[0].others), "worst"]

    def _rows(self) -> list[list[str]]:
        rows = []
        for point in self.points:
            mark = " <" if point.weight == self.chosen else ""
            worst = _worst_change(self.points[0], point, self.weak)
            others = (f"{value:.4f}" for value in point.others.values())
            rows.append([f"{point.weight:g}{mark}", f"{point.dev:.4f}", *others, f"{worst:+.1%}"])
        return rows

    def _bars(self) -> list[str]:
        gains = [point.dev - self.points[0].dev for point in self.points]
        most = max((abs(gain) for gain in gains), default=0.0) or 1.0
        return [(("#" if gain >= 0 else "-") * round(_BAR * abs(gain) / most)).ljust(_BAR) for gain in gains]


def _worst_change(base: Point, point: Point, weak: Sequence[str] = ()) -> float:
    """Return the lowest relative change among the datasets not in ``weak``: -0.03 is a loss of 3 %; 0.0 without any."""
    changes = [(point.others[name] - v) / v for name, v in base.others.items() if v and name not in weak]
    return min(changes, default=0.0)


def choose_weight(
    points: Sequence[Point], *, max_loss: float = MAX_LOSS, keep: float = KEEP, weak: Sequence[str] = ()
) -> tuple[float, str]:
    """Return the weight that keeps at least ``keep`` of the best gain on dev at the smallest loss elsewhere, and why.

    If all of these lose more than ``max_loss`` on some dataset, choose the largest gain within ``max_loss``; if there
    is none, the smallest loss. Weight 0, the base itself, is chosen if no weight gains on dev.

    Args:
        points: points in order of weight; the first has weight 0.
        max_loss: largest relative loss that is allowed.
        keep: share of the best gain.
        weak: names of datasets that do not count.

    >>> points = [Point(0.0, 0.50, {"en": 0.80}), Point(0.5, 0.59, {"en": 0.80}), Point(1.0, 0.60, {"en": 0.70})]
    >>> choose_weight(points)[0]
    0.5
    """
    base = points[0]
    gains = {point.weight: point.dev - base.dev for point in points}
    losses = {point.weight: max(0.0, -_worst_change(base, point, weak)) for point in points}
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
        return say(
            max(near, key=lambda weight: gains[weight]), f"it has the smallest loss of those that keep {keep:.0%}"
        )
    safe = [weight for weight, gain in gains.items() if gain > 0 and losses[weight] <= max_loss]
    if safe:
        chosen = max(safe, key=lambda weight: gains[weight])
        return say(chosen, f"a larger gain would cost more than the allowed {max_loss:.1%}")
    chosen = min((weight for weight, gain in gains.items() if gain > 0), key=lambda weight: losses[weight])
    return say(chosen, f"all weights that gain lose more than the allowed {max_loss:.1%}")


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
    """Measure each weight on samples of ``dev`` and ``others``, and choose one.

    >>> dataset = Dataset("mine", {}, {}, {})
    >>> merge_curve(folder, folder, None, dataset, [], work=folder, weights=(0, 50, 100))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: the weight 50 is not between 0 and 1; use shares such as 0,0.25,0.5,1

    Args:
        measure_of: folder of a model -> function that measures a dataset with it; averaged models are written to
            ``work`` one at a time, and removed.
        work: folder for runs; saved runs of the same models and samples are reused.
        weights: weights of the tuned model; 0 is always measured.
        queries, documents: size of each sample; it always includes the relevant documents of its questions.

    Raises:
        SettingsError: a weight is not between 0 and 1.
        SourceError: the tuned model is not a version of the base.
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
        model = cache(partial(averaged, base, tuned, weight, work / "averaged"))  # only if a dataset is measured
        runs = score_all(
            lambda dataset, model=model: measure_of(model())(dataset),  # type: ignore[misc]
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
    notes.append("the weight was chosen by these figures, so they are slightly optimistic; the proof's are not")
    return Curve(points, chosen, reason, notes, weak)


_SAMPLED = "sampled: "


def sample(dataset: Dataset, queries: int, documents: int, seed: int) -> Dataset:
    """Return at most ``queries`` questions over their judged documents, filled up to ``documents``, with a note.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {f"d{i}": CorpusPassage(f"d{i}", text=f"Text {i}.") for i in range(100)}
    >>> queries = {f"q{i}": f"Question {i}?" for i in range(100)}
    >>> dataset = Dataset("faq", corpus, queries, {f"q{i}": {f"d{i}": 1} for i in range(100)})
    >>> part = sample(dataset, queries=10, documents=20, seed=7)
    >>> len(part.queries), len(part.corpus), part.notes
    (10, 20, ['sampled: faq (test): 10 of 100 questions over 20 of 100 documents'])
    """
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
    note = (
        f"{_SAMPLED}{dataset.name} ({dataset.split}): {len(chosen)} of "
        f"{counted(len(dataset.queries), 'question')} over "
    )
    note += f"{len(corpus)} of {counted(len(dataset.corpus), 'document')}"
    return replace(part, corpus=corpus, notes=[*dataset.notes, note])


def averaged(base: Path, tuned: Path, weight: float, target: Path) -> Path:
    """Return the folder of an average; weights 0 and 1 are the base and the tuned model, others are written.

    >>> base, tuned, target = Path("base"), Path("tuned"), Path("averaged")
    >>> averaged(base, tuned, 0.0, target) == base, averaged(base, tuned, 1.0, target) == tuned
    (True, True)
    """
    if weight in (0, 1):
        return tuned if weight else base
    return merge_folders(base, tuned, weight, target)


def _unique(names: Sequence[str]) -> list[str]:
    """Return names for columns; repeated names get a number."""
    return [name if name not in names[:i] else f"{name} {i + 1}" for i, name in enumerate(names)]
