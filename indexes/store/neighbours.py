"""The sentences around hits, by their computed ids: one call fetches the windows of all hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexes.nodes.record import SentenceRecord, point_id

Place = tuple[str, int]  # document and position


def place_of(record: SentenceRecord) -> Place:
    """Return the place of a sentence.

    >>> place_of(SentenceRecord("a.md", 4, "It rains."))
    ('a.md', 4)
    """
    return record.doc_id, record.position


def missing_ids(records: Sequence[SentenceRecord], window: int) -> list[str]:
    """Return the ids of the sentences in the records' windows, without the records themselves.

    >>> record = SentenceRecord("a.md", 1, "It rains.")
    >>> missing_ids([record], 1) == [point_id("a.md", 0), point_id("a.md", 2)]
    True
    """
    wanted = {
        (record.doc_id, position)
        for record in records
        for position in range(_first(record, window), _last(record, window) + 1)
    }
    wanted.difference_update(map(place_of, records))
    return [point_id(*place) for place in sorted(wanted)]


def window_of(record: SentenceRecord, window: int, known: Mapping[Place, SentenceRecord]) -> list[SentenceRecord]:
    """Return the window of a record from the sentences in ``known``, in document order.

    >>> there = [SentenceRecord("a.md", at, text) for at, text in enumerate(["One.", "Two.", "Three."])]
    >>> [one.text for one in window_of(there[1], 1, {place_of(one): one for one in there})]
    ['One.', 'Two.', 'Three.']
    """
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
