"""A copy of a collection's files for processes that only search: taken while nobody writes, changed by nobody."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from indexes.files import copy_file, remove
from indexes.store.checks import check_disk

PREFIX = "shard.searched-"  # of its folder, before the pid of the process that made it
LOG = "wal"  # the engine's log: what stands there is in the segments once it is flushed
# What the engine writes once and never again: vectors and graph of a segment that its optimizer made. The other files
# of such a segment are written in place (what is deleted, payloads), so they are copied.
WRITTEN_ONCE = frozenset(
    (
        "matrix.dat",
        "graph.bin",
        "links.bin",
        "links_compressed.bin",
        "inverted_index.dat",
        "id_tracker.e2i",
        "id_tracker.i2e",
        "id_tracker.is_uuid",
        "point_to_values.bin",
        "values_to_points.bin",
    )
)
CONFIG = "edge_config.json"


def take(shard: Path, *, min_free_mb: int) -> Path:
    """Copy a shard's files and return their folder. The caller must have flushed, and must exclude writers meanwhile.

    >>> (folder / "shard" / "wal").mkdir(parents=True)
    >>> _ = (folder / "shard" / "edge_config.json").write_text("{}")
    >>> place = take(folder / "shard", min_free_mb=0)
    >>> [(path.name, path.read_text()) for path in place.iterdir()]
    [('edge_config.json', '{"wal_enabled": false}')]

    Raises:
        DiskSpaceError: there is no room.
    """
    place = shard.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
    files = [path for path in sorted(shard.rglob("*")) if path.is_file() and path.relative_to(shard).parts[0] != LOG]
    copied = [path for path in files if not _is_written_once(path)]
    check_disk(shard.parent, min_free_mb=min_free_mb, needed_bytes=sum(512 * path.stat().st_blocks for path in copied))
    try:
        for path in files:
            there = place / path.relative_to(shard)
            there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _is_written_once(path):
                with suppress(OSError):  # a file system without links
                    os.link(path, there)
                    continue
            copy_file(path, there)
        # Without a log several processes may have the same files open. The engine takes that only from the file itself.
        config = place / CONFIG
        config.write_text(json.dumps({**json.loads(config.read_bytes()), "wal_enabled": False}), encoding="utf-8")
    except BaseException:
        remove(place)
        raise
    return place


def _is_written_once(path: Path) -> bool:
    """Return True if the engine never changes this file once it is written, so that a copy may share it."""
    return path.name in WRITTEN_ONCE


def sweep(shard: Path) -> None:
    """Remove copies left by processes that have ended; the caller must hold the collection's lock.

    >>> for name in ("shard", f"{PREFIX}{os.getpid()}-ours", f"{PREFIX}0-left"):
    ...     (folder / name).mkdir()
    >>> sweep(folder / "shard")
    >>> sorted(path.name for path in folder.iterdir()) == ["shard", f"{PREFIX}{os.getpid()}-ours"]
    True
    """
    for left in shard.parent.glob(f"{PREFIX}*"):
        if not left.name.startswith(f"{PREFIX}{os.getpid()}-"):
            remove(left)
