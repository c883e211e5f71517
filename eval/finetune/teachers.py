"""Teachers: whatever gives a question and its texts scores that a smaller model learns from.

A teacher is named by a specification; several of them are one teacher, the mean of their standardised scores.
Scores are computed once and kept in a file as they come, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eval.embedding_cache import digest
from indexes.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from eval.finetune.data import Example, TrainingSet
    from rag.settings import Settings

Tick = Callable[[int, int], None]  # (questions scored, questions in all)
SPECS = "file:PATH, cross_encoder:MODEL, llm:MODEL, embedder:PROVIDER[:MODEL], server:URL#MODEL or pipeline"


class Teacher(Protocol):
    """Gives scores; higher is more relevant, and the scale is the teacher's own.

    ``fingerprint`` is 16 hex digits that change when scores may change.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def score(self, question: str, texts: Sequence[str]) -> list[float]: ...


def build_teacher(
    spec: str | Sequence[str], settings: Settings, *, retriever: Any = None, cache: str | Path | None = None
) -> Teacher:
    """The teacher that a specification names, loaded.

    Args:
        spec: one of ``SPECS``; a sequence of several is the mean of their scores, each standardised over a list.
        settings: ``encoder`` and ``rerank`` give device, number format, lengths and key variable.
        retriever: for "pipeline", a ``HybridRetriever`` over the collection that the texts come from.
        cache: where an embedder's vectors are kept, as ``cache_folder`` takes it.

    Raises:
        SettingsError: the specification cannot be read.
        SourceError, RerankerError, EncoderError: its file, model or server cannot be used.
    """
    raise NotImplementedError


def teacher_scores(
    teacher: Teacher, training_set: TrainingSet, path: Path, *, progress: Tick | None = None
) -> dict[str, dict[str, float]]:
    """Query id -> text id -> score, for every positive and negative of every example.

    Args:
        path: jsonl file that scores are appended to as they come; what it already holds is not computed again.

    Raises:
        SettingsError: the file holds another teacher's scores.
    """
    raise NotImplementedError
