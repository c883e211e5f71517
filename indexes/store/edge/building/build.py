"""The graph of a collection, built while the collection is searched and written.

1. The files are copied. Searches go on; who writes waits for the copy.
2. A process of its own optimises the copy and measures its graph.
3. What was written meanwhile is read from the collection and written into the copy, until little is left; then writes
   wait while the rest follows.
4. The copy takes the collection's place: two renames. Searches wait while it is opened.

A kill before the renames leaves the collection as it was, between them or after them the new one
(``rewrite.settle``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from indexes.files import copy_folder, remove, sync_files
from indexes.store.checks import check_disk, disk_bytes
from indexes.store.edge.aside.aside import Aside
from indexes.store.edge.aside.changes import Changes, replay
from indexes.store.edge.faults import engine_errors
from indexes.store.edge.folder import FRESH_SEGMENT_BYTES, EdgeFolder
from indexes.store.edge.packing import UNFINISHED, output_of
from indexes.store.models.graph import Built, Graph, Wanted

COPIES = 3  # times the size of the files that must be free: the copy, what is made of it, and the graph
FEW = 1000  # changes that are replayed while writes wait
ROUNDS = 20
CODE = "import sys; sys.path[:] = {path!r}; from indexes.store.edge.building.child import main; main(sys.argv[1])"


def build(folder: EdgeFolder, wanted: Wanted | None, *, min_free_mb: int, timeout: float) -> Built:
    """Optimise a collection, with a graph if one is wanted, while it is used.

    Raises:
        DiskSpaceError: there is no room for the copy.
        StoreError: it failed, took longer than ``timeout`` seconds, is being built already, or was stopped by closing,
            deleting or rewriting the collection. The collection is as it was.
    """
    with folder.building() as aside:
        with folder.writing:
            size = disk_bytes(folder.shard_path)
            check_disk(folder.folder, min_free_mb=min_free_mb, needed_bytes=COPIES * size + FRESH_SEGMENT_BYTES)
            folder.flush()
            copy_folder(folder.shard_path, aside.place)
            remove(aside.place / UNFINISHED)
            changes = aside.changes = Changes()
        done = _in_child(folder, aside, wanted, timeout)
        sync_files(aside.place)
        graph = {"graph": wanted.as_dict() if wanted is not None else False}
        rounds = 0
        while len(changes) > FEW and rounds < ROUNDS:
            aside.go_on()
            _follow(folder, aside.place, changes)
            rounds += 1
        with folder.writing:
            if len(changes):
                _follow(folder, aside.place, changes)
                sync_files(aside.place)
            folder.replace_by(aside)
            with folder.describing:
                folder.write_description({**folder.read_description(anew=True), **graph})  # packing keeps to it
    found = done["graph"]
    return Built(bool(done["changed"]), None if found is None else Graph.of_record({"graph": found}))


def _in_child(folder: EdgeFolder, aside: Aside, wanted: Wanted | None, timeout: float) -> dict[str, Any]:
    request = {
        "shard": str(aside.place),
        "description": folder.read_description(),
        "graph": None if wanted is None else wanted.as_dict(),
        "parent": os.getpid(),
    }
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", CODE.format(path=sys.path), json.dumps(request)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who stop it
    )
    aside.watch(child)
    remedy = "the collection is as it was; look whether disk and memory are free, and try again"
    try:
        out = output_of(child, folder.folder, timeout, remedy=remedy)
    finally:
        aside.go_on()  # one that was stopped says so, whatever became of its process
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def _follow(folder: EdgeFolder, place: Path, changes: Changes) -> None:
    """Write into the copy what was written into the collection."""
    import qdrant_edge as qe

    def read(ids: list[Any]) -> list[Any]:
        with folder.opened() as shard:
            return list(shard.retrieve(ids, True, True))

    with engine_errors(folder.folder):
        new = qe.EdgeShard.load(str(place))
        try:
            replay(read, new, *changes.take())
            new.flush()
        finally:
            new.close()
