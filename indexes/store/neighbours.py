"""The sentences around a hit: found by their computed ids, so that all hits' windows take one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexes.nodes.record import SentenceRecord, point_id

Place = tuple[str, int]  # document and position


def place_of(record: SentenceRecord) -> Place:
    """Return where a sentence stands."""
    return record.doc_id, record.position


def missing_ids(records: Sequence[SentenceRecord], window: int) -> list[str]:
    """Return the ids of the records' windows, without the records' own."""
    wanted = {
        (record.doc_id, position)
        for record in records
        for position in range(_first(record, window), _last(record, window) + 1)
    }
    wanted.difference_update(map(place_of, records))
    return [point_id(*place) for place in sorted(wanted)]


def window_of(record: SentenceRecord, window: int, known: Mapping[Place, SentenceRecord]) -> list[SentenceRecord]:
    """Return the record with its neighbours in ``known``, in document order."""
    before = _side(record, range(record.position - 1, _first(record, window) - 1, -1), known)
    after = _side(record, range(record.position + 1, _last(record, window) + 1), known)
    return [*reversed(before), record, *after]


def _first(record: SentenceRecord, window: int) -> int:
    return record.parent[0] if record.parent else max(0, record.position - window)


def _last(record: SentenceRecord, window: int) -> int:
    return record.parent[1] if record.parent else record.position + window


def _side(record: SentenceRecord, positions: range, known: Mapping[Place, SentenceRecord]) -> list[SentenceRecord]:
    found: list[SentenceRecord] = []
    for position in positions:
        neighbour = known.get((record.doc_id, position))
        if neighbour is None or neighbour.section != record.section:
            break
        found.append(neighbour)
    return found
