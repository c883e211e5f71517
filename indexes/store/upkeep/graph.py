"""Build the graph (HNSW) of a collection when it is due."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from indexes.errors import StoreError
from indexes.settings.sections import StoreSettings
from indexes.store import models
from indexes.store.collection import Collection
from indexes.store.graph import measure
from indexes.store.graph.fields import SAMPLED, fields_to_index
from indexes.store.models.graph import KEY, Built, Graph, Wanted, is_due, wanted_for
from indexes.store.upkeep import bulk

TIMEOUT = 12 * 3600.0  # seconds; one core adds about 1,500 sentences per second


def wanted_graph(settings: StoreSettings, points: int) -> Wanted:
    """Return the graph's parameters from the settings, or else by the number of sentences.

    >>> wanted_graph(StoreSettings(hnsw_m=24), 50_000)
    Wanted(m=24, ef_construct=100)
    """
    return wanted_for(points, settings.hnsw_m, settings.hnsw_ef_construct)


def outdated(graph: Graph | None, settings: StoreSettings, points: int) -> bool:
    """Return whether to build a graph over ``points`` sentences, given the one that the collection has.

    The parameters are compared with those for the number of sentences that the graph was built for: passing the number
    from which they are others does not make a graph due, growing by a quarter does.

    >>> graph = Graph(60_000, 16, 100, asked=60, exact_ms=14.0, found=())
    >>> [outdated(graph, StoreSettings(), points) for points in (70_000, 80_000)]
    [False, True]
    """
    return is_due(graph, wanted_graph(settings, points if graph is None else graph.points), points)


def graph_is_due(store: Collection, settings: StoreSettings) -> bool:
    """Return whether the collection is large enough for a graph, or a quarter larger than the one it has covers.

    >>> from types import SimpleNamespace
    >>> store = SimpleNamespace(
    ...     engine=SimpleNamespace(kind="edge"), record=lambda: {"schema": 1}, graph=lambda: None, count=lambda: 60_000
    ... )
    >>> graph_is_due(store, StoreSettings()), graph_is_due(store, StoreSettings(hnsw_from=100_000))
    (True, False)
    """
    if store.engine.kind not in ("edge", "server") or not store.record():
        return False
    points = store.count()
    return points >= settings.hnsw_from and outdated(store.graph(), settings, points)


def optimize(store: Collection, settings: StoreSettings, *, force: bool = False, timeout: float = TIMEOUT) -> Built:
    """Build the graph of the dense vectors, measure its recall, and record it; index the metadata for filters.

    The collection can be searched and written meanwhile: the embedded engine builds in a child process, a server by
    itself. With fewer than ``settings.hnsw_from`` sentences no graph is built unless ``force`` is true; the embedded
    engine's files are then only vacuumed.

    Raises:
        CollectionNotFoundError: the collection does not exist.
        DiskSpaceError: embedded engine, too little disk space for a copy.
        StoreError: it failed or took longer than ``timeout`` seconds; the collection is unchanged.
    """
    store.check()
    store.check_writable()
    bulk.end(store)  # else a server would build no graph after a run that was killed
    points = store.count()
    graph = wanted_graph(settings, points) if force or points >= settings.hnsw_from else None
    if store.engine.kind == "server" and graph is not None:
        index_metadata(store)
    built = store.engine.optimize(store.name, graph=graph, timeout=timeout)
    if store.engine.kind == "server" and graph is not None and points:
        built = Built(built.changed, measured(store, graph, points))
    if built.graph is not None or store.graph() is not None:
        store.set_record(**{KEY: None if built.graph is None else built.graph.as_dict()})
    return built


def optimize_if_due(store: Collection, settings: StoreSettings, begins: Callable[[int], None]) -> Graph | str | None:
    """Build the graph if it is due after storing sentences; a failure does not affect what was stored.

    >>> from types import SimpleNamespace
    >>> store = SimpleNamespace(
    ...     engine=SimpleNamespace(kind="edge"), record=lambda: {"schema": 1}, graph=lambda: None, count=lambda: 200
    ... )
    >>> optimize_if_due(store, StoreSettings(), print) is None
    True

    Args:
        begins: called with the number of sentences when the build begins.

    Returns:
        The graph; a sentence with the reason if it could not be built; None if none is due.
    """
    if not graph_is_due(store, settings):
        return None
    begins(store.count())
    try:
        return optimize(store, settings).graph
    except StoreError as error:
        return f"the graph of the collection was not built, so search stays exact: {error}"


def index_metadata(store: Collection) -> None:
    """Let a server index the metadata that filters may name; it does nothing where there is an index already."""
    first = next(store.pages(SAMPLED, payload=["metadata"]))  # ids are hashes, so this is a random sample
    for field, kind in fields_to_index(payload.get("metadata") or {} for _, payload in first).items():
        schema = models.PayloadSchemaType(kind)
        store.engine.calls.create_payload_index(store.name, field_name=field, field_schema=schema)


def measured(store: Collection, graph: Wanted, points: int) -> Graph:
    """Measure the recall of a server's graph."""
    rows = store.some_vectors(measure.ASKED)
    counts = [(info.doc_id, info.sentences) for info in store.documents()]
    return measure.measure(
        partial(store.engine.query_arrays, store.name, with_payload=False),
        rows,
        name=store.dense_name,
        wanted=graph,
        points=points,
        counts=counts,
    )
