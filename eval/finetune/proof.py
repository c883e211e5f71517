"""The proof: is the tuned model better on questions it never saw, and what did it lose elsewhere?

>>> from eval.finetune.proof import others, prove, score_all  # doctest: +SKIP
>>> rest = others(also)  # doctest: +SKIP
>>> base = score_all(measure_base, [test, *rest], out / "base", fingerprint=base_digest)  # doctest: +SKIP
>>> tuned = score_all(measure_tuned, [test, *rest], out / "tuned", fingerprint=tuned_digest)  # doctest: +SKIP
>>> proof = prove(base, tuned, test, rest)  # doctest: +SKIP
>>> proof.save(out); data(proof.to_text()); proof.require_better()  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.compare import Comparison
from eval.datasets import Dataset
from eval.evaluate import Evaluation
from eval.finetune.forgetting import MAX_LOSS, MEASURES, Loss, losses, others
from eval.runs import Run
from indexes.errors import RagWrightError

__all__ = ["MAX_LOSS", "MEASURES", "NotBetterError", "Proof", "others", "prove", "run_key", "score_all"]

NOT_BETTER = 4
Measure = Callable[[Dataset], Evaluation | Run]
Tick = Callable[[str, int, int], None]  # (collection, collections done, collections in all)


class NotBetterError(RagWrightError):
    """The tuned model is not significantly better on the held-out questions. Nothing was switched."""

    exit_code = NOT_BETTER


@dataclass(slots=True)
class Proof:
    """Both tables and the verdict.

    Args:
        in_domain: base and tuned on the held-out questions; MAP decides.
        forgetting: the other collections.
        better: MAP is significantly higher on the held-out questions.
        verdict: one sentence.
        warnings: losses elsewhere, overlapping collections; one sentence each.
        notes: how the figures came about.
    """

    in_domain: Comparison
    forgetting: list[Loss]
    better: bool
    verdict: str
    max_loss: float = MAX_LOSS
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def require_better(self) -> None:
        """Raises:
        NotBetterError: the model is not significantly better (exit code 4). Call it after the tables are shown.
        """
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def to_text(self) -> str:
        """For a terminal."""
        raise NotImplementedError

    def to_markdown(self) -> str:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write proof.json and proof.md."""
        raise NotImplementedError


def run_key(dataset: Dataset) -> str:
    """The folder and the key of a dataset's run: its name and the first digits of its hash."""
    return f"{dataset.name}-{dataset.hash[:6]}"


def score_all(
    measure: Measure,
    datasets: Sequence[Dataset],
    folder: Path,
    *,
    fingerprint: str = "",
    name: str = "",
    progress: Tick | None = None,
) -> dict[str, Run]:
    """Measure one model on every dataset, each saved as soon as it is done: ``run_key(dataset)`` -> run.

    Args:
        measure: scores a dataset; e.g. ``lambda ds: evaluate(encoder, ds, MEASURES, cache=cache)``.
        folder: OUT/base or OUT/tuned; runs that are there for the same dataset and fingerprint are loaded.
        fingerprint: of what is measured (weights' digest, settings): a saved run with another one is measured again.
        name: of the runs in tables; default: the folder's.
    """
    raise NotImplementedError


def prove(
    base: Mapping[str, Run],
    tuned: Mapping[str, Run],
    test: Dataset,
    others: Sequence[Dataset] = (),
    *,
    max_loss: float = MAX_LOSS,
    alpha: float = 0.05,
    notes: Sequence[str] = (),
) -> Proof:
    """Compare the runs of ``score_all``. A model that became worse is said to be worse.

    Args:
        notes: what a reader must know besides, such as ``Splits.notes``.
    """
    raise NotImplementedError
