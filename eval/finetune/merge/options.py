"""Options of ``merge_models``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eval.finetune.training.options import DOCUMENTS, QUERIES, WEIGHTS, number, option
from indexes.errors import SettingsError


def shares(text: str) -> tuple[float, ...]:
    """Parse ``--weights``.

    Raises:
        SettingsError: a weight is not a number between 0 and 1, or none is above 0.

    >>> shares("0,0.5,1")
    (0.0, 0.5, 1.0)
    """
    parts = text.replace(",", " ").split()
    found = {part: number(part) for part in parts}
    for part, value in found.items():
        if value is None or not 0 <= value <= 1:
            raise SettingsError(f"--weights {text!r}: {part!r} is not a share", remedy="write them as 0,0.25,0.5,1")
    if not any(found.values()):
        raise SettingsError(f"--weights {text!r} has no weight above 0", remedy="write them as 0,0.25,0.5,1")
    return tuple(found[part] or 0.0 for part in parts)


@dataclass(frozen=True)
class MergeOptions:
    """Which weights are compared, and on which samples.

    >>> MergeOptions(weights=(0.5, 1.0)).as_dict()["weights"], MergeOptions(weight=0.5).as_dict()
    ([0.0, 0.5, 1.0], {'seed': 7, 'weight': 0.5})
    """

    seed: int = option(
        7, "Random seed for splitting and sampling.", everyday=True, measured="7 and 8 were compared on scifact"
    )
    weights: tuple[float, ...] = option(
        WEIGHTS,
        "Weights of the tuned model to compare on held-out training questions.",
        metavar="W,...",
        parse=shares,
        shown="0,0.25,0.5,0.75,1",
        everyday=True,
        measured="nothing; 0.5,0.7,0.85 on scifact",
    )
    weight: float | None = option(
        None,
        "Weight of the tuned model to use, without a comparison.",
        low=0,
        high=1,
        metavar="W",
        everyday=True,
        measured="compared on scifact: the chosen 0.7 and 0.85 gained more than 0.5",
    )
    queries: int = option(QUERIES, "Number of questions per sample.", low=1, measured="scifact")
    documents: int = option(DOCUMENTS, "Number of documents per sample.", low=1, measured="scifact")

    def as_dict(self) -> dict[str, Any]:
        """Return the options as plain data for JSON, without those that a given weight makes irrelevant."""
        own = asdict(self) | {"weights": sorted({0.0, *self.weights})}
        return own if self.weight is None else {"seed": self.seed, "weight": self.weight}
