"""Manifest: the documents of a collection with their content, settings and points (SQLite, one file per collection).

A document is ``writing`` from before its points are touched until all of them are flushed, then ``done``. One that is
still ``writing`` when a run starts was interrupted: ``indexes.manifest.recovery`` first finishes or removes it. A file
with the same content as another is a *copy*: its path is kept here, its sentences are stored once. Sources are absolute
paths, which only the manifest knows; document ids are made by ``roots``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import mend_line
from indexes.lock import Lock
from indexes.manifest.paths import remove_retired
from indexes.manifest.roots import Root
from indexes.sqlite import Database

REBUILT = "rebuilt"  # fact: the manifest was damaged, and has only what could be read of it
READ_AGAIN = "read again"  # in place of a recipe; equal to no run's recipe
IN_FLIGHT = "in flight"  # likewise: a file that a worker of a cluster is reading; it may hold several documents

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
    state TEXT NOT NULL CHECK (state IN ('writing', 'done')),
    points TEXT NOT NULL DEFAULT '',
    sums TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS documents_source ON documents (source);
CREATE TABLE IF NOT EXISTS copies (
    path TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    content TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS faults (path TEXT PRIMARY KEY, source TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS erased (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roots (label TEXT PRIMARY KEY, path TEXT NOT NULL, deep INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it was last written.

    Args:
        content: hash of the file's bytes (or of a Document's text and metadata).
        recipe: hash of the settings of reader, splitter, window and encoder that determined its points.
        size, mtime_ns: the file's stat at that time; 0 for Documents and nodes.
        points: ``ids_digest`` of its points; "" in manifests of earlier versions.
        sums: ``str`` of their ``Sums``; "" in manifests of earlier versions.
    """

    doc_id: str
    source: str
    content: str
    recipe: str
    size: int = 0
    mtime_ns: int = 0
    sentences: int = 0
    truncated: int = 0
    points: str = ""
    sums: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A file with the same content as another file, ``source``, under which it is stored."""

    path: str
    source: str
    content: str
    size: int
    mtime_ns: int


_ERASE = "erase"  # fact: files of the collection still contain deleted text

_COLUMNS = "doc_id, source, content, recipe, size, mtime_ns, sentences, truncated, points, sums"


class Manifest:
    """The manifest in a file, or in memory for ``":memory:"``. Each method is a transaction. Thread-safe.

    >>> manifest = Manifest(":memory:")
    >>> manifest.begin(Entry("notice.md", "/docs/notice.md", "c0ffee", "r1", 120, 0, sentences=0, truncated=0))
    >>> manifest.unfinished()
    ['notice.md']

    Raises:
        StoreError: the file cannot be opened or is damaged.
        DiskSpaceError: the disk is full; acknowledged changes are kept.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = None if path == ":memory:" else Path(path)
        if_damaged = "" if self.path is None else mend_line(self.path.stem)
        # FULL: an acknowledged 'done' survives a power cut as well as kill -9.
        self._db = Database(self.path, _SCHEMA, synchronous="FULL", if_damaged=if_damaged)
        self._lock: Lock | None = None
        if self.path is not None:
            self._lock = Lock(
                self.path.with_suffix(".lock"),
                f"the collection of {self.path}",
                close_first="let that run end first",
                states=("being written to by", "being written to by"),
            )
        with self._db.connection() as db:
            there = {row[1] for row in db.execute("PRAGMA table_info(documents)")}
            for column in ("points", "sums"):
                if column not in there:
                    db.execute(f"ALTER TABLE documents ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")

    # ---- reading ----

    def get(self, doc_id: str) -> Entry | None:
        """Return the finished entry of a document, or None."""
        rows = self._db.rows(f"SELECT {_COLUMNS} FROM documents WHERE doc_id = ? AND state = 'done'", (doc_id,))  # noqa: S608
        return Entry(*rows[0]) if rows else None

    def __iter__(self) -> Iterator[Entry]:
        query = f"SELECT {_COLUMNS} FROM documents WHERE state = 'done' ORDER BY doc_id"  # noqa: S608
        return (Entry(*row) for row in self._db.rows(query))

    def unfinished(self) -> list[str]:
        """Return the ids of documents that a run began to write and did not finish."""
        return [row[0] for row in self._db.rows("SELECT doc_id FROM documents WHERE state = 'writing' ORDER BY doc_id")]

    def in_flight(self) -> list[str]:
        """Return the ids of those among them that are files a worker of a cluster was reading."""
        query = "SELECT doc_id FROM documents WHERE state = 'writing' AND recipe = ? ORDER BY doc_id"
        return [row[0] for row in self._db.rows(query, (IN_FLIGHT,))]

    def copies(self, source: str | None = None) -> list[Copy]:
        """Return the files stored under another file, or only those stored under ``source``."""
        query = "SELECT path, source, content, size, mtime_ns FROM copies"
        if source is None:
            return [Copy(*row) for row in self._db.rows(f"{query} ORDER BY path")]
        return [Copy(*row) for row in self._db.rows(f"{query} WHERE source = ? ORDER BY path", (source,))]

    def faults(self) -> dict[str, list[tuple[str, str]]]:
        """Return archive -> (member, reason) of unreadable members, for stored archives."""
        found: dict[str, list[tuple[str, str]]] = {}
        query = "SELECT source, path, reason FROM faults WHERE source IN (SELECT source FROM documents) ORDER BY path"
        for source, path, reason in self._db.rows(query):
            found.setdefault(source, []).append((path, reason))
        return found

    def roots(self) -> list[Root]:
        """Return the ingested folders."""
        rows = self._db.rows("SELECT label, path, deep FROM roots ORDER BY label")
        return [Root(label, path, bool(deep)) for label, path, deep in rows]

    def sizes(self, folder: str) -> list[tuple[str, int]]:
        """Return (source, size) of the files below ``folder``."""
        below = folder.rstrip("/") + "/"
        query = "SELECT DISTINCT source, size FROM documents WHERE mtime_ns != 0 AND substr(source, 1, ?) = ?"
        return [(source, size) for source, size in self._db.rows(f"{query} ORDER BY source", (len(below), below))]

    def fact(self, name: str) -> str | None:
        """Return a stored value, such as the encoder's settings; None if there is none."""
        rows = self._db.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    # ---- writing ----

    def begin(
        self,
        entries: Entry | Sequence[Entry],
        removing: Iterable[str] = (),
        faults: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        *,
        erase: bool = True,
    ) -> None:
        """Record, in one transaction, that points of these documents are about to be written or removed.

        Args:
            entries: documents to write.
            removing: ids of documents to remove.
            faults: file -> its faults, as in ``faults()``; replaces those recorded for the file.
            erase: also erase the removed texts from the collection's files; False if the text stays.
        """
        entries = [entries] if isinstance(entries, Entry) else entries
        with self._db.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO documents "
                "(doc_id, source, content, recipe, size, mtime_ns, sentences, truncated, points, state) "
                "VALUES (?, ?, ?, ?, ?, ?, 0, 0, '', 'writing')",
                [(e.doc_id, e.source, e.content, e.recipe, e.size, e.mtime_ns) for e in entries],
            )
            removing = list(removing)
            db.executemany("UPDATE documents SET state = 'writing' WHERE doc_id = ?", [(i,) for i in removing])
            if removing and erase:
                db.execute("INSERT OR REPLACE INTO facts VALUES (?, 'due')", (_ERASE,))
            for source, members in (faults or {}).items():
                db.execute("DELETE FROM faults WHERE source = ?", (source,))
                db.executemany("INSERT OR REPLACE INTO faults VALUES (?, ?, ?)", [(p, source, r) for p, r in members])

    def finish(self, doc_id: str, *, sentences: int, truncated: int, points: str = "") -> None:
        """Record that all points of this document are stored and flushed."""
        self.finish_many([(doc_id, sentences, truncated, points, "")])

    def finish_many(
        self,
        rows: Iterable[tuple[str, int, int, str, str]],
        removed: Iterable[str] = (),
        moved: Mapping[str, str] | None = None,
    ) -> None:
        """Finish several documents and forget others, in one transaction.

        Args:
            rows: (doc_id, sentences, truncated, points, sums) per finished document.
            removed: ids of documents to forget.
            moved: old source -> new source: copies follow, and the new source is no longer a copy.
        """
        with self._db.transaction() as db:
            for old, new in (moved or {}).items():
                db.execute("DELETE FROM copies WHERE path = ?", (new,))
                db.execute("UPDATE copies SET source = ? WHERE source = ?", (new, old))
                db.execute("DELETE FROM faults WHERE source = ?", (old,))
            db.executemany(
                "UPDATE documents SET state = 'done', sentences = ?, truncated = ?, points = ?, sums = ? "
                "WHERE doc_id = ?",
                [(sentences, truncated, points, sums, doc_id) for doc_id, sentences, truncated, points, sums in rows],
            )
            db.executemany("DELETE FROM documents WHERE doc_id = ?", [(i,) for i in removed])

    def touch_many(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Record new stats of unchanged documents: (doc_id, size, mtime_ns) each."""
        self._db.many(
            "UPDATE documents SET size = ?, mtime_ns = ? WHERE doc_id = ?",
            [(size, mtime_ns, doc_id) for doc_id, size, mtime_ns in rows],
        )

    def read_again(self, doc_ids: Iterable[str]) -> None:
        """Make the next run read the files of these documents, changed or not."""
        self._db.many("UPDATE documents SET recipe = ? WHERE doc_id = ?", [(READ_AGAIN, doc_id) for doc_id in doc_ids])

    def forget(self, doc_ids: str | Iterable[str]) -> None:
        doc_ids = [doc_ids] if isinstance(doc_ids, str) else doc_ids
        self._db.many("DELETE FROM documents WHERE doc_id = ?", [(doc_id,) for doc_id in doc_ids])

    def add_copies(self, copies: Iterable[Copy]) -> None:
        self._db.many(
            "INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?, ?)",
            [(copy.path, copy.source, copy.content, copy.size, copy.mtime_ns) for copy in copies],
        )

    def forget_copies(self, paths: Iterable[str]) -> None:
        self._db.many("DELETE FROM copies WHERE path = ?", [(path,) for path in paths])

    def add_root(self, root: Root) -> None:
        self._db.many("INSERT OR REPLACE INTO roots VALUES (?, ?, ?)", [(root.label, root.path, int(root.deep))])

    def move_root(self, old: str, new: str) -> None:
        """Change the path of a moved folder and all paths in it, in one transaction; the collection has none."""
        below, skip = old.rstrip("/") + "/", len(old.rstrip("/")) + 1
        columns = (("documents", "source"), ("copies", "path"), ("copies", "source"), ("faults", "path"))
        with self._db.transaction() as db:
            for table, column in (*columns, ("faults", "source"), ("roots", "path")):
                db.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - constants
                    f"WHERE substr({column}, 1, ?) = ?",
                    (new.rstrip("/"), skip, len(below), below),
                )
            db.execute("UPDATE roots SET path = ? WHERE path = ?", (new, old))

    def scratch(self) -> Manifest:
        """Return a copy in memory, for a dry run."""
        copy = Manifest(":memory:")
        with self._db.connection() as here, copy._db.connection() as there:
            here.backup(there)
        return copy

    def take(self, rows: Mapping[str, Sequence[Mapping[str, object]]]) -> int:
        """Add the fitting rows of another manifest, by table, and return the number of documents."""
        with self._db.transaction() as db:
            for table, found in rows.items():
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                for row in found:
                    fitting = {name: value for name, value in row.items() if name in columns}
                    names, marks = ", ".join(fitting), ", ".join("?" * len(fitting))
                    with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError):
                        db.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", [*fitting.values()])  # noqa: S608
            return int(db.execute("SELECT count(*) FROM documents").fetchone()[0])

    def remember(self, name: str, value: str) -> None:
        self._db.many("INSERT OR REPLACE INTO facts VALUES (?, ?)", [(name, value)])

    # ---- erasing (``indexes.manifest.erasing``) ----

    @property
    def erase_due(self) -> bool:
        """Whether files of the collection still contain deleted text."""
        return self.fact(_ERASE) is not None

    def erased(self) -> None:
        """Record that collection files and encoding cache contain no deleted text any more."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM facts WHERE name = ?", (_ERASE,))
            db.execute("DELETE FROM erased")

    def note_erased(self, keys: Iterable[bytes]) -> None:
        """Record cache keys of texts that are being removed."""
        self._db.many("INSERT OR IGNORE INTO erased VALUES (?)", [(key,) for key in keys])

    def erased_keys(self) -> list[bytes]:
        return [row[0] for row in self._db.rows("SELECT key FROM erased")]

    def forget_fact(self, name: str) -> None:
        self._db.many("DELETE FROM facts WHERE name = ?", [(name,)])

    def clear(self) -> None:
        with self._db.transaction() as db:
            for table in ("documents", "copies", "faults", "facts", "roots", "erased"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - constants

    @property
    def read_only(self) -> bool:
        """Whether the store is on a read-only disk."""
        return self._db.read_only

    # ---- one writer at a time ----

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Hold the writer's lock; it ends with the process, however that ends.

        Raises:
            CollectionLockedError: another process is writing to this collection.
        """
        if self._lock is not None:
            self._db.refuse_read_only()
            self._lock.take()
            if self.path is not None:
                remove_retired(self.path)
        try:
            yield
        finally:
            self.unlock()

    def lock(self) -> bool:
        """Take the writer's lock; return False if another process has it. Always True for ``":memory:"``."""
        return self._lock is None or (not self.read_only and self._lock.try_take())

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def close(self) -> None:
        self.unlock()
        self._db.close()
