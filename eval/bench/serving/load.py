"""Clients that send requests until the time is over, in a separate process, so that the server only serves."""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 8  # clients of ``ask_many``
NO_ANSWER = 599  # status counted as a failure


def load(url: str, path: str, clients: int, seconds: float, limit: float = 60.0) -> dict[str, Any]:
    """Run a number of clients on one route; each question is asked once.

    Args:
        limit: seconds after which a client gives up on an answer.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_load, (url, path, clients, seconds, limit))


def _load(url: str, path: str, clients: int, seconds: float, limit: float) -> dict[str, Any]:
    import httpx

    from indexes.http import http_client

    took: list[float] = []
    refused: list[float] = []
    statuses: Counter[int] = Counter()
    lock = threading.Lock()
    ready = threading.Barrier(clients)

    def client(number: int) -> None:
        with http_client(url, limit) as http:
            http.get("/healthz")
            ready.wait()
            place, until = number, time.monotonic() + seconds
            while time.monotonic() < until:
                question = f"What does part {place} of the guide say about windows, for {path} and {clients}?"
                place += clients
                body: dict[str, Any] = {"question": question, "collection": "default"}
                if path == "/retrieval":
                    body = {"knowledge_id": "default", "query": question, "retrieval_setting": {"top_k": 3}}
                started = time.monotonic()
                try:
                    answer = http.post(path, json=body)
                    status = answer.status_code
                except httpx.HTTPError:
                    status = NO_ANSWER
                spent = time.monotonic() - started
                with lock:
                    statuses[status] += 1
                    if status == 200:
                        took.append(spent)
                    elif status == 429:
                        refused.append(spent)
                if status == 429:
                    time.sleep(min(float(answer.headers["retry-after"]), max(0.0, until - time.monotonic())))

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as several:
        list(several.map(client, range(clients)))
    took.sort()
    return {
        "route": path.rsplit("/", 1)[-1],
        "clients": clients,
        "answered": len(took),
        "per_second": round(len(took) / (time.monotonic() - began), 2),
        "p50_ms": round(statistics.median(took) * 1000) if took else 0,
        "p95_ms": round(took[int(len(took) * 0.95)] * 1000) if took else 0,
        "refused": statuses[429],
        "refused_within_ms": round(max(refused) * 1000) if refused else 0,
        "late": statuses[504],
        "failed": sum(count for status, count in statuses.items() if status >= 500 and status != 504),
    }


def ask_many(url: str, first: int, last: int) -> None:
    """Search with a few concurrent clients, in a separate process; each question is new."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(_ask_many, (url, first, last))


def _ask_many(url: str, first: int, last: int) -> None:
    from indexes.http import http_client

    def client(start: int) -> None:
        with http_client(url, 60) as http:
            for number in range(start, last, AT_ONCE):
                body = {"question": f"What does part {number} say about rule {number * 3}?", "collection": "default"}
                http.post("/api/v1/search", json=body)

    with ThreadPoolExecutor(AT_ONCE) as several:
        list(several.map(client, range(first, first + AT_ONCE)))
