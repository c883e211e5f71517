"""Changes of a collection while a copy of it is optimised, for replay into the copy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

PAGE = 500  # points per call: the engine holds the GIL during one


class Changes:
    """Ids of written or deleted points, and operations without points (an index of a field).

    ``replay`` reads the points' final state from the collection itself, so the order of the writes does not matter and
    a second replay changes nothing.
    """

    def __init__(self) -> None:
        self._ids: dict[str, Any] = {}
        self._operations: list[Any] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids) + len(self._operations)

    def note(self, shard: Any, operation: Any, ids: Sequence[Any] | None, chosen: Any) -> None:
        """Record what an operation is about to change.

        Args:
            ids: its points; None: those selected by the filter ``chosen``, or none without a filter.
        """
        found = list(ids) if ids is not None else [] if chosen is None else _chosen(shard, chosen)
        with self._lock:
            if ids is None and chosen is None:
                self._operations.append(operation)
            self._ids.update((str(identity), identity) for identity in found)

    def take(self) -> tuple[list[Any], list[Any]]:
        """Return the recorded (operations, ids) and clear them."""
        with self._lock:
            taken = self._operations, list(self._ids.values())
            self._operations, self._ids = [], {}
        return taken


def _chosen(shard: Any, chosen: Any) -> list[Any]:
    import qdrant_edge as qe

    found: list[Any] = []
    offset: Any = None
    while True:
        request = qe.ScrollRequest(offset=offset, limit=1000, filter=chosen, with_payload=False, with_vector=False)
        records, offset = shard.scroll(request)
        found += [record.id for record in records]
        if offset is None:
            return found


def replay(read: Any, new: Any, operations: Sequence[Any], ids: Sequence[Any]) -> None:
    """Apply recorded changes to the shard ``new``.

    Args:
        read: called with a page of ids; returns the records that exist now.
    """
    import qdrant_edge as qe

    for operation in operations:
        new.update(operation)
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        records = read(page)
        there = {str(record.id) for record in records}
        gone = [identity for identity in page if str(identity) not in there]
        if records:
            points = [qe.Point(record.id, record.vector, record.payload or {}) for record in records]
            new.update(qe.UpdateOperation.upsert_points(points))
        if gone:
            new.update(qe.UpdateOperation.delete_points(gone))
