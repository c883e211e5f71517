"""Tiny rerankers with real tokenizers and random weights, and a rerank server that records what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import tiny_llama, tiny_xlmr_reranker

SENTENCES = [
    "The lighthouse keeper climbs the stairs every evening at six.",
    "Salt water had eaten the paint from the old iron railing.",
    "A bakery on the corner sells warm bread before sunrise.",
    "The ferry to the island leaves twice a day in winter.",
    "Batteries lose a third of their charge below freezing.",
    "灯塔的看守人每天傍晚六点登上楼梯。",
    "街角的面包店在日出之前就卖热面包。",
    "冬天，去岛上的渡轮每天只有两班。",
    "气温低于零度时，电池会损失三分之一的电量。",
    "海水腐蚀了旧铁栏杆上的油漆。",
]
QUESTIONS = ["When does the ferry leave?", "渡轮一天有几班？", "电池 in winter?"]
PASSAGES = [" ".join(SENTENCES[i : i + 1 + i % 4]) for i in range(len(SENTENCES))] * 2


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def xlmr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_xlmr_reranker(tmp_path_factory.mktemp("reranker"), [*SENTENCES, *QUESTIONS])


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llm_reranker"), [*SENTENCES, "Yes No"])


class FakeRerankServer:
    """The wire of a vLLM / Jina / Cohere reranker: scores by length of the document; records every request.

    Set ``status``, ``failures`` (answers with ``status`` that many times, then works), ``delay``, ``mangle``
    (changes the answer) to make it misbehave.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.status = 200
        self.failures = 0
        self.error: Any = {"error": {"message": "something is wrong", "code": 400}}
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.mangle: Any = None
        self.with_document = True
        self.logits = False
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.requests.append({"path": self.path, "headers": dict(self.headers.items()), "body": body})
                if server.delay:
                    server.released.wait(server.delay)
                if server.failures or server.status != 200:
                    status = server.status if server.status != 200 else 503
                    server.failures = max(0, server.failures - 1)
                    if not server.failures and server.recovers:
                        server.status = 200
                    self.answer(status, server.error, server.headers)
                    return
                documents = body["documents"]
                scores = [len(d) - 40.0 if server.logits else len(d) / 1000 for d in documents]
                order = sorted(range(len(documents)), key=lambda i: -scores[i])
                results = [{"index": i, "relevance_score": scores[i]} for i in order]
                if server.with_document:
                    results = [{**r, "document": {"text": documents[r["index"]]}} for r in results]
                answer: Any = {"id": "rerank-1", "results": results, "usage": {"total_tokens": 7}}
                self.answer(200, server.mangle(answer) if server.mangle else answer, {})

            def answer(self, status: int, content: Any, headers: dict[str, str]) -> None:
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self.recovers = False
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def rerank_server() -> Iterator[FakeRerankServer]:
    server = FakeRerankServer()
    yield server
    server.close()
