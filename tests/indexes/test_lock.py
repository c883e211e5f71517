"""Holding a lock between processes: who has it, for how long, and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexes import lock as locks
from indexes.errors import CollectionLockedError, SettingsError
from indexes.lock import Lock, holder_of

HOLDER = """
import sys
from pathlib import Path
from indexes.lock import Lock

lock = Lock(Path(sys.argv[1]), "it")
lock.brief = sys.argv[2] == "briefly"
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, how: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_another_process_has_it_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = Lock(path, "the box", remedy="ask again", error=SettingsError)
    assert holder_of(path) is None
    with holder(path) as process:
        with pytest.raises(SettingsError, match=f"the box is held open by process {process.pid}; ask again"):
            lock.take()
        assert holder_of(path) == str(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder_of(path) is None
        with lock:
            assert lock.held
            assert path.read_text(encoding="ascii") == str(os.getpid())
    assert not lock.held
    assert path.exists(), "removing it could part two waiting processes"


def test_waiting_for_as_long_as_it_takes(tmp_path: Path) -> None:
    heard: list[str] = []
    with holder(tmp_path / "lock") as process:

        def hear(sentence: str) -> None:
            heard.append(sentence)
            threading.Timer(0.1, process.kill).start()

        with Lock(tmp_path / "lock", "the box").take(hear):
            assert heard == [f"waiting for process {process.pid}, which builds or uses the box"]


def test_who_holds_it_briefly_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with holder(tmp_path / "lock", "briefly") as process:
        threading.Timer(0.1, process.kill).start()
        with Lock(tmp_path / "lock", "the box"):
            pass
    monkeypatch.setattr(locks, "BRIEF_WAIT", 0.1)
    with holder(tmp_path / "lock", "briefly"), pytest.raises(CollectionLockedError, match="the box is held open"):
        Lock(tmp_path / "lock", "the box").take()


def test_who_lets_go_is_not_taken_for_a_nameless_holder(tmp_path: Path) -> None:
    """A release empties the file and then unlocks it: on a busy machine the next one looks in between."""
    path = tmp_path / "lock"
    with holder(path, "briefly") as process:
        waiting = Lock(path, "it")
        found: list[bool] = []
        thread = threading.Thread(target=lambda: found.append(waiting.take().held))
        thread.start()
        thread.join(1.2)
        os.truncate(path, 0)
        thread.join(0.3)
        assert thread.is_alive() and process.stdin is not None
        process.stdin.close()
        thread.join(10)
        assert found == [True]
    waiting.release()


def test_who_wants_it_briefly_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_WAIT", 0.1)
    lock = Lock(tmp_path / "lock", "the box")
    lock.brief = True
    started = time.monotonic()
    with holder(tmp_path / "lock"), pytest.raises(CollectionLockedError):
        started = time.monotonic()
        lock.take()
    assert time.monotonic() - started >= 0.1


def test_this_process_has_it_already(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock", "the box") as first:
        assert first.take() is first, "held already"
        second = Lock(tmp_path / "lock", "the box", close_first="close the lid")
        assert not second.try_take()
        with pytest.raises(
            CollectionLockedError, match=rf"already open in this process \({os.getpid()}\); close the lid"
        ):
            second.take(lambda _: None)  # waiting would never end
    assert second.try_take()
    second.release()
    second.release()


def test_a_child_that_it_was_lent_to_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lends = (
        "import os, subprocess, sys; from pathlib import Path; from indexes.lock import Lock\n"
        "lock = Lock(Path(sys.argv[1]), 'the box').take()\n"
        "child = subprocess.Popen(['cat'], stdout=subprocess.DEVNULL, pass_fds=lock.descriptors)\n"
        "lock.say(child.pid, brief=False); print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", lends, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lender:
        assert lender.stdout is not None and lender.stdin is not None
        child = int(lender.stdout.readline())
        assert lender.wait() == -9
        with pytest.raises(CollectionLockedError, match=f"process {child}"):
            Lock(path, "the box").take()
        lender.stdin.close()  # cat ends
        Lock(path, "the box").take(lambda _: None).release()
    assert holder_of(path) is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_keep_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", "the box").take()
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(0)
    try:
        lock.release()
        deadline = time.monotonic() + 5
        while holder_of(tmp_path / "lock") is not None:  # until the child has run its first lines
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
