"""Servers that record what they are sent and misbehave on request: the wire of Ollama and of OpenAI-compatible ones.

They stand in for what cannot be had here (a real Ollama with its 404s, a queue that is full, a server that dies in the
middle of an answer). The happy path of the OpenAI wire is tested against a real model, see test_llama_cpp.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """One request; the reply comes from the server's ``reply``."""

    fake: FakeServer

    def log_message(self, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.fake.requests.append({"path": self.path, "headers": dict(self.headers.items()), "body": body})
        self.fake.reply(self, body)

    def do_GET(self) -> None:
        self.fake.requests.append({"path": self.path, "headers": dict(self.headers.items()), "body": None})
        if self.path == "/api/tags" and self.fake.models is not None:
            self.send(200, {"models": [{"name": name} for name in self.fake.models]})
            return
        self.send(404, {"error": "not here"})

    def send(self, status: int, content: Any, kind: str = "application/json") -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def stream(self, lines: list[str], kind: str) -> None:
        """Without a length: the end of the connection is the end of the answer."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        for line in lines:
            self.wfile.write(line.encode())
            self.wfile.flush()
        self.close_connection = True


class FakeServer:
    def __init__(self, reply: Reply) -> None:
        self.requests: list[dict[str, Any]] = []
        self.reply = reply
        self.models: list[str] | None = None  # what GET /api/tags lists
        self.released = threading.Event()
        handler = type("BoundHandler", (Handler,), {"fake": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.host}"

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()

    def refuse(self, status: int, error: Any) -> None:
        self.reply = lambda handler, body: handler.send(status, error)

    def hang(self) -> None:
        def reply(handler: Handler, body: dict[str, Any]) -> None:
            self.released.wait(30)

        self.reply = reply

    def sends(self, content: Any, kind: str = "application/json") -> None:
        self.reply = lambda handler, body: handler.send(200, content, kind)


class FakeOllama(FakeServer):
    """``/api/chat`` as Ollama answers it; ``lines`` replaces the streamed answer."""

    PIECES = ("The ferry ", "leaves ", "twice a day.")

    def __init__(self) -> None:
        super().__init__(self._chat)
        self.lines: list[dict[str, Any]] | None = None

    def piece(self, text: str) -> dict[str, Any]:
        return {"model": "qwen3:8b", "message": {"role": "assistant", "content": text}, "done": False}

    def end(self, text: str = "") -> dict[str, Any]:
        return {
            **self.piece(text),
            "done": True,
            "done_reason": "stop",
            "total_duration": 3_000_000_000,
            "load_duration": 1_500_000_000,
            "prompt_eval_count": 26,
            "prompt_eval_duration": 130_000_000,
            "eval_count": 12,
            "eval_duration": 600_000_000,
        }

    def _chat(self, handler: Handler, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            handler.send(200, self.end("".join(self.PIECES)))
            return
        lines = self.lines if self.lines is not None else [*map(self.piece, self.PIECES), self.end()]
        handler.stream([json.dumps(line) + "\n" for line in lines], "application/x-ndjson")


class FakeOpenAI(FakeServer):
    """``/v1/chat/completions`` as vLLM answers it; ``lines`` replaces the streamed answer."""

    PIECES = ("The ferry ", "leaves ", "twice a day.")
    USAGE = {"prompt_tokens": 26, "completion_tokens": 12, "total_tokens": 38}

    def __init__(self) -> None:
        super().__init__(self._chat)
        self.lines: list[str] | None = None

    def chunk(self, text: str | None, finish: str | None = None) -> str:
        choice = {"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": finish}
        return self._event({"choices": [choice]})

    def _event(self, fields: dict[str, Any]) -> str:
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "served"}
        return f"data: {json.dumps({**head, **fields})}\n\n"

    def _chat(self, handler: Handler, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(self.PIECES)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "served"}
            handler.send(200, {**head, "choices": [choice], "usage": self.USAGE})
            return
        lines = self.lines
        if lines is None:
            lines = [self.chunk(text) for text in self.PIECES]
            lines += [self.chunk(None, "stop"), self._event({"choices": [], "usage": self.USAGE}), "data: [DONE]\n\n"]
        handler.stream(lines, "text/event-stream")
