"""What a collection's record says of its graph, and whether a search goes through it.

A graph finds most of the nearest vectors in a tenth of the time that comparing with all of them takes. How many it
finds depends on the vectors, so that is measured on the collection itself (``measure``), and where it is too few the
search stays exact.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

KEY = "graph"  # of the collection's record
EFS = (64, 128, 256, 512)  # what is measured; a search for 50 looks at more than 50 in any case
RECALL = 0.98  # retrieval.recall
NEAREST = 10  # recall@10


@dataclass(frozen=True)
class Wanted:
    """How a graph is to be built.

    Args:
        m: links of each vector.
        ef_construct: candidates among which they are chosen.
    """

    m: int = 16
    ef_construct: int = 100

    @classmethod
    def read(cls, value: Any) -> Wanted | None:
        """Return what ``collection.json`` says; earlier versions wrote true."""
        if isinstance(value, dict):
            return cls(int(value["m"]), int(value["ef_construct"]))
        return cls() if value else None

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """How well and how fast the graph was searched with one ``ef``.

    Args:
        ef: candidates that a search keeps.
        recall: share of the 10 nearest that were found, over all questions.
        filtered: the same with a filter; None where none could be made.
        recall_50: share of the 50 nearest.
        ms: a question, in milliseconds.
    """

    ef: int
    recall: float
    filtered: float | None
    recall_50: float
    ms: float

    @property
    def least(self) -> float:
        """The lower of both."""
        return self.recall if self.filtered is None else min(self.recall, self.filtered)


@dataclass(frozen=True)
class Graph:
    """What was measured on a collection when its graph was built.

    Args:
        points: that it had.
        asked: stored vectors that were asked, exactly and through the graph.
        exact_ms: an exact search, in milliseconds.
        found: by ``ef``, ascending.
        built: seconds since 1970.
    """

    points: int
    m: int
    ef_construct: int
    asked: int
    exact_ms: float
    found: tuple[Found, ...]
    built: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "found": [asdict(one) for one in self.found]}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Graph | None:
        """Return what a collection's record says; None where it has no graph, or one of another version."""
        there = record.get(KEY)
        if not isinstance(there, dict) or {one.name for one in fields(cls)} - there.keys():
            return None
        known = {one.name: there[one.name] for one in fields(cls)}
        return cls(**{**known, "found": tuple(Found(**one) for one in there["found"])})

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.m, self.ef_construct)

    def at(self, ef: int | None, recall: float) -> Found:
        """Return what was measured at ``ef``; None: at the smallest that finds enough, or at the largest."""
        if ef is not None:
            return next((one for one in reversed(self.found) if one.ef <= ef), self.found[0])
        return next((one for one in self.found if one.least >= recall), self.found[-1])

    def shown(self, recall: float = RECALL, ef: int | None = None) -> str:
        """ "over 120,000 sentences (m 16, ef_construct 100): with ef 64 it finds 0.994 of the 10 nearest ..." """
        best = self.at(ef, recall)
        filtered = "" if best.filtered is None else f", {best.filtered:.3f} with a filter"
        text = (
            f"over {self.points:,} sentences (m {self.m}, ef_construct {self.ef_construct}): with ef {best.ef} "
            f"it finds {best.recall:.3f} of the {NEAREST} nearest{filtered}, in {best.ms:.1f} ms instead of "
            f"{self.exact_ms:.1f}"
        )
        return text if best.least >= recall else f"{text}; too few (retrieval.recall {recall}), so search stays exact"


class Built(NamedTuple):
    """What optimising did: whether anything changed, and the graph that was made and measured."""

    changed: bool
    graph: Graph | None


@dataclass(frozen=True)
class Choice:
    """How the dense leg is to be searched.

    Args:
        ef: candidates that are kept in the graph; None: the engine's own default.
        exact: compare with all vectors.
        note: why it is exact although there is a graph.
    """

    ef: int | None = None
    exact: bool = False
    note: str | None = None


def choose(graph: Graph, ef: int | None, recall: float) -> Choice:
    """Decide how to search a collection that has a graph.

    Args:
        ef: as ``retrieval.ef``; None: the smallest measured one that finds enough.
        recall: share of the 10 nearest that must be found, with a filter too.
    """
    best = graph.at(ef, recall)
    if best.least >= recall:
        return Choice(ef=best.ef if ef is None else ef)
    return Choice(
        exact=True,
        note=f"the dense leg was searched exactly, for the collection's graph finds {best.least:.3f} of the {NEAREST} "
        f"nearest with ef {best.ef}, and retrieval.recall is {recall}",
    )


def is_due(graph: Graph | None, wanted: Wanted, points: int) -> bool:
    """True if a graph is to be built anew: there is none, or of other settings, or a quarter more was stored since."""
    return graph is None or graph.wanted != wanted or points > 1.25 * graph.points
