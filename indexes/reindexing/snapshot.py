"""A collection's sentences in one SQLite file, in reading order: the store gives them in the order of their ids."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from indexes.nodes.record import SentenceRecord
from indexes.sqlite import Database
from indexes.store.collection import Collection

_SCHEMA = """
DROP TABLE IF EXISTS sentences;
CREATE TABLE sentences (doc_id TEXT NOT NULL, position INTEGER NOT NULL, payload TEXT NOT NULL);
"""
PAGE = 1000  # points in one call to the store


@dataclass(slots=True)
class StoredDocument:
    """Args: source: as its metadata says; sentences: their number; ids: sum of the point ids, as ``ids_digest``."""

    source: str
    sentences: int = 0
    ids: int = 0


class StoredSentences:
    """A copy of a collection's payloads, taken with ``take``, read back document by document.

    Args:
        path: of the file; ``None``: in memory. What is there is overwritten.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.documents: dict[str, StoredDocument] = {}
        # A copy: after a crash it is taken anew.
        self._db = Database(path, _SCHEMA, journal="OFF", synchronous="OFF", derived=True).open()

    def take(self, store: Collection, notify: Callable[[int], None] = lambda count: None) -> int:
        """Copy everything and return the number of sentences; ``notify`` is called with the number so far."""
        count = 0
        for page in store.pages(PAGE):
            rows = []
            for identity, payload in page:
                if not payload.get("doc_id"):
                    continue  # no sentence of ours; 'rag verify' tells of it
                doc_id = str(payload["doc_id"])
                source = str((payload.get("metadata") or {}).get("source", doc_id))
                document = self.documents.setdefault(doc_id, StoredDocument(source))
                document.sentences += 1
                document.ids += uuid.UUID(identity).int
                rows.append((doc_id, payload.get("position", 0), json.dumps(payload)))
            self._db.many("INSERT INTO sentences VALUES (?, ?, ?)", rows)
            count += len(rows)
            notify(count)
        self._db.rows("CREATE INDEX in_order ON sentences (doc_id, position)")
        return count

    def of(self, doc_id: str) -> Iterator[list[SentenceRecord]]:
        """A document's sentences in order, a page at a time."""
        last: tuple[int, int] = (-1, -1)
        while True:
            rows = self._db.rows(
                "SELECT position, rowid, payload FROM sentences WHERE doc_id = ? AND (position, rowid) > (?, ?) "
                "ORDER BY position, rowid LIMIT ?",
                (doc_id, *last, PAGE),
            )
            if not rows:
                return
            last = (rows[-1][0], rows[-1][1])
            yield [SentenceRecord.from_payload(json.loads(row[2])) for row in rows]

    def close(self) -> None:
        """The file goes too."""
        self._db.remove()
