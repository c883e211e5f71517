"""Points out of memory: what was written last lies in a segment of the engine's that keeps ids, payload index and
sparse postings in RAM; its optimizer turns that into one that is read through memory maps.

Bytes of RAM a point, measured with 100,000 of them: 110 for ids and the table of payloads, 65 for the payload index on
doc_id, 15 for each term of the sparse vector, and 200 more until the next flush. After packing 10 are left, and half a
MiB a segment. The optimizer holds the GIL for seconds, so it runs in a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from indexes.errors import StoreError
from indexes.lock import Lock

PACK_POINTS = 20_000  # points that may be in memory: 3 MiB of ids, and 20 to 30 MiB of sparse postings
SEGMENTS = 32  # packed ones before small ones are merged; a search asks each, at some 0.05 ms
UNFINISHED = "temp_segments"  # of a shard: what an optimiser that was killed has left
SCRIPT = Path(__file__).with_name("optimize_main.py")
_MAPPING_BYTES = 21  # of one point in the file of ids that only a segment in memory has


def in_memory(shard: Path) -> list[Path]:
    """The folders of the segments that are kept in memory."""
    return [file.parent for file in shard.glob("segments/*/mutable_id_tracker.mappings")]


def points_in_memory(shard: Path) -> int:
    """About how many points those segments hold, from what they have flushed."""
    files = [folder / "mutable_id_tracker.mappings" for folder in in_memory(shard)]
    return sum(file.stat().st_size for file in files) // _MAPPING_BYTES


def run_optimizer(shard: Path, lock: Lock, *, timeout: float, brief: bool) -> bool:
    """Optimise a closed shard as its configuration says; True if anything changed.

    The child holds the lock too: should this process be killed, it still ends its work undisturbed.

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
        start_new_session=True,  # Ctrl-C is for the run, which ends when this has ended
    )
    lock.say(child.pid, brief=brief)
    remedy = "close other programs that hold the collection open and try again"
    return output_of(child, shard.parent, timeout, remedy=remedy).strip() == "optimized"


def output_of(child: subprocess.Popen[str], folder: Path, timeout: float, *, remedy: str) -> str:
    """Wait for a process that optimises a collection, and return what it wrote.

    Raises:
        StoreError: it failed, or took longer than ``timeout`` seconds and was killed.
    """
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise StoreError(
            f"optimising {folder} took longer than {timeout:.0f} s and was stopped",
            remedy="searching goes on without it; try again when the machine is idle",
        ) from error
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode:
        reason = err.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise StoreError(f"optimising {folder} failed: {reason[0]}", remedy=remedy)
    return out
