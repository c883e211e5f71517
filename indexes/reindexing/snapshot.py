"""A collection's sentences in one SQLite file, in reading order: the store gives them in the order of their ids."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from indexes.manifest.manifest import sqlite_errors
from indexes.nodes.record import SentenceRecord
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
        self._mutex = threading.RLock()
        with sqlite_errors(path):
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=OFF")  # a copy: after a crash it is taken anew
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.executescript(_SCHEMA)

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
            with self._mutex, sqlite_errors(self.path):
                self._db.execute("BEGIN")
                self._db.executemany("INSERT INTO sentences VALUES (?, ?, ?)", rows)
                self._db.execute("COMMIT")
            count += len(rows)
            notify(count)
        with self._mutex, sqlite_errors(self.path):
            self._db.execute("CREATE INDEX in_order ON sentences (doc_id, position)")
        return count

    def of(self, doc_id: str) -> Iterator[list[SentenceRecord]]:
        """A document's sentences in order, a page at a time."""
        last: tuple[int, int] = (-1, -1)
        while True:
            with self._mutex, sqlite_errors(self.path):
                rows = self._db.execute(
                    "SELECT position, rowid, payload FROM sentences WHERE doc_id = ? AND (position, rowid) > (?, ?) "
                    "ORDER BY position, rowid LIMIT ?",
                    (doc_id, *last, PAGE),
                ).fetchall()
            if not rows:
                return
            last = (rows[-1][0], rows[-1][1])
            yield [SentenceRecord.from_payload(json.loads(row[2])) for row in rows]

    def close(self) -> None:
        """The file goes too."""
        with self._mutex:
            self._db.close()
        if self.path is not None:
            with suppress(FileNotFoundError):
                self.path.unlink()
