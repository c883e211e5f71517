"""Tiny checkpoints with real files, and local HTTP servers for wire formats."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from eval.bench.checkpoints import bge_m3_checkpoint, made_up_sentences

TEXTS = [
    "The lighthouse keeper wrote the weather into a green book every evening.",
    "灯塔看守人每天傍晚把天气写进一本绿色的本子。",
    "Why?",
    "为什么灯塔的灯在雾天也要亮着？",
    "Fog rolled in, and the ferry waited in the harbour until the horn had sounded three times, as it always did.",
    "The lighthouse keeper wrote the weather into a green book every evening.",
    "渡轮在港口等了三个小时。",
]


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def m3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of BGE-M3's shape: 2 layers of width 64."""
    return bge_m3_checkpoint(tmp_path_factory.mktemp("tiny-m3"), [*TEXTS * 20, *made_up_sentences(200)], positions=130)


Answer = tuple[int, Any]  # status, JSON body (or str to send as it is)


class FakeServer:
    """A real HTTP server that answers as it is told and keeps what it was sent.

    ``answer(method, path, body)`` returns (status, JSON body).
    """

    def __init__(self, answer: Callable[[str, str, Any], Answer]) -> None:
        self.requests: list[tuple[str, str, Any, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                outer.requests.append((self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()}))
                status, content = answer(self.command, self.path, body)
                data = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = reply

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fake_server() -> Iterator[Callable[..., FakeServer]]:
    servers: list[FakeServer] = []

    def start(answer: Callable[[str, str, Any], Answer]) -> FakeServer:
        servers.append(FakeServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
