"""Opening a SQLite file: shared, in transactions, and what its failures say."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from indexes import sqlite
from indexes.errors import DiskSpaceError, StoreError
from indexes.sqlite import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT)"
ADD = "INSERT INTO notes (text) VALUES (?)"


def database(path: Path | None, **options: object) -> Database:
    return Database(path, SCHEMA, **options)  # type: ignore[arg-type]


def test_a_transaction_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "notes.sqlite"
    db = database(path)
    assert not db.is_open and not path.exists()
    db.many(ADD, [("one",), ("two",)])
    with pytest.raises(ZeroDivisionError), db.transaction() as inside:
        inside.execute(ADD, ("three",))
        _ = 1 / 0
    assert db.rows("SELECT text FROM notes ORDER BY id") == [("one",), ("two",)]
    db.close()
    db.close()
    assert db.rows("SELECT count(*) FROM notes") == [(2,)], "opened again"
    db.remove()
    assert list(path.parent.iterdir()) == []


def test_threads_share_one_connection(tmp_path: Path) -> None:
    db = database(tmp_path / "notes.sqlite").open()
    threads = [threading.Thread(target=lambda: [db.many(ADD, [("x",)]) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.rows("SELECT count(*) FROM notes") == [(80,)]


def test_more_keys_than_one_query_takes() -> None:
    db = database(None)
    db.many("INSERT INTO notes VALUES (?, ?)", [(i, str(i)) for i in range(1, 1301)])
    found = db.rows_of("SELECT id FROM notes WHERE id IN", [*range(1, 1301), 1, 9999])
    assert sorted(row[0] for row in found) == list(range(1, 1301))
    assert db.rows_of("SELECT id FROM notes WHERE id IN", []) == []


@pytest.mark.parametrize("derived", [True, False])
def test_a_damaged_file(tmp_path: Path, derived: bool) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_bytes(b"this was a database once " * 100)
    db = database(path, derived=derived, if_damaged="ingest again")
    if derived:
        db.many(ADD, [("one",)])
        assert db.rows("SELECT text FROM notes") == [("one",)]
    else:
        with pytest.raises(StoreError, match=rf"{path} is damaged \(.*not a database\); ingest again"):
            db.open()


def test_a_file_that_another_process_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAIT", 0.05)
    path = tmp_path / "notes.sqlite"
    db = database(path).open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"is in use by another process.*wait until it has ended"):
            db.many(ADD, [("one",)])
    db.many(ADD, [("one",)])


def test_a_full_disk(tmp_path: Path) -> None:
    db = database(tmp_path / "notes.sqlite").open()
    db.rows("PRAGMA max_page_count=3")
    with pytest.raises(DiskSpaceError, match=r"the disk is full: .*notes\.sqlite cannot be written; free disk space"):
        db.many(ADD, [("x" * 9000,), ("y" * 9000,)])
    assert db.rows("SELECT count(*) FROM notes") == [(0,)]


def test_places_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match=r"file/notes\.sqlite cannot be written \(.*\); check the folder"):
        database(tmp_path / "file" / "notes.sqlite").open()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=r"folder cannot be used .*; check the file, its folder and their permissions"):
        database(tmp_path / "folder").open()


def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    db = database(tmp_path / "notes.sqlite").open()
    db.rows("PRAGMA query_only=ON")  # root may write what is write-protected
    with pytest.raises(StoreError, match=r"cannot be written .*readonly.*; make the file and its folder writable"):
        db.many(ADD, [("one",)])


def test_a_wrong_statement_is_an_error_of_ours_too() -> None:
    with pytest.raises(StoreError, match="the database in memory cannot be used"):
        database(None).rows("SELECT nothing FROM nowhere")
