"""The measurements of a graph in a collection's record, and the choice between graph and exact search.

A graph finds most of the nearest vectors in a tenth of the time of an exact search. Its recall depends on the vectors,
so it is measured on the collection itself (``measure``), and if it is too low, search stays exact.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from indexes.display import Bilingual, counted

KEY = "graph"  # in the collection's record
# Values to measure; a search for 50 considers more than 50 in any case.
EFS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
USUAL_EF = 512  # larger ones are measured only while the graph is twice as fast as an exact search
RECALL = 0.98  # retrieval.recall
NEAREST = 10  # recall@10


@dataclass(frozen=True)
class Wanted:
    """Parameters of a graph to build.

    >>> Wanted().as_dict()
    {'m': 16, 'ef_construct': 100}

    Args:
        m: links per vector.
        ef_construct: candidates among which the links are chosen.
        scanned: embedded engine: points that a filter may select to be compared one by one, which is faster then; None:
            10 MB of them, as earlier versions built. The engine builds a graph anew if this changes.
        payload_m: embedded engine: further links among the points with one value of an indexed field, for each of
            which they take a build of their own; None: as many as ``m``.
    """

    m: int = 16
    ef_construct: int = 100
    scanned: int | None = field(default=None, compare=False, repr=False)
    payload_m: int | None = field(default=None, compare=False, repr=False)

    @classmethod
    def read(cls, value: Any) -> Wanted | None:
        """Read the parameters from ``collection.json``, in which earlier versions wrote true.

        >>> Wanted.read({"m": 32, "ef_construct": 200})
        Wanted(m=32, ef_construct=200)
        """
        if isinstance(value, dict):
            return cls(int(value["m"]), int(value["ef_construct"]), value.get("scanned"), value.get("payload_m"))
        return cls() if value else None

    def as_dict(self) -> dict[str, int]:
        return {name: value for name, value in asdict(self).items() if value is not None}


SCANNED = 40_000  # points; through the graph, a search with a filter takes as long as comparing these
LARGE = 200_000  # sentences from which a graph has more links, unless the settings name a number
OF_LARGE = Wanted(32, 200)


@dataclass(frozen=True)
class Found:
    """Recall and speed of a graph with one ``ef``.

    >>> found = Found(64, recall=0.994, filtered=0.961, recall_50=0.98, ms=1.2)
    >>> found.share(), found.share(filtered=True)
    (0.994, 0.961)

    Args:
        ef: candidates that a search keeps.
        recall: share of the 10 nearest vectors that was found, over all queries.
        filtered: the same with filters, the lowest; None if it was not measured.
        recall_50: share of the 50 nearest vectors that was found.
        ms: milliseconds per query.
    """

    ef: int
    recall: float
    filtered: float | None
    recall_50: float
    ms: float

    def share(self, *, filtered: bool = False) -> float:
        """Return the recall of searches with a filter or without; the latter if none was measured with a filter."""
        return self.filtered if filtered and self.filtered is not None else self.recall


@dataclass(frozen=True)
class Graph:
    """Measurements of a collection's graph, made when it was built.

    >>> found = Found(64, 0.971, 0.96, 0.96, 1.1), Found(128, 0.995, 0.99, 0.98, 1.9)
    >>> graph = Graph(120_000, 16, 100, asked=60, exact_ms=14.0, found=found)
    >>> graph.at(None, 0.98).ef, Graph.of_record({"graph": graph.as_dict()}) == graph
    (128, True)

    Args:
        points: number of points at that time.
        m, ef_construct: as in ``Wanted``.
        asked: number of stored vectors that were searched for.
        exact_ms: milliseconds per exact query.
        found: measurements by ascending ``ef``.
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
        """Read the graph from a collection's record; None if there is none, or one of another version."""
        there = record.get(KEY)
        if not isinstance(there, dict) or {one.name for one in fields(cls)} - there.keys():
            return None
        known = {one.name: there[one.name] for one in fields(cls)}
        return cls(**{**known, "found": tuple(Found(**one) for one in there["found"])})

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.m, self.ef_construct)

    def at(self, ef: int | None, recall: float, *, filtered: bool = False) -> Found:
        """Return the measurement at ``ef``; for None, at the smallest ``ef`` with enough recall, else the largest.

        >>> graph = Graph(120_000, 16, 100, 60, 41.0, (Found(64, 0.99, 0.9, 0.9, 2.1), Found(128, 1.0, 0.98, 0.9, 4.1)))
        >>> graph.at(None, 0.98).ef, graph.at(None, 0.98, filtered=True).ef
        (64, 128)
        """
        if ef is not None:
            return next((one for one in reversed(self.found) if one.ef <= ef), self.found[0])
        return next((one for one in self.found if one.share(filtered=filtered) >= recall), self.found[-1])

    def poor(self, recall: float, ef: int | None = None) -> str | None:
        """Return which searches stay exact, as a sentence; None if the graph is good enough for all."""
        exact = tuple(
            filtered
            for filtered in (False, True)
            if self.at(ef, recall, filtered=filtered).share(filtered=filtered) < recall
        )
        which: dict[tuple[bool, ...], str] = {
            (False,): "search without a filter stays exact",
            (True,): "search with a filter stays exact",
        }
        return which.get(exact, "search stays exact") if exact else None

    def shown(self, recall: float = RECALL, ef: int | None = None) -> str:
        """Describe the graph: "over 120,000 sentences (m 16, ef_construct 100): with ef 64 it finds 0.994 ..."."""
        best, with_filter = self.at(ef, recall), self.at(ef, recall, filtered=True)
        text = (
            f"over {counted(self.points, 'sentence')} (m {self.m}, ef_construct "
            f"{self.ef_construct}): with ef {best.ef} "
            f"it finds {best.recall:.3f} of the {NEAREST} nearest, in {best.ms:.1f} ms instead of {self.exact_ms:.1f}"
        )
        if with_filter.filtered is not None:
            text += f", and with a filter and ef {with_filter.ef} {with_filter.filtered:.3f}"
        poor = self.poor(recall, ef)
        return text if poor is None else f"{text}; too few (retrieval.recall {recall}), so {poor}"


