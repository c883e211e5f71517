"""Measure how often a pipeline answers what the documents do not say, and refuses what they do.

Each question is asked twice: with all documents, and without those that answer it (judged relevant, or containing the
gold answer). Scores, thresholds and the language model, if one is set, decide as in normal use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eval.datasets.dataset import Dataset
from eval.gold import contains
from eval.measure.finder import parallel_of
from eval.ticks import Tick, side_by_side
from indexes.errors import SourceError
from indexes.plain import Plain


@dataclass(slots=True)
class Abstention(Plain):
    """Right answers, false refusals and false answers, as shares of one dataset's questions.

    >>> found = Abstention("guide", questions=40, right=0.8, false_refusals=0.1, false_answers=0.05)
    >>> found.as_dict()
    {'dataset': 'guide', 'questions': 40, 'right': 0.8, 'false_refusals': 0.1, 'false_answers': 0.05}

    Args:
        questions: number of questions, each asked with and without its documents.
        right: share whose answer, with the documents, contains the gold answer.
        false_refusals: share refused although the documents answer it.
        false_answers: share answered although the documents that answer it are missing.
    """

    dataset: str
    questions: int
    right: float
    false_refusals: float
    false_answers: float


def measure_abstention(engine: Any, dataset: Dataset, *, progress: Tick | None = None) -> Abstention:
    """Ask each question that has gold answers and relevant documents, with and without these documents.

    >>> from types import SimpleNamespace
    >>> from eval.datasets.dataset import CorpusPassage
    >>> response = SimpleNamespace(response="Three months [1].", metadata={"status": "answered"})
    >>> engine = SimpleNamespace(answer=lambda text, only=None: response)  # answers whatever it is given
    >>> corpus = {name: CorpusPassage(name, text=name) for name in ("d1", "d2")}
    >>> gold = {"q1": {"answers": ["three months"]}}
    >>> dataset = Dataset("guide", corpus, {"q1": "How long is the notice?"}, {"q1": {"d1": 1}}, extra=gold)
    >>> measure_abstention(engine, dataset)
    Abstention(dataset='guide', questions=1, right=1.0, false_refusals=0.0, false_answers=1.0)

    Args:
        engine: a query engine of ``rag.build_query_engine`` over an index of the dataset.

    Raises:
        SourceError: there is no such question.
    """
    from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

    answerable = [query for query in dataset.queries if dataset.answers(query) and dataset.relevant(query)]
    if not answerable:
        raise SourceError(
            f"{dataset.name} has no question with gold answers and relevant documents",
            remedy="use a dataset with 'answers' in its questions",
        )
    right = refused = answered = 0

    def ask(query: str) -> tuple[Any, Any]:
        text, gold, relevant = dataset.queries[query], dataset.answers(query), set(dataset.relevant(query))
        others = [
            name
            for name, passage in dataset.corpus.items()
            if name not in relevant and not contains(passage.content, gold)
        ]
        only = MetadataFilters(filters=[MetadataFilter(key="source", value=others, operator=FilterOperator.IN)])
        return engine.answer(text), engine.answer(text, only)

    for query, (with_documents, without) in side_by_side(ask, answerable, parallel_of(engine, answers=True), progress):
        gold = dataset.answers(query)
        refused += _refused(with_documents)
        right += not _refused(with_documents) and bool(contains(str(with_documents.response or ""), gold))
        answered += not _refused(without)
    count = len(answerable)
    return Abstention(dataset.name, count, right / count, refused / count, answered / count)


def _refused(response: Any) -> bool:
    return (response.metadata or {}).get("status") == "not_found"
