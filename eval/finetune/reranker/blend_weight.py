"""The reranker's share in the final score, besides the fused score, chosen on dev lists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.finetune.reranker.rows import CandidateList
from eval.measure.metrics import score
from eval.measure.to_documents import Lifter

SHARES = tuple(round(0.05 * step, 2) for step in range(1, 21))


@dataclass(frozen=True)
class Share:
    """A chosen share.

    >>> chosen = Share(0.5, {0.0: 0.4, 0.5: 0.6})
    >>> chosen.shown(), Share.load(chosen.as_dict()) == chosen
    ({'0': 0.4, '0.5': 0.6}, True)

    Args:
        share: the chosen share.
        curve: share -> mean on dev; 0 is the fused order.
        note: the reason in a sentence; "" if it is simply the best.
    """

    share: float
    curve: dict[float, float]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the choice as plain data for JSON."""
        return {"weight": self.share, "curve": self.shown(), "note": self.note}

    def shown(self) -> dict[str, float]:
        """Return the curve with shares as text."""
        return {f"{share:g}": mean for share, mean in self.curve.items()}

    @classmethod
    def load(cls, tree: Mapping[str, Any]) -> Share:
        """Read what ``as_dict`` returned."""
        return cls(tree["weight"], {float(share): mean for share, mean in tree["curve"].items()}, tree.get("note", ""))


def _blended_each(
    lists: Sequence[CandidateList],
    raw: Sequence[Sequence[float]],
    share: float,
    measure: str,
    scale: float | None = None,
) -> dict[str, float]:
    """Return question -> measure of its list, ordered by ``share`` of the raw scores and the rest of the fused ones.

    The scores are combined as by ``rerank.weight`` and ``rerank.scale``; a share of 1 is the raw scores alone.
    """
    from rag.retrieval.rerank import blend

    results: dict[str, list[tuple[str, float]]] = {}
    for one, scores in zip(lists, raw, strict=True):
        places = [str(i) for i in range(len(one.names))]
        model = list(zip(places, (float(value) for value in scores), strict=True))
        first = list(zip(places, one.fused, strict=True))
        order = dict(model) if share >= 1 else blend(model, first, weight=share, scale=scale)
        results[one.query] = Lifter.ranking((name, order[place]) for place, name in zip(places, one.names, strict=True))
    (values,) = score(results, {one.query: one.relevant for one in lists}, [measure]).per_query.values()
    return values


def blended(
    lists: Sequence[CandidateList],
    raw: Sequence[Sequence[float]],
    share: float,
    measure: str,
    scale: float | None = None,
) -> float:
    """Return the mean of ``_blended_each``.

    >>> one = CandidateList("q1", "When?", ["d1", "d2"], ["Fees.", "It opens."], fused=[0.9, 0.8], relevant={"d2": 1})
    >>> blended([one], [[-2.0, 3.0]], 0.0, "RR@10"), blended([one], [[-2.0, 3.0]], 1.0, "RR@10")
    (0.5, 1.0)
    """
    return _mean(_blended_each(lists, raw, share, measure, scale))


def best_share(
    lists: Sequence[CandidateList], raw: Sequence[Sequence[float]], measure: str, scale: float | None = None
) -> Share:
    """Return the share with the best mean, the larger of equal ones.

    >>> one = CandidateList("q1", "When?", ["d1", "d2"], ["Fees.", "It opens."], fused=[0.9, 0.8], relevant={"d2": 1})
    >>> found = best_share([one], [[-2.0, 3.0]], "RR@10")
    >>> found.share, found.curve[0.0], found.curve[1.0]
    (1.0, 0.5, 1.0)
    """
    return _best({share: blended(lists, raw, share, measure, scale) for share in (0.0, *SHARES)})


def steady_share(lists: Sequence[CandidateList], raw: Sequence[Sequence[float]], measure: str, scale: float) -> Share:
    """Return the share nearest to that of training among those as good as the best; for the loss ``Residual``.

    With some eighty questions the curve is noisy, and its peak partly chance. A share is as good as the best if its
    mean is within one standard error of the paired differences (the one-standard-error rule; Breiman et al.,
    Classification and Regression Trees, 1984), and not below that of the fused order.

    >>> one = CandidateList("q1", "When?", ["d1", "d2"], ["Fees.", "It opens."], fused=[0.9, 0.8], relevant={"d2": 1})
    >>> found = steady_share([one], [[-2.0, 3.0]], "RR@10", scale=1.0)
    >>> found.share, found.note
    (0.9, "the reranker's share is 0.9, the nearest to that in training (0.91) among those within one standard error of
     the best on dev (1: RR@10 1.0000)")
    """
    each = {share: _blended_each(lists, raw, share, measure, scale) for share in (0.0, *SHARES)}
    found = _best({share: _mean(values) for share, values in each.items()})
    trained = summed_share(lists)

    def as_good(share: float) -> bool:
        if found.curve[share] < min(found.curve[0.0], found.curve[found.share]):
            return False
        lost = np.array([best - each[share][query] for query, best in each[found.share].items()])
        return bool(lost.mean() <= lost.std(ddof=1) / np.sqrt(len(lost))) if len(lost) > 1 else not lost.any()

    chosen = min(filter(as_good, SHARES), key=lambda share: (round(abs(share - trained), 6), -share))
    if chosen == found.share:
        return found
    return Share(
        chosen,
        found.curve,
        f"the reranker's share is {chosen:g}, the nearest to that in training ({trained:.2f}) among those "
        f"within one standard error of the best on dev ({found.share:g}: {measure} {found.curve[found.share]:.4f})",
    )


def summed_share(lists: Sequence[CandidateList]) -> float:
    """Return the share that gives the order of training, whose sum is raw scores plus ``scale`` times the fused ones.

    In use, the fused scores of a list are stretched to [0, 1]. Scores that span a third of that thus count three times
    as much as in training, so the reranker's share must be three quarters.

    >>> one = CandidateList("q1", "When?", ["d1", "d2"], ["Fees.", "It opens."], fused=[0.75, 0.5], relevant={"d2": 1})
    >>> summed_share([one])
    0.8
    """
    reach = [max(one.fused) - min(one.fused) for one in lists if one.fused]
    return 1 / (1 + float(np.mean(reach))) if reach else 0.5


def _best(curve: dict[float, float]) -> Share:
    return Share(max(SHARES, key=lambda share: (round(curve[share], 6), share)), curve)


def _mean(values: Mapping[str, float]) -> float:
    return math.fsum(values.values()) / len(values) if values else 0.0
