"""The graph (HNSW) of a collection: when it is due, and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from indexes.errors import StoreError
from indexes.settings.sections import StoreSettings
from indexes.store.collection import Collection
from indexes.store.graph import measure
from indexes.store.models.graph import KEY, Built, Graph, Wanted, is_due

TIMEOUT = 12 * 3600.0  # seconds; one core builds some 1,500 sentences a second


def wanted_graph(settings: StoreSettings) -> Wanted:
    """Return how the settings want it built."""
    return Wanted(settings.hnsw_m, settings.hnsw_ef_construct)


def graph_is_due(store: Collection, settings: StoreSettings) -> bool:
    """True if the collection has grown large enough for a graph, or a quarter beyond the one that it has."""
    if store.engine.kind not in ("edge", "server") or not store.record():
        return False
    points = store.count()
    return points >= settings.hnsw_from and is_due(store.graph(), wanted_graph(settings), points)


def optimize(store: Collection, settings: StoreSettings, *, force: bool = False, timeout: float = TIMEOUT) -> Built:
    """Build the graph of the dense vectors, measure how well it finds, and record that.

    The collection is searched and written meanwhile; the embedded engine builds in a process of its own, a server by
    itself. Below ``settings.hnsw_from`` sentences nothing is built unless ``force`` is true, and the embedded engine's
    files are only vacuumed.

    Raises:
        CollectionNotFoundError: there is none.
        DiskSpaceError: embedded engine, too little disk for a copy.
        StoreError: it failed or took longer than ``timeout`` seconds; the collection stays as it was.
    """
    store.check()
    store.check_writable()
    points = store.count()
    graph = wanted_graph(settings) if force or points >= settings.hnsw_from else None
    built = store.engine.optimize(store.name, graph=graph, timeout=timeout)
    if store.engine.kind == "server" and graph is not None and points:
        built = Built(built.changed, measured(store, graph, points))
    if built.graph is not None or store.graph() is not None:
        store.set_record(**{KEY: None if built.graph is None else built.graph.as_dict()})
    return built


def optimize_if_due(store: Collection, settings: StoreSettings, begins: Callable[[int], None]) -> Graph | str | None:
    """Build the graph after many sentences were stored; what was stored stays, whatever becomes of that.

    Args:
        begins: called with the number of sentences when it begins.

    Returns:
        The graph; or why it could not be built, in a sentence; None where none is due.
    """
    if not graph_is_due(store, settings):
        return None
    begins(store.count())
    try:
        return optimize(store, settings).graph
    except StoreError as error:
        return f"the graph of the collection was not built, so search stays exact: {error}"


def measured(store: Collection, graph: Wanted, points: int) -> Graph:
    """Ask a server how well its graph finds."""
    rows = store.some_vectors(measure.ASKED)
    counts = [(info.doc_id, info.sentences) for info in store.documents()]
    return measure.measure(
        partial(store.engine.query_arrays, store.name, with_payload=False),
        rows,
        name=store.dense_name,
        wanted=graph,
        points=points,
        only=measure.tenth(counts),
    )
