"""The server under load: requests per second, p50, p95 and refusals at 1, 4, 16 and 50 clients, on loopback.

``python -m eval.bench serve [--seconds N] [--large 100000] [--requests 10000] [--model NAME] [--json]``. The language
model is a fake that sleeps, so that the server itself is measured: queues, batches, refusals; with ``--model``, a
fetched model answers instead. Further rows: search without batching, and ``/retrieval`` over a large collection of
random vectors. Below the table: the seconds until the model stops after its client has disconnected (while it reads the
prompt, and while it writes), and the memory after a tenth of the requests and after all.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.bench.serving.load import ask_many, load
from eval.bench.serving.served import LATE, LONG, STOPPED, served
from eval.bench.timing import Facts, Rows, command
from eval.finetune.training.options import option

LARGE_CLIENTS = 16
QUIET = 0.2  # share of a processor below which nothing is computed


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    seconds: float = option(10.0, "seconds of load per number of clients")
    sentences: int = option(2000, "sentences in the collection")
    sleep: float = option(0.2, "seconds per answer of the fake model")
    clients: str = option("1,4,16,50", "numbers of clients, each a run")
    requests: int = option(0, "requests for the memory row, such as 10000; 0: none")
    large: int = option(0, "sentences of the large collection, such as 100000; 0: none")
    model: str = option("", "fetched language model, whose answers alone are measured")


def run(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return a row per number of clients."""
    numbers = [int(number) for number in options.clients.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        rows, facts = (_real if options.model else _fake)(options, Path(folder), numbers)
    loads = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return rows, {"machine_load": loads, **facts}


def _fake(options: Options, folder: Path, numbers: list[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    facts: dict[str, Any] = {}
    with served(_made(folder, "one"), options.sentences, options.sleep) as url:
        paths = ("/api/v1/search", "/retrieval", "/api/v1/ask")
        rows = [load(url, path, clients, options.seconds) for path in paths for clients in numbers]
        facts["stopped_writing_s"] = round(client_gone(url, LONG), 2)
        facts["stopped_reading_s"] = round(client_gone(url, LATE), 2)
        if options.requests:
            facts["memory_mb"] = memory_of(url, options.requests)
    with served(_made(folder, "single"), options.sentences, 0.0, batch=1) as url:
        rows.append(load(url, "/api/v1/search", max(numbers), options.seconds) | {"route": "search, batch 1"})
    batched = next(row for row in rows if row["route"] == "search" and row["clients"] == max(numbers))
    facts["batching_against_none"] = round(batched["per_second"] / max(0.01, rows[-1]["per_second"]), 2)
    if options.large:
        with served(_made(folder, "large"), options.large, 0.0, seeded=True) as url:
            row = load(url, "/retrieval", LARGE_CLIENTS, max(20.0, options.seconds))
            rows.append(row | {"route": f"retrieval, {options.large:,}"})
    return rows, facts


def _real(options: Options, folder: Path, numbers: list[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    with served(_made(folder, "real"), options.sentences, 0.0, model=options.model) as url:
        rows = [load(url, "/api/v1/ask", clients, options.seconds, limit=600.0) for clients in numbers]
        stopped = {
            f"stopped_after_{wait:.0f}s_s": round(client_gone(url, "much", wait, cpu=True), 2) for wait in (2, 20)
        }
    return rows, {"model": options.model, **stopped}


def _made(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def client_gone(url: str, words: str, wait: float = 1.0, *, cpu: bool = False) -> float:
    """Return the seconds from a client's disconnection during an answer until the model stops.

    Args:
        words: words in the question that tell the fake how to answer.
        wait: seconds from the sources until the client disconnects.
        cpu: whether to watch this process's CPU time, since a real model does not report when it stops.
    """
    from indexes.http import http_client

    STOPPED.clear()
    body = {"question": f"Say {words} about windows of part 17.", "collection": "default"}
    headers = {"accept": "text/event-stream"}
    with (
        http_client(url, 600) as http,
        http.stream("POST", "/api/v1/ask", json=body, headers=headers) as answer,
    ):
        next(line for line in answer.iter_lines() if line == "event: sources")
        time.sleep(wait)  # the model is working
    left = time.monotonic()
    if cpu:
        return _until_quiet(left)
    while not STOPPED and time.monotonic() - left < 30:
        time.sleep(0.01)
    return max(0.0, STOPPED[0] - left) if STOPPED else float("inf")


def _until_quiet(left: float) -> float:
    busy, used, seen = left, time.process_time(), time.monotonic()
    while time.monotonic() - busy < 3 and time.monotonic() - left < 120:
        time.sleep(0.1)
        now, spent = time.monotonic(), time.process_time()
        if (spent - used) / (now - seen) > QUIET:
            busy = now
        used, seen = spent, now
    return busy - left


def memory_of(url: str, requests: int) -> dict[int, float]:
    """Return number of requests -> resident memory of the server's process in MB, after a tenth and after all."""
    import psutil

    found, done = {}, 0
    for number in (max(1, requests // 10), requests):
        ask_many(url, done, number)
        done = number
        found[number] = round(psutil.Process().memory_info().rss / 1e6, 1)
    return found


main = command(Options, run)
