"""SQLite files: shared by threads, used in transactions, with errors of one sentence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexes.errors import DiskSpaceError, RagWrightError, ReadOnlyError, StoreError
from indexes.files import file_errors, private_folder

WAIT = 30.0  # seconds for another process to end its transaction
TOGETHER = 500  # values per query, below SQLite's limit
_ASIDE = ("", "-wal", "-shm", "-journal")  # the files of a database
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)


class Database:
    """A SQLite file, opened on first use (or by ``open``). Thread-safe: one thread uses it at a time.

    >>> db = Database(None, "CREATE TABLE IF NOT EXISTS words (word TEXT)")
    >>> db.many("INSERT INTO words VALUES (?)", [("rain",), ("sun",)])
    >>> db.rows("SELECT word FROM words ORDER BY word")
    [('rain',), ('sun',)]

    Args:
        path: the file, created with its folder if it does not exist; None: in memory.
        schema: statements to run on each opening (``CREATE TABLE IF NOT EXISTS``).
        journal: SQLite's ``journal_mode``.
        synchronous: "FULL": committed transactions survive a power cut; "NORMAL": a power cut may lose the last ones;
            "OFF": it may destroy the file.
        vacuum: SQLite's ``auto_vacuum``.
        secure: overwrite deleted content with zeros.
        derived: replace a damaged file by an empty one, as its content can be computed again.
        if_damaged: remedy for a damaged file, for the message.
    """

    def __init__(
        self,
        path: Path | None,
        schema: str,
        *,
        journal: str = "WAL",
        synchronous: str = "NORMAL",
        vacuum: str = "NONE",
        secure: bool = False,
        derived: bool = False,
        if_damaged: str = "delete it: what it holds is made again",
    ) -> None:
        self.path = path
        self._schema, self._derived, self._if_damaged = schema, derived, if_damaged
        self._pragmas: tuple[str, ...] = (
            f"auto_vacuum={vacuum}",
            f"journal_mode={journal}",
            f"synchronous={synchronous}",
        )
        if secure:
            self._pragmas = (*self._pragmas, "secure_delete=ON")
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._borrowed: tempfile.TemporaryDirectory[str] | None = None  # copy of a read-only file

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def read_only(self) -> bool:
        """Whether the file exists and is not writable: then a copy is read, and nothing is written."""
        path = self.path
        return (
            path is not None and path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        )

    def refuse_read_only(self) -> None:
        """Raise ReadOnlyError if the file is not writable."""
        if self.read_only:
            raise ReadOnlyError(
                f"{self.path} cannot be written (it is read-only)", remedy="make the file and its folder writable"
            )

    def open(self) -> Database:
        """Open the file now.

        Raises:
            StoreError: the file cannot be opened, or is damaged.
            DiskSpaceError: the disk is full.
        """
        with self.connection():
            return self

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection, for statements outside a transaction. Other threads wait meanwhile.

        Raises:
            StoreError: the file cannot be used; the message has the reason.
            DiskSpaceError: the disk is full; committed transactions stay.
        """
        with self._mutex, _sqlite_errors(self.path, if_damaged=self._if_damaged):
            yield self._opened()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction, committed completely or not at all; raises as ``connection``, and ReadOnlyError."""
        self.refuse_read_only()
        with self.connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a query."""
        with self.connection() as db:
            return db.execute(query, values).fetchall()

    def rows_of(self, query: str, keys: Iterable[object]) -> list[Any]:
        """Return the rows of a query that ends in "... IN", for any number of keys."""
        wanted = list(dict.fromkeys(keys))
        with self.connection() as db:
            found: list[Any] = []
            for start in range(0, len(wanted), TOGETHER):
                part = wanted[start : start + TOGETHER]
                found += db.execute(f"{query} ({','.join('?' * len(part))})", part)
            return found

    def many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement for each row, in one transaction."""
        if rows:
            with self.transaction() as db:
                db.executemany(statement, rows)

    def close(self) -> None:
        """Close the file; it may be opened again. Closing twice has no effect."""
        with self._mutex:
            db, self._connection = self._connection, None
            if db is not None:
                db.close()
            borrowed, self._borrowed = self._borrowed, None
            if borrowed is not None:
                borrowed.cleanup()

    def remove(self) -> None:
        """Close the database and delete its files."""
        with self._mutex:
            self.close()
            if self.path is not None:
                for suffix in _ASIDE:
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._connected()
            except sqlite3.DatabaseError as error:
                if self.path is None or not self._derived or _code(error) not in _DAMAGED:
                    raise
                self.remove()
                self._connection = self._connected()
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        path = self.path
        if path is not None and self.read_only:
            path = self._borrow(path)
        elif self.path is not None:
            with file_errors(self.path):
                private_folder(self.path.parent)
                if not self.path.exists():  # an existing file may be on a read-only disk
                    self.path.touch(mode=0o600)
        db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=WAIT)
        try:
            for pragma in self._pragmas:
                db.execute(f"PRAGMA {pragma}")
            db.executescript(self._schema)
        except BaseException:
            db.close()
            raise
        return db

    def _borrow(self, path: Path) -> Path:
        """Copy a read-only database: SQLite cannot read one in WAL mode without writing beside it."""
        self._borrowed = tempfile.TemporaryDirectory(prefix="ragwright-")
        for suffix in ("", "-wal"):
            file = path.with_name(path.name + suffix)
            if file.is_file():
                shutil.copyfile(file, Path(self._borrowed.name) / file.name)
        return Path(self._borrowed.name) / path.name


@contextmanager
def _sqlite_errors(path: Path | None, *, if_damaged: str = "delete it: what it holds is made again") -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file and a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _ours(error, path or "the database in memory", if_damaged) from error


def _ours(error: sqlite3.Error, where: object, if_damaged: str) -> RagWrightError:
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return DiskSpaceError(
            f"the disk is full: {where} cannot be written",
            remedy="free disk space and run it again; acknowledged writes are kept",
        )
    if code in _IN_USE:
        return StoreError(
            f"{where} is in use by another process, which did not let go of it within {WAIT:.0f} s",
            remedy="wait until it has ended, or stop it",
        )
    if code in _NOT_WRITABLE:
        return StoreError(f"{where} cannot be written ({error})", remedy="make the file and its folder writable")
    if code in _DAMAGED:
        return StoreError(f"{where} is damaged ({error})", remedy=if_damaged)
    return StoreError(f"{where} cannot be used ({error})", remedy="check the file, its folder and their permissions")


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error raised by Python."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
