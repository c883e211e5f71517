"""Forgetting: what training on one collection cost on others, measured without being asked.

Two small collections come with the package (``eval/finetune/probes``: English and Chinese, written for it); more are
named with ``--also``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.datasets import Dataset
from eval.runs import Run
from eval.significance import Paired

MEASURES = ("MAP", "RR@10", "nDCG@10")  # the first one decides
MAX_LOSS = 0.025  # relative; what the reference project allowed out of its domain
PROBES = ("probe_en", "probe_zh")


@dataclass(slots=True)
class Loss:
    """One other collection: what each measure was, and is.

    Args:
        name, queries, hash: of the collection.
        before, after: measure -> mean.
        paired: measure -> after minus before over the queries.
        too_much: the first measure fell by more than the allowed share.
        significant: it fell, and its p value (two-sided, not corrected: a warning may rather come too early) is below
            alpha.
        notes: of the collection, and of what was measured.
    """

    name: str
    queries: int
    hash: str
    before: dict[str, float]
    after: dict[str, float]
    paired: dict[str, Paired]
    too_much: bool
    significant: bool
    notes: list[str] = field(default_factory=list)

    def relative(self, measure: str = MEASURES[0]) -> float:
        """(after - before) / before: -0.02 is a loss of 2 %."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError


def probes() -> list[Dataset]:
    """The packaged collections, one English and one Chinese."""
    raise NotImplementedError


def others(also: Sequence[str | Path] = (), *, test: Dataset | None = None) -> list[Dataset]:
    """The packaged collections and those of ``--also`` (their split "test").

    Raises:
        SettingsError: one of them is ``test`` itself, or named twice.
        SourceError: one cannot be read.
    """
    raise NotImplementedError


def losses(
    base: Mapping[str, Run],
    tuned: Mapping[str, Run],
    datasets: Sequence[Dataset],
    *,
    max_loss: float = MAX_LOSS,
    alpha: float = 0.05,
) -> list[Loss]:
    """Compare the runs of two models on other collections; the mappings are those of ``proof.score_all``."""
    raise NotImplementedError
