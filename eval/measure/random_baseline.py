"""What chance would score on given lists: the yardstick of a reranker where the lists have no order of their own."""

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
    """Whether every list puts all its relevant documents before all others, as files of positives and negatives do.

    True also without lists: judgements have no order.
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
    """Mean of each measure over ``shuffles`` random orders of the lists. The run that comes with it is the last one."""
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
    note = f"'random order' is the mean of {shuffles} random orders: the lists have no order that says anything"
    run = Run("random order", results, dataset=dataset.hash, notes=[note], scores=mean)
    return Evaluation(run, Scores(per_query, mean, found[0].notes))
