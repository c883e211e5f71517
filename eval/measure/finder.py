"""Finder: what a pipeline gives for one question, and what a run records of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eval.datasets.dataset import Dataset
from eval.measure.to_documents import Lifter

SHOWN = 3  # documents whose text is kept beside a run, for `rag-eval failures`
SHOWN_CHARS = 300
TRACED = 10  # candidates of a question's trace that are kept beside a run, and the relevant ones further down


@dataclass(slots=True)
class Found:
    """One question's result: (document id, score) best first, milliseconds a stage, and what the stages did."""

    ranked: list[tuple[str, float]]
    timings_ms: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


class Finder:
    """Base: what a run records of its pipeline."""

    def __init__(self, dataset: Dataset, lifter: Lifter | None = None) -> None:
        self.dataset = dataset
        self.lifter = lifter or Lifter(dataset)
        self.settings: dict[str, Any] = {}
        self.fingerprint: dict[str, Any] = {}
        self.notes: list[str] = list(self.lifter.notes)

    def __call__(self, query: str, text: str) -> Found:
        raise NotImplementedError


def name_of(model: Any) -> str:
    """What identifies a model in a run: its fingerprint, else its name, else its class."""
    return str(getattr(model, "fingerprint", None) or getattr(model, "model", None) or type(model).__name__)
