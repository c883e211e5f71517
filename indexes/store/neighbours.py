"""The sentences around a hit, fetched at query time by their computed ids, all hits in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indexes.nodes.record import SentenceRecord, point_id


def fetch_windows(
    client: Any, name: str, records: Sequence[SentenceRecord], window: int
) -> dict[str, list[SentenceRecord]]:
    """Windows of up to ``window`` sentences on each side of every record, the record itself included.

    A window ends at its section's border, at the document's end, and at a hole (a sentence deleted by hand). The window
    of a child (``record.parent``) is its whole parent, whatever ``window`` says.

    Returns:
        record id -> consecutive sentences in document order. One ``retrieve`` for all records; none for window 0.
    """
    known = {record.id: record for record in records}
    wanted = {
        point_id(record.doc_id, position)
        for record in records
        for position in range(_first(record, window), _last(record, window) + 1)
    }
    missing = sorted(wanted - known.keys())
    if missing:
        for point in client.retrieve(name, ids=missing, with_payload=True, with_vectors=False):
            known[str(point.id)] = SentenceRecord.from_payload(point.payload)
    return {record.id: _window(record, window, known) for record in records}


def _window(record: SentenceRecord, window: int, known: dict[str, SentenceRecord]) -> list[SentenceRecord]:
    before = _side(record, range(record.position - 1, _first(record, window) - 1, -1), known)
    after = _side(record, range(record.position + 1, _last(record, window) + 1), known)
    return [*reversed(before), record, *after]


def _first(record: SentenceRecord, window: int) -> int:
    return record.parent[0] if record.parent else max(0, record.position - window)


def _last(record: SentenceRecord, window: int) -> int:
    return record.parent[1] if record.parent else record.position + window


def _side(record: SentenceRecord, positions: range, known: dict[str, SentenceRecord]) -> list[SentenceRecord]:
    found: list[SentenceRecord] = []
    for position in positions:
        neighbour = known.get(point_id(record.doc_id, position))
        if neighbour is None or neighbour.section != record.section:
            break
        found.append(neighbour)
    return found
