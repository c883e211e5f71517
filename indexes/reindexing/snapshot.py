"""The sentences of a collection in a SQLite file, in reading order; the store returns them in the order of ids."""

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
PAGE = 1000  # points per call to the store


@dataclass(slots=True)
class StoredDocument:
    """A document in the file.

    Args:
        source: source in its metadata.
        sentences: number of sentences.
        ids: sum of the point ids, as for ``ids_digest``.
    """

    source: str
    sentences: int = 0
    ids: int = 0


class StoredSentences:
    """A copy of a collection's payloads, created by ``take`` and read back document by document.

    >>> from types import SimpleNamespace
    >>> records = [SentenceRecord("a.md", at, text) for at, text in ((1, "We stay in."), (0, "It rains."))]
    >>> stored = StoredSentences(None)
    >>> stored.take(SimpleNamespace(pages=lambda size: [[(one.id, one.to_payload()) for one in records]]))
    2
    >>> [record.text for page in stored.of("a.md") for record in page]
    ['It rains.', 'We stay in.']

    Args:
        path: the file, which is overwritten; None: in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.documents: dict[str, StoredDocument] = {}
        # Only a copy: after a crash it is created again.
        self._db = Database(path, _SCHEMA, journal="OFF", synchronous="OFF", derived=True).open()

    def take(self, store: Collection, notify: Callable[[int], None] = lambda count: None) -> int:
        """Copy everything and return the number of sentences; ``notify`` is called with the number so far."""
        count = 0
        for page in store.pages(PAGE):
            rows = []
            for identity, payload in page:
                if not payload.get("doc_id"):
                    continue  # not one of our sentences; 'rag verify' reports it
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
        """Yield a document's sentences in order, page by page."""
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
        """Close and delete the file."""
        self._db.remove()
