"""Common part of embedding servers: prompts, batches, the search for an overlong text in a batch, and clear errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded
from indexes.encoders.batching import batch_done
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.vectors import estimated_tokens, unit_rows, with_prompt
from indexes.errors import EncoderError, TextError
from indexes.http import http_client
from indexes.json_server import JsonServer
from indexes.parallel import in_order, parallel_of
from indexes.settings.sections import EncoderSettings

BATCH = 64
USUAL_PARALLEL = 16  # concurrent requests to a server with OpenAI's API
_NOT_A_NUMBER = re.compile(r"\bnan\b|unsupported value", re.IGNORECASE)  # Ollama's message for an unusual text


class InputTooLong(Exception):
    """Signal that the server rejected a batch for a text longer than the model reads; never shown to users."""


class RemoteModel:
    """A ``DenseModel`` over HTTP. Nothing is sent before the first use.

    Raises:
        EncoderError: (on use) no server, wrong key, unknown model, timeout, or an unusable answer.
    """

    pooling = "server"
    weights = ""

    def __init__(
        self, settings: EncoderSettings, environ: Mapping[str, str], url: str, label: str, *, start: str
    ) -> None:
        self.model = settings.model
        self.max_tokens = settings.max_tokens or 0
        self._width: int | None = None  # of the vectors received so far
        self.dimensions = settings.dimensions
        self.parallel = parallel_of(settings.parallel, settings.provider, USUAL_PARALLEL, environ)
        self.prompts = choose_prompts([self.model], query=settings.query_prompt, document=settings.document_prompt)
        self.server = JsonServer(
            http_client(url, settings.timeout, environ.get(settings.api_key_env)),
            label,
            section="encoder",
            error=EncoderError,
            start=start,
            key_env=settings.api_key_env,
            remedies={408: "wait until it has loaded the model, or raise encoder.timeout"},
            explain=self._explain,
            persistent=True,
            parallel=self.parallel,
        )

    @cached_property
    def dim(self) -> int:
        return self.dimensions or int(self.embed(["dimension"], query=False).dense.shape[1])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, an estimate: only the server has the tokenizer."""
        return estimated_tokens(with_prompt(self.prompts["document"], texts))

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        prompted = with_prompt(self.prompts["query" if query else "document"], texts)
        if not prompted:
            return Encoded(np.empty((0, self.dim), np.float32))
        truncated: list[int] = []

        def batch(start: int) -> list[Any]:
            found = self._batch(prompted[start : start + BATCH], start, truncated)
            batch_done(len(found))
            return found

        batches = in_order(batch, range(0, len(prompted), BATCH), self.parallel)
        rows = [row for found in batches for row in found]
        dense = _stacked(rows, len(prompted), self.server.label)
        self._check_width(dense.shape[1])
        return Encoded(unit_rows(dense, model=self.model, dimensions=self.dimensions), None, tuple(sorted(truncated)))

    def _check_width(self, width: int) -> None:
        """Reject vectors of a new width: the server's model was replaced during the run."""
        if self._width not in (None, width):
            raise EncoderError(
                f"{self.server.label} sent vectors of {width} values, but {self._width} before",
                remedy="check whether its model was replaced; if it is to stay, run again with --reindex",
            )
        self._width = width

    def _batch(self, texts: list[str], start: int, truncated: list[int]) -> list[Any]:
        """Return the vectors of one batch; a batch rejected as too long is halved until the long text is found."""
        try:
            return self._ask(texts)
        except InputTooLong as refusal:
            if len(texts) > 1:
                half = len(texts) // 2
                first = self._batch(texts[:half], start, truncated)
                return first + self._batch(texts[half:], start + half, truncated)
            rows = self._ask_truncated(texts[0], start, refusal)
            truncated.append(start)
            return rows

    def _ask(self, texts: list[str]) -> list[Any]:
        """Return the vectors of a batch, in order. Raises InputTooLong if one of its texts is too long."""
        raise NotImplementedError

    def _ask_truncated(self, text: str, number: int, refusal: InputTooLong) -> list[Any]:
        """Return the vector of a text truncated by the server; here an error, as most servers cannot do that."""
        raise TextError(
            f"text {number} of {len(text)} characters is longer than '{self.model}' reads ({refusal})",
            remedy="lower split.max_chars, or serve the model with a longer context",
        ) from refusal

    def _no_model(self, reason: str) -> EncoderError:
        """Return the error for a model that the server does not have."""
        raise NotImplementedError

    def _explain(self, status: int, reason: str) -> Exception | None:
        words = reason.lower()
        if status in (400, 413, 422) and (
            "context" in words or "too long" in words or ("maximum" in words and "token" in words)
        ):
            return InputTooLong(reason)
        if status in (400, 413, 422) or (status == 500 and _NOT_A_NUMBER.search(reason)):
            return TextError(
                f"{self.server.label} answered {status} ({reason})",
                remedy="leave that text out if others are read, else check encoder.model and .base_url",
            )
        return self._no_model(reason) if status == 404 else None


def _stacked(rows: list[Any], count: int, label: str) -> NDArray[np.float32]:
    """Return a server's rows as float32 (count, dim); raises EncoderError if their lengths differ."""
    remedy = "check that encoder.model is an embedding model"
    missing = [number for number, row in enumerate(rows) if row is None]
    if missing:
        raise TextError(f"{label} sent null in place of the vector of text {missing[0]}", remedy=remedy)
    try:
        dense = np.asarray(rows, dtype=np.float32)
    except (ValueError, TypeError) as exc:
        raise EncoderError(f"{label} sent vectors of different lengths", remedy=remedy) from exc
    if dense.shape[0] != count or dense.ndim != 2 or not dense.shape[1]:
        raise EncoderError(f"{label} sent vectors of shape {dense.shape}", remedy=remedy)
    return dense
