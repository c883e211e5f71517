"""A server that is being filled builds no indexes meanwhile: they would be built again and again."""

from __future__ import annotations

from indexes.store.collection import Collection

KEY = "indexing_threshold"  # in a collection's record, while it is raised: what it was
NEVER = 1_000_000_000  # KB of vectors in a segment: none is as large
DEFAULT = 10_000  # the server's own, where nobody has set it


def begin(store: Collection) -> None:
    """Let a server postpone indexing until ``end``; the record keeps the old threshold, for a run that is killed."""
    if store.engine.kind != "server" or store.record().get(KEY) is not None:
        return
    was = store.engine.client.get_collection(store.name).config.optimizer_config.indexing_threshold
    if was != 0:  # 0: its owner wants none at all
        store.set_record(**{KEY: DEFAULT if was is None else was})
        _set(store, NEVER)


def end(store: Collection) -> None:
    """Let a server index again as before ``begin``; do nothing if indexing was not postponed."""
    if store.engine.kind != "server":
        return
    was = store.record().get(KEY)
    if was is not None:
        _set(store, int(was))
        store.set_record(**{KEY: None})


def _set(store: Collection, kilobytes: int) -> None:
    from qdrant_client.http.models import OptimizersConfigDiff

    client = store.engine.client
    client.update_collection(store.name, optimizers_config=OptimizersConfigDiff(indexing_threshold=kilobytes))
