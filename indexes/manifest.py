"""Manifest: which document, with which content and settings, became which points (SQLite, one file a collection).

A document is ``writing`` from before its first point is stored until all of its points are flushed, then ``done``.
What is still ``writing`` when a run starts was cut off, and is removed before anything else happens; so a kill at
any moment loses only documents that were never reported as done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    doc_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    content TEXT NOT NULL,
    recipe TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sentences INTEGER NOT NULL DEFAULT 0,
    truncated INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('writing', 'done'))
);
CREATE INDEX IF NOT EXISTS documents_source ON documents (source);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as it was last written.

    Args:
        content: hash of the file's bytes (or of a Document's text and metadata).
        recipe: hash of the reader, splitter, window and encoder settings that made its points.
        size, mtime_ns: the file's stat at that time; 0 for Documents and nodes.
    """

    doc_id: str
    source: str
    content: str
    recipe: str
    size: int = 0
    mtime_ns: int = 0
    sentences: int = 0
    truncated: int = 0


class Manifest:
    """Open with a file path, or ``":memory:"``. Every method is its own transaction."""

    def __init__(self, path: Path | str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        if path != ":memory:":
            self._db.execute("PRAGMA journal_mode=WAL")
            # FULL: an acknowledged 'done' survives a power cut, not only kill -9.
            self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    _COLUMNS = "doc_id, source, content, recipe, size, mtime_ns, sentences, truncated"

    def get(self, doc_id: str) -> Entry | None:
        """The finished entry of a document, or None."""
        row = self._db.execute(
            f"SELECT {self._COLUMNS} FROM documents WHERE doc_id = ? AND state = 'done'",  # noqa: S608 - constant
            (doc_id,),
        ).fetchone()
        return Entry(*row) if row else None

    def of_source(self, source: str) -> list[Entry]:
        """Finished entries that were read from one file (a file may hold several documents)."""
        rows = self._db.execute(
            f"SELECT {self._COLUMNS} FROM documents WHERE source = ? AND state = 'done' ORDER BY doc_id",  # noqa: S608
            (source,),
        )
        return [Entry(*row) for row in rows]

    def unfinished(self) -> list[str]:
        """Ids of the documents that a run began and did not finish."""
        return [row[0] for row in self._db.execute("SELECT doc_id FROM documents WHERE state = 'writing'")]

    def begin(self, entry: Entry) -> None:
        """Note that points of this document are about to be written."""
        self._db.execute(
            f"INSERT OR REPLACE INTO documents ({self._COLUMNS}, state) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 'writing')",  # noqa: S608
            (entry.doc_id, entry.source, entry.content, entry.recipe, entry.size, entry.mtime_ns),
        )

    def finish(self, doc_id: str, *, sentences: int, truncated: int) -> None:
        """Note that all points of this document are stored and flushed."""
        self._db.execute(
            "UPDATE documents SET state = 'done', sentences = ?, truncated = ? WHERE doc_id = ?",
            (sentences, truncated, doc_id),
        )

    def touch(self, doc_id: str, *, size: int, mtime_ns: int) -> None:
        """The same content under a new stat: the next run needs the stat only."""
        self._db.execute("UPDATE documents SET size = ?, mtime_ns = ? WHERE doc_id = ?", (size, mtime_ns, doc_id))

    def forget(self, doc_id: str) -> None:
        self._db.execute("DELETE FROM documents WHERE doc_id = ?", (doc_id,))

    def clear(self) -> None:
        self._db.execute("DELETE FROM documents")

    def __iter__(self) -> Iterator[Entry]:
        rows = self._db.execute(f"SELECT {self._COLUMNS} FROM documents WHERE state = 'done' ORDER BY doc_id")  # noqa: S608
        return (Entry(*row) for row in rows)

    def close(self) -> None:
        self._db.close()
