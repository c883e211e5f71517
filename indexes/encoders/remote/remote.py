"""Posting to an embedding server: retries while it is busy, and one sentence for each way it can fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from indexes.errors import EncoderError

BUSY = (429, 502, 503)
DELAYS = (0.5, 1.0, 2.0, 4.0)


class InputTooLong(Exception):
    """The server refused a batch because a text is longer than the model reads (a signal, no user's error)."""


class Server:
    """One embedding server.

    Args:
        client: where requests go; thread-safe.
        label: how errors name it, such as "Ollama at http://127.0.0.1:11434".
        start: what to do when it does not answer.
        pause: waits between retries (tests pass their own).
    """

    def __init__(
        self, client: httpx.Client, label: str, *, start: str, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self.client, self.label, self.start, self.pause = client, label, start, pause

    def get(self, path: str) -> Any:
        return self._body(self._send("GET", path, None))

    def post(self, path: str, payload: dict[str, Any]) -> Any:
        """The JSON answer.

        Raises:
            InputTooLong: a 400 that speaks of the context length.
            EncoderError: everything else that is not a 200 with JSON in it.
        """
        for delay in (*DELAYS, None):
            response = self._send("POST", path, payload)
            if response.status_code not in BUSY or delay is None:
                return self._body(response)
            self.pause(_retry_after(response, delay))
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, payload: dict[str, Any] | None) -> httpx.Response:
        try:
            return self.client.request(method, path, json=payload)
        except httpx.ConnectError as exc:
            raise EncoderError(f"{self.label} refused the connection ({exc})", remedy=self.start) from exc
        except httpx.TimeoutException as exc:
            raise EncoderError(
                f"{self.label} did not answer within {self.client.timeout.read:g} s",
                remedy="wait until it has loaded the model, or raise encoder.timeout",
            ) from exc
        except httpx.HTTPError as exc:
            raise EncoderError(f"{self.label} broke off the request ({exc})", remedy=self.start) from exc

    def _body(self, response: httpx.Response) -> Any:
        status, reason = response.status_code, error_text(response)
        if status == 200:
            try:
                return response.json()
            except ValueError as exc:
                raise EncoderError(f"{self.label} sent no JSON: {response.text[:80]!r}", remedy=self.start) from exc
        if status in (400, 413, 422) and _speaks_of_length(reason):
            raise InputTooLong(reason)
        if status in (401, 403):
            raise EncoderError(
                f"{self.label} wants a key ({status}: {reason})",
                remedy="put it into the environment variable that encoder.api_key_env names",
            )
        if status in BUSY:
            raise EncoderError(
                f"{self.label} is still busy after {len(DELAYS)} retries ({status}: {reason})",
                remedy="try again later, or let fewer clients use it",
            )
        raise ServerRefused(self.label, status, reason)


class ServerRefused(EncoderError):
    """An HTTP error that the provider may know more about (``status``, ``reason``)."""

    def __init__(self, label: str, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(f"{label} answered {status}: {reason}", remedy="check encoder.model and encoder.base_url")


def error_text(response: httpx.Response) -> str:
    """The sentence in {"error": "..."} (Ollama), {"error": {"message": ...}} or {"message": ...} (OpenAI's kind)."""
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:200] or response.reason_phrase
    if isinstance(body, dict):
        error = body.get("error", body.get("message", body.get("detail", body)))
        return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
    return str(body)[:200]


def _speaks_of_length(reason: str) -> bool:
    reason = reason.lower()
    return "context" in reason or "too long" in reason or ("maximum" in reason and "token" in reason)


def _retry_after(response: httpx.Response, default: float) -> float:
    """The server's Retry-After in seconds, at most 30; a date or nothing gives ``default``."""
    value = response.headers.get("retry-after", "")
    return min(float(value), 30.0) if value.isdigit() else default
