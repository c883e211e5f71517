"""Ask the questions with each pipeline, and compare the pipelines with the first one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.schema import Document

from eval.comparing.significance import holm, randomisation_test
from eval.documents.questions import DocumentQuestion
from eval.measure.indexing import cached_encoder
from eval.measure.session import changed
from rag.settings import Settings

DEPTH = 10


@dataclass(slots=True)
class DocumentOutcome:
    """The results of one pipeline.

    >>> outcome = DocumentOutcome("sentences", ranks=[1, 2, 0, 1], right_file=[True, True, False, True])
    >>> outcome.reciprocal.tolist(), outcome.as_dict()["MRR@10"], outcome.as_dict()["Hit@1"]
    ([1.0, 0.5, 0.0, 1.0], 0.625, 0.5)

    Args:
        ranks: per question, rank of the first sentence that overlaps the evidence; 0 if not among the first ten.
        right_file: per question, whether the first sentence is from the right file.
        p: Holm-corrected p value of the difference in reciprocal ranks to the first pipeline; None for the first.
    """

    name: str
    sentences: int = 0
    seconds: float = 0.0
    ranks: list[int] = field(default_factory=list)
    right_file: list[bool] = field(default_factory=list)
    p: float | None = None

    @property
    def reciprocal(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Reciprocal rank per question, 0 if not found."""
        return np.array([1.0 / rank if rank else 0.0 for rank in self.ranks])

    def as_dict(self) -> dict[str, Any]:
        """Return the results as a row of a table."""
        ranks = np.array(self.ranks)
        return {
            "pipeline": self.name,
            "MRR@10": round(float(self.reciprocal.mean()), 4),
            "p": None if self.p is None else round(self.p, 4),
            "Hit@1": round(float((ranks == 1).mean()), 4),
            "Hit@5": round(float(((ranks > 0) & (ranks <= 5)).mean()), 4),
            "right file first": round(float(np.mean(self.right_file)), 4),
            "sentences": self.sentences,
            "seconds of indexing": round(self.seconds, 1),
        }


def measure_documents(
    documents: Mapping[str, Document],
    questions: Sequence[DocumentQuestion],
    pipelines: Mapping[str, Settings],
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[DocumentOutcome]:
    """Index the documents for each pipeline, and ask all questions; pipelines with the same recipe share an index.

    Args:
        pipelines: name -> settings; the others are compared with the first one.
        cache: folder for embeddings, so that another recipe encodes only new texts.
        progress: called with (done, total) after each question.
    """
    from rag import build_retriever

    found: list[DocumentOutcome] = []
    shared: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        for number, (name, settings) in enumerate(pipelines.items()):
            key = settings.model_dump_json(include={"encoder", "sparse", "split"})
            if key not in shared:
                index = _indexed(documents, settings, Path(folder) / str(number), cache)
                shared[key] = opened.enter_context(index)
            retriever = build_retriever(shared[key], settings=settings)
            outcome = DocumentOutcome(name, shared[key].count, shared[key].report.seconds)
            for question in questions:
                records = [hit.record for hit in retriever.search(question.question).candidates[:DEPTH]]
                hits = [question.answered_at(r.doc_id, r.start, r.end) for r in records]
                outcome.ranks.append(hits.index(True) + 1 if True in hits else 0)
                outcome.right_file.append(bool(records) and records[0].doc_id == question.file)
                if progress is not None:
                    progress(number * len(questions) + len(outcome.ranks), len(pipelines) * len(questions))
            found.append(outcome)
    differences = [other.reciprocal - found[0].reciprocal for other in found[1:]]
    if differences:
        for outcome, p in zip(found[1:], holm(randomisation_test(np.stack(differences, axis=1))), strict=True):
            outcome.p = p
    return found


def _indexed(documents: Mapping[str, Document], settings: Settings, place: Path, cache: Path | None) -> Any:
    from indexes import build_index

    there = changed(settings, store={"path": place, "url": None})
    return build_index(
        list(documents.values()), collection="own", settings=there, encoder=cached_encoder(settings, cache)
    )
