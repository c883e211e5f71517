"""Embedding models on an Ollama server (POST /api/embed).

``truncate`` is sent as false: Ollama's default cuts long texts without a word. A text that the server then refuses
as too long is sent again alone with truncation on, and reported in ``Encoded.truncated`` like everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.remote.remote import InputTooLong, Server, ServerRefused
from indexes.encoders.vectors import estimate_tokens, unit_rows, with_prompt
from indexes.errors import EncoderError
from indexes.http import http_client, ollama_base_url
from indexes.settings.sections import EncoderSettings

BATCH = 64


class OllamaModel:
    """A ``DenseModel``. Nothing is sent before the first use.

    Args:
        settings: ``base_url``, else OLLAMA_HOST from ``environ``, else http://127.0.0.1:11434; ``num_gpu``,
            ``keep_alive``, ``dimensions`` and ``max_tokens`` (as num_ctx) reach the server.

    Raises:
        EncoderError: (on use) no server, no such model, too slow, or an unusable answer.
    """

    pooling = "server"

    def __init__(self, settings: EncoderSettings, environ: Mapping[str, str]) -> None:
        self.model = settings.model
        self.max_tokens = settings.max_tokens or 0
        self.dimensions = settings.dimensions
        self.prompts = choose_prompts([self.model], query=settings.query_prompt, document=settings.document_prompt)
        url = ollama_base_url(settings.base_url, environ)
        self.server = Server(
            http_client(url, settings.timeout, environ.get(settings.api_key_env)),
            f"Ollama at {url}",
            start="start it with 'ollama serve', or set encoder.base_url or OLLAMA_HOST to where it runs",
        )
        options = {"num_gpu": settings.num_gpu, "num_ctx": settings.max_tokens}
        self._payload: dict[str, Any] = {
            "model": self.model,
            "keep_alive": settings.keep_alive,
            "options": {key: value for key, value in options.items() if value is not None},
        }
        if self.dimensions:
            self._payload["dimensions"] = self.dimensions

    @cached_property
    def dim(self) -> int:
        return self.dimensions or int(self.embed(["dimension"], query=False).dense.shape[1])

    @cached_property
    def weights(self) -> str:
        """The server's digest of the model, so that a model pulled anew under the same name is noticed."""
        for entry in self.server.get("/api/tags").get("models", []):
            if entry.get("name") in (self.model, f"{self.model}:latest"):
                return str(entry.get("digest", ""))
        return ""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, estimated: only the server has the tokenizer."""
        return estimate_tokens(with_prompt(self.prompts["document"], texts))

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        prompted = with_prompt(self.prompts["query" if query else "document"], texts)
        if not prompted:
            return Encoded(np.empty((0, self.dim), np.float32))
        truncated: list[int] = []
        rows = [
            row
            for start in range(0, len(prompted), BATCH)
            for row in self._batch(prompted[start : start + BATCH], start, truncated)
        ]
        dense = stacked(rows, len(prompted), self.server.label)
        return Encoded(unit_rows(dense, model=self.model, dimensions=self.dimensions), None, tuple(truncated))

    def _batch(self, texts: list[str], start: int, truncated: list[int]) -> list[Any]:
        """Vectors of one batch; a batch refused for its length is halved until the long text stands alone."""
        try:
            return self._ask(texts, truncate=False)
        except InputTooLong:
            if len(texts) > 1:
                half = len(texts) // 2
                first = self._batch(texts[:half], start, truncated)
                return first + self._batch(texts[half:], start + half, truncated)
        truncated.append(start)
        try:
            return self._ask(texts, truncate=True)
        except InputTooLong as exc:
            raise EncoderError(
                f"{self.server.label} refuses text {start} of {len(texts[0])} characters ({exc})",
                remedy="lower split.max_chars",
            ) from exc

    def _ask(self, texts: list[str], *, truncate: bool) -> list[Any]:
        try:
            answer = self.server.post("/api/embed", {**self._payload, "input": texts, "truncate": truncate})
        except ServerRefused as exc:
            if exc.status == 404:
                raise EncoderError(
                    f"{self.server.label} does not have the model '{self.model}' ({exc.reason})",
                    remedy=f"run: ollama pull {self.model}",
                ) from exc
            raise
        rows = answer.get("embeddings") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or len(rows) != len(texts):
            count = len(rows) if isinstance(rows, list) else "no"
            raise EncoderError(
                f"{self.server.label} sent {count} vectors for {len(texts)} texts",
                remedy=f"check that '{self.model}' is an embedding model, and update Ollama",
            )
        return rows


def stacked(rows: list[Any], count: int, label: str) -> NDArray[np.float32]:
    """(count, dim) float32 of a server's rows, or an EncoderError where they are not all of one length."""
    try:
        dense = np.asarray(rows, dtype=np.float32)
    except (ValueError, TypeError) as exc:
        raise EncoderError(
            f"{label} sent vectors of different lengths", remedy="check that encoder.model is an embedding model"
        ) from exc
    if dense.shape[0] != count or dense.ndim != 2 or not dense.shape[1]:
        raise EncoderError(
            f"{label} sent vectors of shape {dense.shape}", remedy="check that encoder.model is an embedding model"
        )
    return dense
