"""Finder: asks a pipeline one question, and describes the pipeline for the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.datasets.dataset import Dataset
from eval.measure.to_documents import Lifter
from indexes.encoders.cache.vectors import QUESTIONS

SHOWN = 3  # number of documents whose text is saved with a run, for `rag-eval failures`
SHOWN_CHARS = 300
TRACED = 10  # number of candidates whose trace is saved with a run; relevant ones further down are saved too


@dataclass(slots=True)
class QueryResult:
    """One question's result: (document id, score) best first, milliseconds per stage, and what the stages did.

    >>> QueryResult([("d1", 0.9), ("d2", 0.4)], {"search": 12.5}).ranked[0]
    ('d1', 0.9)
    """

    ranked: list[tuple[str, float]]
    timings_ms: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


class Finder:
    """Base class of the finders; its attributes describe the pipeline for the run.

    ``parallel``: number of questions to ask concurrently; more than 1 only if the slow work is done by servers.
    ``together``: number of questions to pass to ``many``, which encodes them in one forward pass.

    >>> class Alphabetical(Finder):
    ...     def __call__(self, query, text):
    ...         return QueryResult([(name, 1.0) for name in sorted(self.dataset.corpus)])
    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {name: CorpusPassage(name) for name in ("d2", "d1")}
    >>> find = Alphabetical(Dataset("mine", corpus, {"q1": "When?"}, {"q1": {"d2": 1}}))
    >>> [found.ranked for found in find.many([("q1", "When?")])]
    [[('d1', 1.0), ('d2', 1.0)]]
    """

    parallel = 1
    together = 1

    def __init__(self, dataset: Dataset, lifter: Lifter | None = None) -> None:
        self.dataset = dataset
        self.lifter = lifter or Lifter(dataset)
        self.settings: dict[str, Any] = {}
        self.fingerprint: dict[str, Any] = {}
        self.notes: list[str] = list(self.lifter.notes)

    def __call__(self, query: str, text: str) -> QueryResult:
        raise NotImplementedError

    def many(self, questions: Sequence[tuple[str, str]]) -> list[QueryResult]:
        """Return the results of several (query id, question), in order."""
        return [self(query, text) for query, text in questions]

    def closing_notes(self) -> list[str]:
        """Return what a reader must know of what was found, once all questions are asked."""
        return []


def parallel_of(engine: Any, *, answers: bool) -> int:
    """Return how many questions one of our retrievers or query engines may be asked concurrently.

    The servers that it calls set the limit; models in this process take turns. Without a server it is 1.

    >>> parallel_of(lambda question: [], answers=False)  # not one of ours
    1

    Args:
        engine: a retriever with ``settings``, or with ``answers`` a query engine with ``settings`` and ``retriever``.
        answers: whether the language model writes answers.
    """
    from rag.llms import parallel_answers

    if not hasattr(engine, "settings"):  # not one of ours
        return 1
    retriever = engine.retriever if answers else engine
    settings, reranker = engine.settings, retriever.reranker
    writes = settings.hyde.mode != "off" or settings.retrieval.translate != "off" or settings.retrieval.phrasings
    bounds = []
    if (answers and engine.llm is not None) or writes:
        if settings.llm.provider not in ("openai", "ollama"):
            return 1
        bounds.append(parallel_answers(settings.llm))
    for model in (reranker, retriever.index.encoder):
        bounds += [own for own in (getattr(model, "parallel", 1),) if own > 1]
    return min(bounds, default=1)


def notes_of_questions(encoder: Any) -> list[str]:
    """Return a note where questions are read otherwise than sentences, and not with equal vectors.

    >>> from types import SimpleNamespace
    >>> notes_of_questions(SimpleNamespace()), notes_of_questions(SimpleNamespace(question_kind="int8"))
    ([], ['questions were read with weights of 8 bits (encoder.question_runtime), sentences were not'])
    """
    if getattr(encoder, "question_kind", QUESTIONS[0]) == QUESTIONS[0]:
        return []
    return ["questions were read with weights of 8 bits (encoder.question_runtime), sentences were not"]


def name_of(model: Any) -> str:
    """Return what identifies a model in a run: its fingerprint, else its model name, else its class.

    >>> name_of(object())
    'object'
    """
    return str(getattr(model, "fingerprint", None) or getattr(model, "model", None) or type(model).__name__)
