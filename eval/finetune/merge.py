"""merge: the weighted average of base and tuned weights (LM-Cocktail, Xiao et al. 2023, arXiv 2311.13534).

Between the base model and the tuned one lies a line; on it there is often a model that keeps most of the gain and loses
little elsewhere. The weight is chosen on dev questions and on samples of other collections, never on the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.datasets import Dataset
from eval.finetune.forgetting import MAX_LOSS
from eval.finetune.proof import Measure

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
MeasureOf = Callable[[Path], Measure]  # a model's folder -> how it is measured


@dataclass(slots=True)
class Point:
    """One weight of the tuned model: means of the first measure on dev and on the other collections (by name)."""

    weight: float
    dev: float
    others: dict[str, float]


@dataclass(slots=True)
class Curve:
    """All points, and which one was chosen, with the reason in one sentence."""

    points: list[Point]
    chosen: float
    reason: str
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def to_text(self) -> str:
        """A table with a bar for each weight."""
        raise NotImplementedError

    def to_markdown(self) -> str:
        raise NotImplementedError


def merge_folders(base: Path, tuned: Path, weight: float, out: Path) -> Path:
    """Write ``weight`` x tuned + (1 - ``weight``) x base to ``out`` (config, tokenizer and modules of ``tuned``).

    Raises:
        SettingsError: ``weight`` is not between 0 and 1, or ``out`` is one of the two.
        SourceError: the two are no versions of one model (names or shapes of tensors differ), or a folder has no
            weights.
    """
    raise NotImplementedError


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
    keep: float = 0.9,
    progress: Callable[[float, int, int], None] | None = None,
) -> Curve:
    """Measure every weight on samples of ``dev`` and ``others``, and choose. ``work`` keeps the runs: resumable."""
    raise NotImplementedError


def choose_weight(points: Sequence[Point], *, max_loss: float = MAX_LOSS, keep: float = 0.9) -> tuple[float, str]:
    """The weight that keeps at least ``keep`` of the best gain on dev at the least loss elsewhere, and why."""
    raise NotImplementedError


def auto_merge(
    base: Path,
    tuned: Path,
    measure_of: MeasureOf,
    dev: Dataset,
    others: Sequence[Dataset],
    *,
    out: Path,
    work: Path,
    weights: Sequence[float] = WEIGHTS,
    max_loss: float = MAX_LOSS,
) -> Curve:
    """For ``--merge auto``: the curve, the choice, and the merged model in ``out`` (never ``tuned`` itself)."""
    raise NotImplementedError
