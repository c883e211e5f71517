"""Tools for races: options, contestants taking turns in one process, CPU time, a report on the circumstances.

On a shared machine, only ratios of CPU time between contestants that took turns are reliable.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from eval.finetune.training.options import KEY

PACKAGES = ("torch", "transformers", "sentence-transformers", "FlagEmbedding", "llama-index-core", "qdrant-client")


Rows = Sequence[Mapping[str, object]]
Facts = Mapping[str, object]


def command(kind: type, run: Callable[[Any], tuple[Rows, Facts]]) -> Callable[[list[str]], int]:
    """Return a race's ``main``, which prints the rows and facts that ``run`` returns.

    Args:
        kind: dataclass whose fields are the race's options; ``threads`` as a number sets the threads of torch.
    """

    def main(argv: list[str]) -> int:
        module = sys.modules[kind.__module__]
        race = kind.__module__.rpartition(".")[2]
        parser = argparse.ArgumentParser(
            f"python -m eval.bench {race}", description=(module.__doc__ or "").split("\n")[0]
        )
        for one in fields(kind):
            ms = one.metadata.get(KEY)
            flag, shown = f"--{one.name.replace('_', '-')}", ms.help if ms else None
            if isinstance(one.default, bool):
                parser.add_argument(flag, action="store_true", dest=one.name, help=shown)
            else:
                parser.add_argument(flag, type=type(one.default), default=one.default, dest=one.name, help=shown)
        parser.add_argument("--json", action="store_true", help="print JSON")
        given = vars(parser.parse_args(argv))
        as_json = given.pop("json")
        if isinstance(given.get("threads"), int):
            import torch

            torch.set_num_threads(given["threads"])
        rows, facts = run(kind(**given))
        report(race, rows, as_json=as_json, facts=facts)
        return 0

    return main


def alternate(
    contestants: Mapping[str, Callable[[], object]], rounds: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Return each contestant's CPU seconds (all threads of this process), one turn per round.

    The order rotates by one each round, so that no contestant always follows the same one. ``warm_up`` gives each an
    untimed turn first.
    """
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    if warm_up:
        for name in names:
            contestants[name]()
    for turn in range(rounds):
        shift = turn % len(names)
        gc.collect()
        for name in names[shift:] + names[:shift]:
            start = time.process_time()
            contestants[name]()
            seconds[name].append(time.process_time() - start)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """Return how many times faster ``fast`` is than ``slow``: the median of the ratios of the rounds.

    >>> ratio({"theirs": [2.0, 4.0, 3.0], "ours": [1.0, 1.0, 1.0]}, "theirs", "ours")
    3.0
    """
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def pace(seconds: Mapping[str, Sequence[float]], slow: str, name: str) -> dict[str, object]:
    """Return the cells of a contestant: median CPU seconds, and how many times faster than ``slow`` it is."""
    spent = round(statistics.median(seconds[name]), 4)
    return {"contestant": name, "cpu_s": spent, "times_faster": round(ratio(seconds, slow, name), 2)}


def circumstances() -> dict[str, object]:
    """Return date, machine, threads and versions, to print beside all figures."""
    facts: dict[str, object] = {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }
    if "torch" in sys.modules:
        facts["torch_threads"] = sys.modules["torch"].get_num_threads()
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as stream:
            return next(line.split(":", 1)[1].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def report(name: str, rows: Rows, *, as_json: bool, facts: Facts) -> None:
    """Write a race's rows, its facts and its circumstances to stdout, as one JSON object or as a small table."""
    facts = {**circumstances(), **facts}
    if as_json:
        result = {"race": name, "facts": facts, "rows": [dict(row) for row in rows]}
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        return
    lines = [f"race: {name}", "  " + ", ".join(f"{key} {value}" for key, value in facts.items())]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = [columns, *[[_cell(row.get(column)) for column in columns] for row in rows]]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    sys.stdout.write("\n".join(lines) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
