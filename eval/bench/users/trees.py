"""Processes of this checkout and another one, for races of "before" against "now"."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from indexes.errors import SourceError

HERE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process used: CPU and wall seconds, peak memory in MB, and its output."""

    cpu: float
    wall: float
    memory_mb: float
    printed: str


def trees(against: str) -> dict[str, Path]:
    """Return the checkouts to race: "now" and, if given, "before".

    Raises:
        SourceError: there is no such checkout.
    """
    found = {"now": HERE}
    if against:
        tree = Path(against).resolve()
        if not (tree / "indexes").is_dir():
            raise SourceError(f"there is no package 'indexes' in '{tree}'", remedy="name a checkout of this repository")
        found["before"] = tree
    return found


def environment(tree: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which a process imports the packages of ``tree`` before any others."""
    paths = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(more or {})}


class LineWorker:
    """A process with the packages of one tree, which answers each line on its stdin with one line.

    Args:
        arguments: those of Python.
        stderr: as for ``subprocess.Popen``.
    """

    def __init__(self, tree: Path, arguments: Sequence[str], *, stderr: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tree,
            env=environment(tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def run(tree: Path, arguments: Sequence[str], more: Mapping[str, str] | None = None) -> Spent:
    """Run ``python ARGUMENTS`` with the packages of a checkout.

    Raises:
        SystemExit: the command failed; the message is the end of its output.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tree,
            env=environment(tree, more),
            stdout=subprocess.PIPE,
            stderr=said,
            encoding="utf-8",
        )
        assert process.stdout is not None  # noqa: S101
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(arguments[:4])} ended with {process.returncode}: {said.read()[-600:]}")
    spent = usage.ru_utime + usage.ru_stime
    return Spent(spent, time.perf_counter() - start, usage.ru_maxrss / 1024, printed)
