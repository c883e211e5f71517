"""Embedding models on any OpenAI-compatible server (POST /v1/embeddings): vLLM, TEI, Infinity, OpenAI itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.remote.ollama import stacked
from indexes.encoders.remote.remote import InputTooLong, Server, ServerRefused
from indexes.encoders.vectors import estimate_tokens, unit_rows, with_prompt
from indexes.errors import EncoderError, SettingsError
from indexes.http import http_client
from indexes.settings.sections import EncoderSettings

BATCH = 64


class OpenAIModel:
    """A ``DenseModel``. Vectors travel as base64 (a third of the bytes of decimal text); floats are read too.

    Args:
        settings: ``base_url`` such as "http://127.0.0.1:8000" or ".../v1"; the key is read from the environment
            variable named in ``api_key_env`` and sent as a Bearer token. Server-side prompts are unknown, so the
            prompts of known model families are put before texts here.

    Raises:
        SettingsError: no base_url.
        EncoderError: (on use) no server, wrong key, no such model, a text longer than the model reads.
    """

    pooling = "server"
    weights = ""

    def __init__(self, settings: EncoderSettings, environ: Mapping[str, str]) -> None:
        if not settings.base_url:
            raise SettingsError(
                "encoder.provider = 'openai' needs encoder.base_url",
                remedy="set it to the server's address, such as http://127.0.0.1:8000/v1",
            )
        self.model = settings.model
        self.max_tokens = settings.max_tokens or 0
        self.dimensions = settings.dimensions
        self.prompts = choose_prompts([self.model], query=settings.query_prompt, document=settings.document_prompt)
        url = settings.base_url.rstrip("/")
        url = url if urlsplit(url).path else f"{url}/v1"
        self.server = Server(
            http_client(url, settings.timeout, environ.get(settings.api_key_env)),
            f"the embedding server at {url}",
            start="start it, or set encoder.base_url to where it runs",
        )
        self._payload: dict[str, Any] = {"model": self.model, "encoding_format": "base64"}
        if self.dimensions:
            self._payload["dimensions"] = self.dimensions

    @cached_property
    def dim(self) -> int:
        return self.dimensions or int(self.embed(["dimension"], query=False).dense.shape[1])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, estimated: only the server has the tokenizer."""
        return estimate_tokens(with_prompt(self.prompts["document"], texts))

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        prompted = with_prompt(self.prompts["query" if query else "document"], texts)
        if not prompted:
            return Encoded(np.empty((0, self.dim), np.float32))
        rows = [
            row
            for start in range(0, len(prompted), BATCH)
            for row in self._batch(prompted[start : start + BATCH], start)
        ]
        dense = stacked(rows, len(prompted), self.server.label)
        return Encoded(unit_rows(dense, model=self.model, dimensions=self.dimensions))

    def _batch(self, texts: list[str], start: int) -> list[NDArray[np.float32]]:
        """Vectors of one batch in the order of its texts. A batch refused for its length is halved to find which."""
        try:
            answer = self.server.post("/embeddings", {**self._payload, "input": texts})
        except InputTooLong as exc:
            if len(texts) > 1:
                half = len(texts) // 2
                return self._batch(texts[:half], start) + self._batch(texts[half:], start + half)
            raise EncoderError(
                f"text {start} of {len(texts[0])} characters is longer than '{self.model}' reads ({exc})",
                remedy="lower split.max_chars, or serve the model with a longer context",
            ) from exc
        except ServerRefused as exc:
            if exc.status == 404:
                raise EncoderError(
                    f"{self.server.label} does not serve '{self.model}' ({exc.reason})",
                    remedy="set encoder.model to a name that GET /v1/models lists, and check encoder.base_url",
                ) from exc
            raise
        return _rows(answer, len(texts), self.server.label)


def _rows(answer: Any, count: int, label: str) -> list[NDArray[np.float32]]:
    """The vectors by their ``index``, base64 (little-endian float32) or lists of numbers."""
    try:
        found = {int(item["index"]): _vector(item["embedding"]) for item in answer["data"]}
        return [found[i] for i in range(count)]
    except (KeyError, TypeError, ValueError) as exc:
        raise EncoderError(
            f"{label} sent no vector for each of {count} texts ({type(exc).__name__}: {exc})",
            remedy="check that encoder.model is an embedding model",
        ) from exc


def _vector(value: str | list[float]) -> NDArray[np.float32]:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
    return np.asarray(value, dtype=np.float32)
