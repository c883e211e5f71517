"""Embedding servers that misbehave: right vectors or one sentence, within a time, and nothing sent elsewhere."""

from __future__ import annotations

import json
import random
import socket
import time
from pathlib import Path

import numpy as np

from indexes.encoders.remote.ollama import OllamaModel
from indexes.encoders.remote.openai_api import OpenAIModel
from indexes.errors import RagWrightError
from indexes.settings.sections import EncoderSettings
from tests.indexes.test_http_limits import raw_server
from tests.torture.children import main

TEXTS = ["one", "two"]
VECTORS = [[3.0, 4.0], [0.0, 2.0]]
GOOD = {
    "ollama": {"embeddings": VECTORS},
    "openai": {"data": [{"index": number, "embedding": row} for number, row in enumerate(VECTORS)]},
}
ODD = [None, [], {}, "x", 7, True, float("nan"), {"error": "no"}, {"embeddings": None}, {"data": [None]}]
PAUSES = ("0", "7", "99999999999", "soon", "-3", "Wed, 21 Oct 2015 07:28:00 GMT")


def answer(draw: random.Random, kind: str, elsewhere: str) -> list[bytes]:
    """What the server sends, in pieces; b"" stands for a pause."""
    body = json.dumps(GOOD[kind] if draw.random() < 0.5 else draw.choice(ODD)).encode()
    status = draw.choice((200, 200, 200, 204, 301, 307, 400, 401, 404, 418, 429, 500, 503))
    if draw.random() < 0.3 and body:
        at = draw.randrange(len(body))
        body = draw.choice((body[:at], body[:at] + draw.randbytes(5) + body[at:], b"[" * 5000, body * 3))
    head = f"HTTP/1.1 {status} Odd\r\nContent-Type: application/json\r\n"
    if status in (301, 307):
        head += f"Location: {elsewhere}/there\r\n"
    if draw.random() < 0.2:
        head += f"Retry-After: {draw.choice(PAUSES)}\r\n"
    if draw.random() < 0.7:
        wrong = draw.choice((0, 0, 0, 5, -2)) if body else 0
        head += f"Content-Length: {max(len(body) + wrong, 0)}\r\n"
    data = head.encode() + b"\r\n" + body
    if draw.random() < 0.1:
        data = draw.randbytes(draw.randrange(200))
    size = draw.choice((1 << 20, 1 << 20, 64, 1))
    pieces = [data[start : start + size] for start in range(0, min(len(data), 400 * size), size)]
    return [*pieces, b""] if draw.random() < 0.1 else pieces


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    asked = right = 0
    reached: list[int] = []
    with raw_server(lambda one: reached.append(1)) as elsewhere:
        # Some good answers at least, however slow the machine.
        while (time.monotonic() < ends - 5 or right < 3) and asked < 600:
            kind = draw.choice(("ollama", "openai"))

            def speak(one: socket.socket, kind: str = kind) -> None:
                for piece in answer(draw, kind, elsewhere):
                    one.sendall(piece)
                    if not piece:
                        time.sleep(0.6)

            with raw_server(speak) as url:
                given = {"provider": kind, "model": "m", "base_url": url, "timeout": 0.3}
                settings = EncoderSettings.model_validate(given)
                model = OllamaModel(settings, {}) if kind == "ollama" else OpenAIModel(settings, {})
                model.server.pause = lambda seconds: None
                started = time.monotonic()
                asked += 1
                try:
                    encoded = model.embed(TEXTS, query=False)
                    expected = np.array([[0.6, 0.8], [0.0, 1.0]], np.float32)
                    assert encoded.dense.shape[0] == 2 and np.isfinite(encoded.dense).all(), encoded
                    right += bool(np.allclose(encoded.dense, expected))
                except RagWrightError as error:
                    assert "\n" not in str(error), error
                assert time.monotonic() - started < 30, "an answer took too long"
    assert not reached, "a text was sent on to another host"
    assert right, "no good answer was understood"
    return f"{asked} odd answers, {right} of them right after all: vectors or one sentence each time"


if __name__ == "__main__":
    main(campaign)
