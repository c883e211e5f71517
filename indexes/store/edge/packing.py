"""Packing: move points from memory into memory-mapped files.

The engine keeps ids, payload index and sparse postings of its newest segment in RAM; its optimizer turns that into a
memory-mapped segment. Bytes of RAM per point, measured with 100,000 points: 110 for ids and the table of payloads, 65
for the payload index on doc_id, 15 per term of the sparse vector, and 200 more until the next flush. After packing: 10
per point and half a MiB per segment. The optimizer holds the GIL for seconds, so it runs in a child process.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from indexes.errors import StoreError
from indexes.lock import Lock

PACK_POINTS = 20_000  # points allowed in memory: 3 MiB of ids, and 20 to 30 MiB of sparse postings
SEGMENTS = 32  # packed segments before small ones are merged; each costs a search about 0.05 ms
UNFINISHED = "temp_segments"  # folder in a shard that a killed optimizer leaves behind
SCRIPT = Path(__file__).with_name("optimize_main.py")
_MAPPING_BYTES = 21  # per point in the file of ids, which only a segment in memory has


def in_memory(shard: Path) -> list[Path]:
    """Return the folders of the segments that are kept in memory.

    >>> for name, file in (("one", "mutable_id_tracker.mappings"), ("two", "id_tracker.mappings")):
    ...     (folder / "segments" / name).mkdir(parents=True)
    ...     _ = (folder / "segments" / name / file).write_bytes(b"")
    >>> [segment.name for segment in in_memory(folder)]
    ['one']
    """
    return [file.parent for file in shard.glob("segments/*/mutable_id_tracker.mappings")]


def points_in_memory(shard: Path) -> int:
    """Estimate the number of points in these segments from what they have flushed.

    >>> (folder / "segments" / "one").mkdir(parents=True)
    >>> _ = (folder / "segments" / "one" / "mutable_id_tracker.mappings").write_bytes(bytes(1000 * _MAPPING_BYTES))
    >>> points_in_memory(folder)
    1000
    """
    files = [folder / "mutable_id_tracker.mappings" for folder in in_memory(shard)]
    return sum(file.stat().st_size for file in files) // _MAPPING_BYTES


def run_optimizer(shard: Path, lock: Lock, *, timeout: float, brief: bool) -> bool:
    """Optimise a closed shard according to its configuration; return whether anything changed.

    The child holds the lock too, so that it can finish undisturbed if this process is killed.

    Raises:
        StoreError: it failed, or took longer than ``timeout`` seconds.
    """
    shutil.rmtree(shard / UNFINISHED, ignore_errors=True)
    child = subprocess.Popen(
        [sys.executable, "-P", str(SCRIPT), str(shard)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        pass_fds=lock.descriptors,
        start_new_session=True,  # Ctrl-C goes to this process, which waits for the child
    )
    lock.say(child.pid, brief=brief)
    remedy = "close other programs that hold the collection open and try again"
    return output_of(child, shard.parent, timeout, remedy=remedy).strip() == "optimized"


def output_of(child: subprocess.Popen[str], folder: Path, timeout: float, *, remedy: str) -> str:
    """Wait for a child process that optimises a collection, and return its output.

    Raises:
        StoreError: it failed, or took longer than ``timeout`` seconds and was killed.
    """
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise StoreError(
            f"optimising {folder} took longer than {timeout:.0f} s and was stopped",
            remedy="search works without it; try again when the machine is idle",
        ) from error
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode:
        reason = err.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise StoreError(f"optimising {folder} failed: {reason[0]}", remedy=remedy)
    return out
