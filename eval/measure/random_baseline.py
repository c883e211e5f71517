"""Score random orders of the given lists: the baseline of a reranker if the lists have no order of their own."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from eval.datasets.dataset import Dataset
from eval.measure.evaluate import Evaluation
from eval.measure.metrics import Measure, Scores, score
from eval.measure.runs import Run

SHUFFLES = 100


def positives_first(dataset: Dataset) -> bool:
    """Return whether each list has its relevant documents first, as files of positives and negatives do.

    True also for a dataset without lists, since judgements have no order.

    >>> positives_first(Dataset("mine", {}, {}, {"q1": {"d1": 1, "d2": 0}}, candidates={"q1": ["d2", "d1"]}))
    False
    """
    for query, listed in dataset.candidates.items():
        relevant = set(dataset.relevant(query))
        flags = [document in relevant for document in listed]
        if flags != sorted(flags, reverse=True):
            return False
    return True


def random_order(
    dataset: Dataset, measures: Sequence[str | Measure], *, shuffles: int = SHUFFLES, seed: int = 0
) -> Evaluation:
    """Return the mean of each measure over ``shuffles`` random orders of the lists; the run is the last order.

    >>> dataset = Dataset("mine", {}, {}, {"q1": {"d1": 1, "d2": 0}})
    >>> 0.6 < random_order(dataset, ["RR@10"])["RR@10"] < 0.9
    True
    """
    lists = dataset.lists()
    draw = random.Random(seed)  # noqa: S311 - no secret
    results: dict[str, list[tuple[str, float]]] = {}
    found: list[Scores] = []
    for _ in range(shuffles):
        for query, listed in lists.items():
            results[query] = [(d, 1.0 / rank) for rank, d in enumerate(draw.sample(listed, len(listed)), start=1)]
        found.append(score(results, dataset.qrels, measures))
    per_query = {
        measure: {q: float(np.mean([one.per_query[measure][q] for one in found])) for q in values}
        for measure, values in found[0].per_query.items()
    }
    mean = {measure: float(np.mean([one.mean[measure] for one in found])) for measure in found[0].mean}
    note = f"'random order' is the mean of {shuffles} random orders, since the lists have no order of their own"
    run = Run("random order", results, dataset=dataset.hash, notes=[note], scores=mean)
    return Evaluation(run, Scores(per_query, mean, found[0].notes))
