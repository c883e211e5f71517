"""Embedding models on any OpenAI-compatible server (POST /v1/embeddings): vLLM, TEI, Infinity, OpenAI itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from indexes.display import counted
from indexes.encoders.remote.remote import RemoteModel
from indexes.errors import EncoderError, SettingsError
from indexes.settings.sections import EncoderSettings


class OpenAIModel(RemoteModel):
    """A model on a server with OpenAI's API.

    Vectors are requested as base64 (a third of the bytes of decimal text); lists of numbers are accepted too.

    >>> settings = EncoderSettings(provider="openai", model="intfloat/e5-base-v2", base_url="http://127.0.0.1:8000")
    >>> model = OpenAIModel(settings, {})
    >>> model.server.label, model.prompts["query"]
    ('the embedding server at http://127.0.0.1:8000/v1', 'query: ')
    >>> OpenAIModel(EncoderSettings(provider="openai", model="bge-m3"), {})
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: encoder.provider = 'openai' needs encoder.base_url; set it to the server's
    address, such as http://127.0.0.1:8000/v1

    Args:
        settings: ``base_url`` such as "http://127.0.0.1:8000" or ".../v1"; the key is read from the environment
            variable named by ``api_key_env`` and sent as a Bearer token. The server's prompts are unknown, so the
            prompts of known model families are prepended here.

    Raises:
        SettingsError: ``base_url`` is not set.
        EncoderError: (on use) as for ``RemoteModel``, or a text is longer than the model reads.
    """

    def __init__(self, settings: EncoderSettings, environ: Mapping[str, str]) -> None:
        if not settings.base_url:
            raise SettingsError(
                "encoder.provider = 'openai' needs encoder.base_url",
                remedy="set it to the server's address, such as http://127.0.0.1:8000/v1",
            )
        url = settings.base_url.rstrip("/")
        url = url if urlsplit(url).path else f"{url}/v1"
        start = "start it, or set encoder.base_url to where it runs"
        super().__init__(settings, environ, url, f"the embedding server at {url}", start=start)
        self._payload: dict[str, Any] = {"model": self.model, "encoding_format": "base64"}
        if self.dimensions:
            self._payload["dimensions"] = self.dimensions

    def _ask(self, texts: list[str]) -> list[NDArray[np.float32]]:
        """Return vectors ordered by their ``index``, from base64 (little-endian float32) or lists of numbers."""
        answer = self.server.post("/embeddings", {**self._payload, "input": texts})
        try:
            found = {int(item["index"]): _vector(item["embedding"]) for item in answer["data"]}
            return [found[i] for i in range(len(texts))]
        except (KeyError, TypeError, ValueError) as exc:
            raise EncoderError(
                f"{self.server.label} sent no vector for each of {counted(len(texts), 'text')} "
                f"({type(exc).__name__}: {exc})",
                remedy="check that encoder.model is an embedding model",
            ) from exc

    def _no_model(self, reason: str) -> EncoderError:
        return EncoderError(
            f"{self.server.label} does not serve '{self.model}' ({reason})",
            remedy="set encoder.model to a name that GET /v1/models lists, and check encoder.base_url",
        )


def _vector(value: str | list[float]) -> NDArray[np.float32]:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
    return np.asarray(value, dtype=np.float32)
