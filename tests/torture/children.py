"""Work in children that are killed, and the command line of a campaign."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

WAYS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 120.0  # seconds until a child counts as one that hangs


def child(work: Callable[[], object], log: Path) -> int:
    """Fork; the child runs ``work`` and leaves, with what it says in ``log``. Returns its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not come back into the parent's code
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(process: int, seconds: float = PATIENCE) -> int:
    """The exit status of a child, negative for a signal; one that hangs is killed, and is an error."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError(f"a child took longer than {seconds:.0f} s")


def must(work: Callable[[], object], what: str, log: Path, seconds: float = PATIENCE) -> None:
    """Run in a child what must succeed."""
    code = wait(child(work, log), seconds)
    if code:
        raise AssertionError(f"{what}: exit status {code}\n{log.read_text(errors='replace')[-4000:]}")


def kill_after(process: int, seconds: float, way: signal.Signals, patience: float = PATIENCE) -> int | None:
    """Send a signal after a time; the exit status of a child that was done before, or that the signal ended."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, way)
    wait(process, patience)
    return None


def main(campaign: Callable[[random.Random, float, Path], str]) -> None:
    """``FOLDER SEED SECONDS``: run a campaign and say what it did."""
    base, seed, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as folder:
        said = campaign(random.Random(seed), started + seconds, Path(folder))
    sys.stdout.write(f"{said} ({time.monotonic() - started:.0f} s)\n")
