"""Reading time against another checkout of this repository: both read each file in turn, in separate processes.

A file's time is the best of the rounds, in CPU seconds; the first round, which imports the format's modules, is not
counted. A format's ratio is that of the sums. PDF and Excel files have one row each, since only some have ruled tables
or merged cells, which take time.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path

from eval.bench.reading.formats import readable
from eval.bench.timing import report
from eval.bench.users.trees import LineWorker, trees

ROUNDS = 5
_SINGLY = (".pdf", ".xlsx")
_SCRIPT = Path(__file__).with_name("read_files.py")


def main(folder: Path, tree: Path, *, as_json: bool) -> int:
    """Print for each suffix the CPU seconds of reading in ``tree`` and here, and their ratio."""
    raced = trees(str(tree))
    seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    with Reader(raced["before"]) as before, Reader(raced["now"]) as now:
        for path in readable(folder):
            kind = path.suffix.lower()
            name = f"{kind} {path.name}" if kind in _SINGLY else kind
            spent = best(path, before, now)
            counts[name][spent is None] += 1
            if spent is not None:
                seconds[name] = [total + one for total, one in zip(seconds[name], spent, strict=True)]
    rows = [
        {
            "format": name,
            "files": read,
            "not_compared": missed,
            "before_s": round(seconds[name][0], 4),
            "now_s": round(seconds[name][1], 4),
            "ratio": round(seconds[name][1] / seconds[name][0], 2) if seconds[name][0] else None,
        }
        for name, (read, missed) in counts.items()
    ]
    report(f"ingest files by format, against {tree.name}", rows, as_json=as_json, facts={})
    return 0


def best(path: Path, before: Reader, now: Reader) -> list[float] | None:
    """Return the best CPU seconds of (before, now); None if one of them cannot read the file."""
    turns: list[list[float]] = [[], []]
    for turn in range(ROUNDS + 1):
        for index in (0, 1) if turn % 2 else (1, 0):
            spent = (before, now)[index].seconds(path)
            if spent is None:
                return None
            if turn:
                turns[index].append(spent)
    return [min(taken) for taken in turns]


class Reader(LineWorker):
    """A process that reads files with the readers of one tree."""

    def __init__(self, tree: Path) -> None:
        super().__init__(tree, ["-P", str(_SCRIPT)], stderr=subprocess.DEVNULL)

    def seconds(self, path: Path) -> float | None:
        answer = self.ask(str(path.resolve()))
        return None if not answer or answer.startswith("-") else float(answer)
