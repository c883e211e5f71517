"""Compare questions by their wording, and select a subset of a dataset's questions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from eval.datasets.dataset import Dataset
from eval.gold import normalise


def wording(text: str) -> str:
    """Return the key by which two questions are the same: case, width, punctuation and articles do not count.

    Very short questions ("C++?" and "C#?") are compared literally. Documents are compared by it too, so that a copy of
    a relevant document under another id does not become a negative.

    >>> wording("What is the Notice period?") == wording("what is notice period")
    True
    """
    plain = normalise(text)
    return plain if len(plain) > 3 else " ".join(text.split())


def relevant_by_wording(dataset: Dataset) -> dict[str, list[str]]:
    """Return wording -> ids of the documents relevant to any question of that wording, best first per question.

    >>> queries = {"q1": "When does it open?", "q2": "when does it open"}
    >>> relevant_by_wording(Dataset("mine", {}, queries, {"q1": {"d1": 1}, "q2": {"d2": 1}}))
    {'when does it open': ['d1', 'd2']}
    """
    found: dict[str, list[str]] = {}
    for query, text in dataset.queries.items():
        found.setdefault(wording(text), []).extend(dataset.relevant(query))
    return found


def subset(dataset: Dataset, queries: Iterable[str]) -> Dataset:
    """Return the dataset with these questions only, over the same corpus.

    >>> dataset = Dataset("mine", {}, {"q1": "How long?", "q2": "Who?"}, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    >>> subset(dataset, ["q2"]).queries
    {'q2': 'Who?'}
    """
    kept = list(queries)
    return replace(
        dataset,
        queries={q: dataset.queries[q] for q in kept},
        qrels={q: dataset.qrels[q] for q in kept},
        extra={q: dataset.extra[q] for q in kept if q in dataset.extra},
        candidates={q: dataset.candidates[q] for q in kept if q in dataset.candidates},
        notes=list(dataset.notes),
    )


def shared(dataset: Dataset, others: Iterable[Dataset]) -> set[str]:
    """Return the query ids of ``dataset`` that are also in one of ``others``, by id or by wording.

    >>> train = Dataset("train", {}, {"a1": "How long is it?"}, {"a1": {"d1": 1}})
    >>> test = Dataset("test", {}, {"b1": "how long is it", "b2": "Who signs?"}, {"b1": {}, "b2": {}})
    >>> shared(test, [train]), list(without(test, [train]).queries)
    ({'b1'}, ['b2'])
    """
    others = list(others)
    ids = {query for other in others for query in other.queries}
    texts = {wording(text) for other in others for text in other.queries.values()}
    return {query for query, text in dataset.queries.items() if query in ids or wording(text) in texts}


def without(dataset: Dataset, others: Iterable[Dataset]) -> Dataset:
    """Return the dataset without the questions that are also in ``others`` (see ``shared``).

    >>> dataset = Dataset("mine", {}, {"q1": "When?", "q2": "Where?"}, {"q1": {"d1": 1}, "q2": {"d1": 1}})
    >>> list(without(dataset, [Dataset("test", {}, {"t1": "when"}, {"t1": {"d1": 1}})]).queries)
    ['q2']
    """
    dropped = shared(dataset, others)
    return subset(dataset, (query for query in dataset.queries if query not in dropped))
