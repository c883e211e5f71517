"""A stored sentence is read back with every field in its place."""

from __future__ import annotations

from dataclasses import fields

from indexes.nodes.record import SentenceRecord


def test_every_field_comes_back_from_the_payload() -> None:
    """Each has a value of its own: the payload is read by position."""
    record = SentenceRecord(
        "handbook.md", 3, "Dry it.", 10, 17, " ", 2, "table", {"page": 4}, "| dry |", "| head |", (1, 5), "an-id"
    )
    payload = {**record.to_payload(), "stored_id": record.stored_id}
    assert SentenceRecord.from_payload(payload) == record
    assert len({repr(getattr(record, field.name)) for field in fields(record)}) == len(fields(record))
    bare = SentenceRecord.from_payload({"doc_id": "a.md", "position": 0, "text": "It rains."})
    assert bare == SentenceRecord("a.md", 0, "It rains.")
