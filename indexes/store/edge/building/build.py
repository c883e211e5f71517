"""Build the graph of a collection while it is searched and written.

1. Copy the files. Searches continue; writes wait for the copy.
2. A child process optimises the copy and measures its graph.
3. Replay the changes made meanwhile into the copy until few are left; then writes wait for the rest.
4. Put the copy in the collection's place with two renames. Searches wait while it is opened.

A kill before the renames leaves the collection unchanged; between or after them the copy takes over
(``rewrite.settle``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
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

COPIES = 3  # free space needed, in sizes of the collection: the copy, its optimised form, and the graph
FEW = 1000  # changes that are replayed while writes wait
ROUNDS = 20
CODE = "import sys; sys.path[:] = {path!r}; from indexes.store.edge.building.child import main; main(sys.argv[1])"


def build(folder: EdgeFolder, wanted: Wanted | None, *, min_free_mb: int, timeout: float) -> Built:
    """Optimise a collection while it is in use, with a graph if ``wanted`` is given.

    Raises:
        DiskSpaceError: there is not enough room for the copy.
        StoreError: the build failed, took longer than ``timeout`` seconds, is already running, or was stopped because
            the collection was closed, deleted or rewritten. The collection is unchanged.
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
                description = folder.read_description(anew=True)
                meanwhile = description.get("indexes") or {}
                indexes = {**done["indexes"], **meanwhile}
                folder.write_description({**description, **graph, "indexes": indexes})  # packing keeps this graph
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
        start_new_session=True,  # Ctrl-C goes to this process, which stops the child
    )
    aside.watch(child)
    remedy = "the collection is unchanged; check free disk space and memory, and try again"
    try:
        out = output_of(child, folder.folder, timeout, remedy=remedy)
    finally:
        aside.go_on()  # if it was stopped, report that, whatever became of the process
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def _follow(folder: EdgeFolder, place: Path, changes: Changes) -> None:
    """Replay the collection's changes into the copy."""
    import qdrant_edge as qe

    def read(ids: list[Any]) -> list[Any]:
        with folder.opened() as shard:
            return list(shard.retrieve(ids, True, True))

    with engine_errors(folder.folder), closing(qe.EdgeShard.load(str(place))) as new:
        replay(read, new, *changes.take())
        new.flush()
