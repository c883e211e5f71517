"""What a merge is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eval.finetune.training.options import DOCUMENTS, QUERIES, WEIGHTS, number, option
from indexes.errors import SettingsError


def shares(text: str) -> tuple[float, ...]:
    """ "0,0.5,1" as numbers.

    Raises:
        SettingsError: one is not a number between 0 and 1, or there is none above 0.
    """
    parts = text.replace(",", " ").split()
    found = {part: number(part) for part in parts}
    for part, value in found.items():
        if value is None or not 0 <= value <= 1:
            raise SettingsError(f"--weights {text!r}: {part!r} is not a share", remedy="write them as 0,0.25,0.5,1")
    if not any(found.values()):
        raise SettingsError(f"--weights {text!r} names no weight above 0", remedy="write them as 0,0.25,0.5,1")
    return tuple(found[part] or 0.0 for part in parts)


@dataclass(frozen=True)
class MergeOptions:
    """Which weights are compared, and on what."""

    seed: int = option(
        7, "Random seed of splitting and sampling.", everyday=True, measured="7 and 8 were compared on scifact"
    )
    weights: tuple[float, ...] = option(
        WEIGHTS,
        "Shares of the tuned weights to compare on held-out training questions.",
        metavar="W,...",
        parse=shares,
        shown="0,0.25,0.5,0.75,1",
        everyday=True,
        measured="nothing; 0.5,0.7,0.85 on scifact",
    )
    weight: float | None = option(
        None,
        "Take this share of the tuned weights; no comparison.",
        low=0,
        high=1,
        metavar="W",
        everyday=True,
        measured="compared on scifact: the chosen 0.7 and 0.85 gained more than 0.5",
    )
    queries: int = option(QUERIES, "Questions of each sample compared on.", low=1, measured="scifact")
    documents: int = option(DOCUMENTS, "Documents of each sample.", low=1, measured="scifact")

    def as_dict(self) -> dict[str, Any]:
        """Without what a given weight makes idle."""
        own = asdict(self) | {"weights": sorted({0.0, *self.weights})}
        return own if self.weight is None else {"seed": self.seed, "weight": self.weight}