class Built(NamedTuple):
    """Result of optimising: whether anything changed, and the graph that was built and measured."""

    changed: bool
    graph: Graph | None


@dataclass(frozen=True)
class Choice:
    """How to search the dense leg.

    Args:
        ef: candidates kept by a search in the graph; None: the engine's default.
        exact: compare with all vectors.
        note: why the search is exact although there is a graph.
    """

    ef: int | None = None
    exact: bool = False
    note: str | None = None


def choose(graph: Graph, ef: int | None, recall: float, *, filtered: bool = False) -> Choice:
    """Decide how to search a collection with a graph. Searches with a filter and without have a bar of their own.

    An exact search with a filter is compared with the vectors of the sentences that the filter selects, no others.

    >>> graph = Graph(120_000, 16, 100, 60, 41.0, (Found(64, 0.994, 0.953, 0.97, 2.1),))
    >>> choose(graph, None, 0.98).ef, choose(graph, None, 0.98, filtered=True).exact
    (64, True)

    Args:
        ef: as ``retrieval.ef``; None: the smallest measured one with enough recall.
        recall: share of the 10 nearest vectors that must be found.
        filtered: the search has a filter.
    """
    best = graph.at(ef, recall, filtered=filtered)
    share = best.share(filtered=filtered)
    if share >= recall:
        return Choice(ef=best.ef if ef is None else ef)
    among, filter_zh = (" among the sentences that the filter selects", "在过滤条件下") if filtered else ("", "")
    how = "with a filter and" if filtered else "with"
    return Choice(
        exact=True,
        note=Bilingual(
            f"the dense leg was searched exactly{among}: the collection's graph finds {share:.3f} of the {NEAREST} "
            f"nearest {how} ef {best.ef}, and retrieval.recall is {recall}",
            f"稠密一路是逐一比较的：集合的图{filter_zh}在 ef {best.ef} 下只能找到最近 {NEAREST} 个中的 {share:.3f}，而 "
            f"retrieval.recall 为 {recall}",
        ),
    )


def wanted_for(points: int, m: int | None = None, ef_construct: int | None = None) -> Wanted:
    """Return the parameters of a graph over ``points`` sentences; those that are given stay.

    >>> wanted_for(50_000), wanted_for(1_000_000, m=24)
    (Wanted(m=16, ef_construct=100), Wanted(m=24, ef_construct=200))
    """
    usual = OF_LARGE if points >= LARGE else Wanted()
    return Wanted(m or usual.m, ef_construct or usual.ef_construct, scanned=min(SCANNED, points // 4), payload_m=0)


def is_due(graph: Graph | None, wanted: Wanted, points: int) -> bool:
    """Return whether to build a graph: there is none, its parameters differ, or the collection grew by a quarter.

    >>> is_due(None, Wanted(), 50_000)
    True
    """
    return graph is None or graph.wanted != wanted or points > 1.25 * graph.points
