"""Embedding models on an Ollama server (POST /api/embed).

``truncate`` is sent as false, since Ollama by default truncates long texts silently. A text that the server rejects as
too long is sent again by itself with truncation, and reported in ``Encoded.truncated``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from indexes.addresses import ollama_base_url
from indexes.display import counted
from indexes.encoders.remote.remote import InputTooLong, RemoteModel
from indexes.errors import EncoderError, TextError
from indexes.settings.sections import EncoderSettings


class OllamaModel(RemoteModel):
    """A model of an Ollama server.

    >>> model = OllamaModel(EncoderSettings(provider="ollama", model="bge-m3"), {"OLLAMA_HOST": "10.0.0.5"})
    >>> model.server.label, model.count_tokens(["The pumps were inspected twice."])
    ('Ollama at http://10.0.0.5:11434', [21])

    Args:
        settings: ``base_url``, else OLLAMA_HOST from ``environ``, else http://127.0.0.1:11434; ``num_gpu``,
            ``keep_alive``, ``dimensions`` and ``max_tokens`` (as num_ctx) are sent to the server.
    """

    def __init__(self, settings: EncoderSettings, environ: Mapping[str, str]) -> None:
        url = ollama_base_url(settings.base_url, environ)
        start = "start it with 'ollama serve', or set encoder.base_url or OLLAMA_HOST to where it runs"
        super().__init__(settings, environ, url, f"Ollama at {url}", start=start)
        options = {"num_gpu": settings.num_gpu, "num_ctx": settings.max_tokens}
        self._payload: dict[str, Any] = {
            "model": self.model,
            "keep_alive": settings.keep_alive,
            "options": {key: value for key, value in options.items() if value is not None},
        }
        if self.dimensions:
            self._payload["dimensions"] = self.dimensions

    @cached_property
    def weights(self) -> str:  # type: ignore[override]
        """The server's digest of the model, by which a new model under the same name is noticed."""
        answer = self.server.get("/api/tags")
        models = answer.get("models") if isinstance(answer, dict) else None
        if not isinstance(models, list):
            raise EncoderError(
                f"{self.server.label} lists no models, but sent {str(answer)[:80]!r}",
                remedy="check that encoder.base_url is an Ollama server, and update it",
            )
        for entry in models:
            if isinstance(entry, dict) and entry.get("name") in (self.model, f"{self.model}:latest"):
                return str(entry.get("digest", ""))
        return ""

    def _ask(self, texts: list[str], *, truncate: bool = False) -> list[Any]:
        answer = self.server.post("/api/embed", {**self._payload, "input": texts, "truncate": truncate})
        rows = answer.get("embeddings") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or len(rows) != len(texts):
            sent = counted(len(rows), "vector") if isinstance(rows, list) else "no vectors"
            raise EncoderError(
                f"{self.server.label} sent {sent} for {counted(len(texts), 'text')}",
                remedy=f"check that '{self.model}' is an embedding model, and update Ollama",
            )
        return rows

    def _ask_truncated(self, text: str, number: int, refusal: InputTooLong) -> list[Any]:
        try:
            return self._ask([text], truncate=True)
        except InputTooLong as exc:
            raise TextError(
                f"{self.server.label} refuses text {number} of {len(text)} characters ({exc})",
                remedy="lower split.max_chars",
            ) from exc

    def _no_model(self, reason: str) -> EncoderError:
        return EncoderError(
            f"{self.server.label} does not have the model '{self.model}' ({reason})",
            remedy=f"run: ollama pull {self.model}",
        )
