"""Questions as sets: which are the same, and a dataset with some of them only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from eval.datasets.dataset import Dataset
from eval.gold import normalise


def wording(text: str) -> str:
    """What makes two questions the same: case, width, punctuation and articles do not count.

    A question of signs only ("C++?" and "C#?" are not) is compared as it stands. Texts of documents are compared by it
    too, where one must not stand for its own opposite under another id.
    """
    plain = normalise(text)
    return plain if len(plain) > 3 else " ".join(text.split())


def relevant_by_wording(dataset: Dataset) -> dict[str, list[str]]:
    """Wording -> ids of all documents relevant to a question of this wording, best judged first within a question."""
    found: dict[str, list[str]] = {}
    for query, text in dataset.queries.items():
        found.setdefault(wording(text), []).extend(dataset.relevant(query))
    return found


def subset(dataset: Dataset, queries: Iterable[str]) -> Dataset:
    """The dataset with these questions only, over the same corpus."""
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
    """The questions of ``dataset`` that stand in one of ``others`` too, by id or by wording."""
    others = list(others)
    ids = {query for other in others for query in other.queries}
    texts = {wording(text) for other in others for text in other.queries.values()}
    return {query for query, text in dataset.queries.items() if query in ids or wording(text) in texts}


def without(dataset: Dataset, others: Iterable[Dataset]) -> Dataset:
    """The dataset without the questions that ``others`` have."""
    dropped = shared(dataset, others)
    return subset(dataset, (query for query in dataset.queries if query not in dropped))
