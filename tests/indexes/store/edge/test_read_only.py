"""A store that can only be read is searched all the same, and says so to who wants to write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
import os, sys
from pathlib import Path
from llama_index.core import Document
from indexes import build_index, open_index
from indexes.errors import RagWrightError, ReadOnlyError
from indexes.settings.sections import IndexSettings, StoreSettings
from tests.indexes.store.store_fixtures import FakeEncoder

folder = Path(sys.argv[1])

def ask(store):
    settings = IndexSettings(store=StoreSettings(path=store, min_free_mb=1))
    with open_index(settings=settings, encoder=FakeEncoder()) as index:
        nodes = index.retriever(top_k=1).retrieve("the hen lays an egg")
        return index.count, nodes[0].get_content(), [info.doc_id for info in index.documents()]

def write(store):
    settings = IndexSettings(store=StoreSettings(path=store, min_free_mb=1))
    with open_index(settings=settings, encoder=FakeEncoder()) as index:
        for attempt in (lambda: index.delete("hen"), lambda: index.verify(repair=True),
                        lambda: index.store.delete_document("hen")):
            try:
                attempt()
            except ReadOnlyError as error:
                print(error)

for name in ("warm", "store"):
    settings = IndexSettings(store=StoreSettings(path=folder / name, min_free_mb=1))
    build_index([Document(text="The hen lays an egg. The owl sleeps.", id_="hen")], settings=settings,
                encoder=FakeEncoder()).close()
print(ask(folder / "warm"))  # all modules are loaded now: another user may not read the interpreter's folder
for path in [folder / "store", *(folder / "store").rglob("*")]:
    path.chmod(0o555 if path.is_dir() else 0o444)
if os.getuid() == 0:
    os.setuid(65534)
before = sorted((str(path), path.stat().st_mtime_ns) for path in (folder / "store").rglob("*"))
print(ask(folder / "store"))
write(folder / "store")
assert before == sorted((str(path), path.stat().st_mtime_ns) for path in (folder / "store").rglob("*"))
print("unchanged")
"""


def test_a_read_only_store_is_searched_and_not_written() -> None:
    folder = Path(tempfile.mkdtemp(prefix="ragwright-read-only-"))
    try:
        folder.chmod(0o755)  # pytest's own folders are closed to others
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "RAG_DEBUG": "1"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder)], check=False, capture_output=True, text=True, env=environ
        )
        assert done.returncode == 0, done.stderr
        warm, store, *refusals, unchanged = done.stdout.splitlines()
        assert warm == store == "(2, 'The hen lays an egg.', ['hen'])"
        assert unchanged == "unchanged" and len(refusals) == 3
        assert all("can only be read" in line or "is read-only" in line for line in refusals), refusals
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
