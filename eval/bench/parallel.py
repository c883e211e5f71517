"""Race: requests to a model server one at a time against several concurrently.

A server in this process answers any number of embeddings, rerankings and chats after ``--latency`` seconds. Wall time
is measured, not CPU time, since what is saved is waiting.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eval.bench.timing import Facts, Rows, command
from indexes.parallel import in_order

TEXTS = 64  # per request for embeddings, as RagWright sends them


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    latency: float = 0.2
    parallel: int = 16
    requests: int = 64


class SlowServer(ThreadingHTTPServer):
    """Answer in the formats of OpenAI and rerank APIs. ``most``: maximum number of concurrent requests seen.

    Args:
        refusals: number of first requests that get 429 with ``Retry-After: 1``.
    """

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, latency: float, refusals: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency, self.refusals = latency, refusals
        self.lock, self.now, self.most, self.count = threading.Lock(), 0, 0, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SlowServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.count += 1
            refused = server.refusals > 0
            server.refusals -= refused
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            if refused:
                self._send(429, {"error": {"message": "too many requests"}}, ("Retry-After", "1"))
                return
            time.sleep(server.latency)
            self._send(200, _answer(self.path, body))
        finally:
            with server.lock:
                server.now -= 1

    def _send(self, status: int, answer: Any, *headers: tuple[str, str]) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(raw))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Write nothing to stderr."""


def _answer(path: str, body: dict[str, Any]) -> Any:
    if path.endswith("/embeddings"):
        rows = [{"index": i, "embedding": [float(len(text)), 1.0]} for i, text in enumerate(body["input"])]
        return {"data": rows}
    if path.endswith("/rerank"):
        count = len(body["query"])
        return {"results": [{"index": i, "relevance_score": 1 / (count + i)} for i in range(len(body["documents"]))]}
    reply = {"role": "assistant", "content": f"Yes. {body['messages'][-1]['content']}"}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": reply, "finish_reason": "stop"}],
    }


@contextmanager
def slow_server(latency: float, refusals: int = 0) -> Iterator[SlowServer]:
    """Run the server until the block ends."""
    server = SlowServer(latency, refusals)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def clients(url: str, parallel: int) -> dict[str, Callable[[int], Any]]:
    """Return kind -> function that sends a number of requests with RagWright's client and returns the answers."""
    from indexes.encoders import build_encoder
    from rag import load_settings
    from rag.llms import build_llm, parallel_answers, patient
    from rag.rerankers import build_reranker

    here = {"base_url": url, "model": "slow", "parallel": parallel}
    tree = {"provider": "openai", **here}
    settings = load_settings(encoder=tree, sparse={"kind": "none"}, llm=tree, rerank={"provider": "api", **here})
    encoder, reranker, llm = build_encoder(settings), build_reranker(settings.rerank), build_llm(settings.llm)
    if reranker is None or llm is None:
        raise AssertionError("both are named")
    model = patient(llm)
    encoder.encode_documents(["warm"])

    def embeddings(requests: int) -> Any:
        return encoder.encode_documents([f"{'x' * (number % 97)} {number}" for number in range(TEXTS * requests)]).dense

    def rerankings(requests: int) -> Any:
        def ask(number: int) -> list[float]:
            return reranker.score("?" * (number + 1), ["a", "b"]).raw.tolist()

        return list(in_order(ask, range(requests), reranker.parallel))

    def chats(requests: int) -> Any:
        return list(in_order(lambda n: model.complete(str(n)).text, range(requests), parallel_answers(settings.llm)))

    return {"embeddings": embeddings, "rerankings": rerankings, "chats": chats}


def run(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return a row per kind of request."""
    rows = []
    with slow_server(options.latency) as server:
        several, single = clients(server.url, options.parallel), clients(server.url, 1)
        for kind, ask in several.items():
            seconds = {}
            for name, asking in (("one at a time", single[kind]), (f"{options.parallel} concurrently", ask)):
                asking(1)
                server.most, started = 0, time.perf_counter()
                asking(options.requests)
                seconds[name] = time.perf_counter() - started
            first, last = seconds.values()
            shown = {name: f"{value:.2f} s" for name, value in seconds.items()}
            rows.append({"contestant": kind, **shown, "ratio": f"{first / last:.1f}", "in the server": server.most})
    return rows, {"latency": f"{options.latency} s", "requests": options.requests}


main = command(Options, run)
