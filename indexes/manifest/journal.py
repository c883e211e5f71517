"""Journal: points of documents that are not in the collection yet, so that each document is written completely or not.

A document that replaces another, or is longer than one chunk, is collected here and written to the collection when it
is complete. If a run dies before that, the old document is unchanged; if it dies while writing,
``indexes.manifest.recovery`` finishes from the journal, without the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from indexes.encoders.vectors import pack_sparse, unpack_sparse
from indexes.encoders.window_pooling import ReadyPoint
from indexes.errors import mend_line
from indexes.nodes.record import SentenceRecord
from indexes.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts (
    id INTEGER PRIMARY KEY, doc_id TEXT NOT NULL, payloads TEXT NOT NULL, dense BLOB NOT NULL, sparse BLOB
);
CREATE INDEX IF NOT EXISTS parts_doc ON parts (doc_id);
CREATE TABLE IF NOT EXISTS complete (doc_id TEXT PRIMARY KEY, truncated INTEGER NOT NULL);
"""
PART_POINTS = 512  # points per row, which recovery holds in memory


class Journal:
    """One file beside the manifest (in memory for ``None``), created for the first document that needs it.

    >>> point = ReadyPoint(SentenceRecord("a.md", 0, "It rains."), np.ones(2, np.float32), None)
    >>> journal = Journal(None)
    >>> journal.append("a.md", [point])
    >>> journal.holds("a.md"), [part[0].record.text for part in journal.parts("a.md")]
    (False, ['It rains.'])
    >>> journal.complete({"a.md": 0})
    >>> journal.holds("a.md")
    True
    """

    def __init__(self, manifest_path: Path | None) -> None:
        self.path = None if manifest_path is None else manifest_path.with_suffix(".journal")
        # A long document must not leave a long file.
        self._db = Database(
            self.path,
            _SCHEMA,
            journal="TRUNCATE",
            synchronous="FULL",
            vacuum="FULL",
            secure=True,
            if_damaged="" if self.path is None else mend_line(self.path.stem),
        )

    @property
    def empty(self) -> bool:
        """Whether the journal is empty; does not create its file."""
        if not self._there():
            return True
        return not any(self._db.rows(f"SELECT 1 FROM {table} LIMIT 1") for table in ("parts", "complete"))  # noqa: S608

    def _there(self) -> bool:
        return self._db.is_open or (self.path is not None and self.path.exists())

    def append(self, doc_id: str, points: Sequence[ReadyPoint]) -> None:
        """Append points of a document, in order."""
        rows = []
        for start in range(0, len(points), PART_POINTS):
            part = points[start : start + PART_POINTS]
            payloads = json.dumps([point.record.to_payload() for point in part], default=_refuse)
            dense = np.stack([point.dense for point in part]).astype("<f4")
            rows.append((doc_id, payloads, dense.tobytes(), pack_sparse([point.sparse for point in part])))
        self._db.many("INSERT INTO parts (doc_id, payloads, dense, sparse) VALUES (?, ?, ?, ?)", rows)

    def complete(self, truncated: Mapping[str, int]) -> None:
        """Mark documents (id -> number of truncated sentences) as complete: the model is no longer needed."""
        self._db.many("INSERT OR REPLACE INTO complete VALUES (?, ?)", list(truncated.items()))

    def holds(self, doc_id: str) -> bool:
        """Return whether the document is complete here."""
        return self._truncated(doc_id) is not None

    def truncated(self, doc_id: str) -> int:
        """Return the number of its truncated sentences."""
        return self._truncated(doc_id) or 0

    def _truncated(self, doc_id: str) -> int | None:
        if not self._there():
            return None
        rows = self._db.rows("SELECT truncated FROM complete WHERE doc_id = ?", (doc_id,))
        return int(rows[0][0]) if rows else None

    def parts(self, doc_id: str) -> Iterator[list[ReadyPoint]]:
        """Yield the document's points part by part, in the order in which they were appended."""
        last = -1
        while True:
            rows = self._db.rows(
                "SELECT id, payloads, dense, sparse FROM parts WHERE doc_id = ? AND id > ? ORDER BY id LIMIT 1",
                (doc_id, last),
            )
            if not rows:
                return
            row = rows[0]
            last = row[0]
            payloads = json.loads(row[1])
            dense = np.frombuffer(row[2], "<f4").reshape(len(payloads), -1).astype(np.float32)
            sparse = unpack_sparse(row[3], len(payloads))
            yield [
                ReadyPoint(SentenceRecord.from_payload(payload), dense[i], sparse[i])
                for i, payload in enumerate(payloads)
            ]

    def drop(self, doc_ids: Iterable[str]) -> None:
        """Remove documents that are in the collection now, or never will be."""
        if self.empty:
            return
        rows = [(doc_id,) for doc_id in doc_ids]
        with self._db.transaction() as db:
            db.executemany("DELETE FROM parts WHERE doc_id = ?", rows)
            db.executemany("DELETE FROM complete WHERE doc_id = ?", rows)

    def clear(self) -> None:
        if self.empty:
            return
        with self._db.transaction() as db:
            db.execute("DELETE FROM parts")
            db.execute("DELETE FROM complete")

    def close(self) -> None:
        """Close the journal; the file of an empty one is deleted."""
        if self._db.is_open:
            if self.empty:
                self._db.remove()
            else:
                self._db.close()


def _refuse(value: object) -> object:
    from indexes.store.payload import plain_json

    return plain_json(value)
