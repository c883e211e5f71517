"""Repair damaged files of a collection, or replace them by what can be restored.

After ``mend_files`` the collection can be opened; ``verify`` with ``repair`` then compares it with its manifest, and
missing documents are read again from their files.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from indexes.display import counted
from indexes.errors import DamagedError, RagWrightError, StoreError
from indexes.files import remove
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import REBUILT, Manifest
from indexes.manifest.paths import manifest_path
from indexes.settings.sections import StoreSettings
from indexes.store.collection import Collection
from indexes.store.edge.client import EdgeClient
from indexes.store.engine import Engine
from indexes.store.generations import Generations

TABLES = ("documents", "copies", "faults", "facts", "roots", "erased")
PAGE = 1000


def mend_files(engine: Engine, name: str, settings: StoreSettings) -> list[str]:
    """Repair the files of a collection and return one sentence per repair; [] if all files are intact.

    Raises:
        CollectionNotFoundError: the collection does not exist.
        DamagedError: its record and the copy of it are both lost.
        CollectionLockedError: another process has it open.
    """
    done: list[str] = []
    generations = Generations(engine, name)
    if isinstance(engine, EdgeClient):
        done += _mend_aliases(engine)
        for found in generations.names():
            done += _mend_record(engine, found)
    generations.of(name).check()
    generations.keep_name()
    current = generations.of(generations.current())
    path = manifest_path(settings, current.name, shared_client=False)
    if isinstance(path, Path) and path.parent.is_dir():
        done += _mend_manifest(path)
        done += _mend_journal(path)
    if isinstance(engine, EdgeClient):
        done += _mend_points(engine, current)
    return done


def _mend_aliases(engine: EdgeClient) -> list[str]:
    try:
        engine.get_aliases()
    except DamagedError as error:
        engine.forget_aliases()
        return [f"{error.what}: it was written anew from the collections"]
    return []


def _mend_record(engine: EdgeClient, collection: str) -> list[str]:
    folder = engine.edge_folder(collection)
    try:
        folder.read_description(anew=True)
    except DamagedError as error:
        if not folder.record.restore():
            raise StoreError(
                f"{error.what}, and so is the copy of it",
                remedy=f"delete the collection and ingest its files again: rag delete --all --collection {collection}",
            ) from error
        return [f"{error.what}: it was restored from its copy"]
    return []


def _mend_points(engine: EdgeClient, store: Collection) -> list[str]:
    """Read all points; if that fails, keep the readable ones."""
    try:
        _read_all(engine, store.name)
        list(store.documents())
    except DamagedError as error:
        kept = engine.salvage(store.name)
        return [f"{error.what}: {counted(kept, 'sentence', verb='were')} kept"]
    return []


def _read_all(engine: EdgeClient, name: str) -> None:
    """Read all points with their vectors, so that the files of the vectors are checked too."""
    offset = None
    while True:
        _, offset = engine.scroll(name, limit=PAGE, offset=offset, with_payload=True, with_vectors=True)
        if offset is None:
            return


def _mend_manifest(path: Path) -> list[str]:
    """Replace a damaged manifest by a new file with the readable rows."""
    if path.is_file() and _is_whole(path, "documents", "facts"):
        return []
    rows = _readable(path)
    there = path.exists()
    for suffix in ("", "-wal", "-shm", "-journal"):
        remove(path.with_name(path.name + suffix))
    with closing(Manifest(path)) as manifest:
        kept = manifest.take(rows)
        manifest.remember(REBUILT, "yes")
    return [f"the manifest {path} {'is damaged' if there else 'is missing'}: {kept} of its documents were kept"]


def _is_whole(path: Path, *tables: str) -> bool:
    with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(path, timeout=30)) as db:
        found = [row[0] for row in db.execute("PRAGMA integrity_check")]
        there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return found == ["ok"] and there.issuperset(tables)
    return False


def _readable(path: Path) -> dict[str, list[dict[str, object]]]:
    """Return the readable rows of a damaged database, by table."""
    found: dict[str, list[dict[str, object]]] = {}
    for table in TABLES:
        rows = found.setdefault(table, [])
        with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - constants
                rows.append(dict(row))
    return found


def _mend_journal(path: Path) -> list[str]:
    """Delete a damaged journal: its documents are read again."""
    journal = Journal(path)
    assert journal.path is not None  # noqa: S101 - it belongs to a path
    try:
        with suppress(FileNotFoundError):
            if journal.empty or _is_whole(journal.path):
                return []
    except RagWrightError:
        pass
    finally:
        with suppress(RagWrightError):
            journal.close()
    for suffix in ("", "-journal"):
        remove(journal.path.with_name(journal.path.name + suffix))
    return [f"the journal {journal.path} is damaged: what stood in it is read again"]
