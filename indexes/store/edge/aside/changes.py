"""Changes of a collection while a copy of it is optimised, for replay into the copy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from indexes.store.edge.query import PAGE, pages


class Changes:
    """Ids of written or deleted points, and operations without points (an index of a field).

    ``replay`` reads the points' final state from the collection itself, so the order of the writes does not matter and
    a second replay changes nothing.

    >>> changes = Changes()
    >>> for ids in ([1, 2], [2, 3]):
    ...     changes.note(None, "upsert", ids, None)
    >>> len(changes), changes.take(), len(changes)
    (3, ([], [1, 2, 3]), 0)
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
        if ids is None and chosen is not None:
            ids = [record.id for page in pages(shard, chosen, whole=False) for record in page]
        with self._lock:
            if ids is None:
                self._operations.append(operation)
            self._ids.update((str(identity), identity) for identity in ids or ())

    def take(self) -> tuple[list[Any], list[Any]]:
        """Return the recorded (operations, ids) and clear them."""
        with self._lock:
            taken = self._operations, list(self._ids.values())
            self._operations, self._ids = [], {}
        return taken


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
