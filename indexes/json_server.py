"""Client for a JSON server: retries while the server is busy, and describes each failure in one sentence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import httpx

from indexes.display import without_secrets
from indexes.errors import RagWrightError
from indexes.http import BUSY, HttpAnswer, ask


class JsonServer:
    """A JSON server: retries while the server is busy, and describes each failure in one sentence.

    >>> transport = httpx.MockTransport(lambda request: httpx.Response(401, json={"error": "no key"}))
    >>> server = JsonServer(
    ...     httpx.Client(base_url="http://demo", transport=transport),
    ...     "the server at http://demo",
    ...     section="encoder",
    ...     error=RagWrightError,
    ...     start="start it",
    ...     key_env="RAG_API_KEY",
    ... )
    >>> server.get("/models")
    Traceback (most recent call last):
        ...
    indexes.errors.RagWrightError: the server at http://demo answered 401 (no key); put the server's key into the
    environment variable RAG_API_KEY

    Args:
        client: HTTP client for the requests; thread-safe.
        label: name in errors, such as "Ollama at http://127.0.0.1:11434".
        section: settings section that configures the server, for remedies ("encoder").
        error: class of its errors.
        start: remedy if it cannot be reached.
        key_env: environment variable with its key.
        remedies: status -> remedy, to replace the usual one.
        explain: called with (status, the server's message); may return or raise an error.
        tries: number of requests while it is busy.
        patience: seconds; a longer pause requested by the server is an error.
        persistent: also retry after other server failures (5xx) and failed connections, for long runs.
        parallel: maximum number of concurrent requests; None: unlimited.
        pause: waits between two tries (tests pass their own).
    """

    def __init__(
        self,
        client: httpx.Client,
        label: str,
        *,
        section: str,
        error: type[RagWrightError],
        start: str,
        key_env: str,
        remedies: Mapping[int, str] | None = None,
        explain: Callable[[int, str], Exception | None] = lambda status, reason: None,
        tries: int = 5,
        patience: float = 30.0,
        persistent: bool = False,
        parallel: int | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.client, self.label, self.pause = client, label, pause
        self._section, self._error, self._start, self._explain = section, error, start, explain
        self._tries, self._patience, self._persistent = tries, patience, persistent
        self._places = nullcontext() if parallel is None else threading.BoundedSemaphore(parallel)
        self._answered = False  # a server that never answered gets only one retry
        key = f"put the server's key into the environment variable {key_env}"
        self._remedies = {
            401: key,
            403: key,
            404: f"check {section}.base_url (with its /v1 or /v2, if the server has one) and {section}.model",
            **dict.fromkeys(BUSY, "try again later, or let fewer clients use it"),
            **(remedies or {}),
        }

    def get(self, path: str) -> Any:
        """Send a GET request and return the JSON answer; raises as ``post``."""
        return self._answer("GET", path, None)

    def post(self, path: str, payload: Mapping[str, Any]) -> Any:
        """Send a POST request and return the JSON answer.

        Raises:
            RagWrightError: (of class ``error``) no answer, a refusal, or an answer that is not JSON.
        """
        return self._answer("POST", path, payload)

    def close(self) -> None:
        self.client.close()

    def _answer(self, method: str, path: str, payload: Mapping[str, Any] | None) -> Any:
        for again in range(self._tries):
            with self._places:
                answer = ask(self.client, method, path, body=payload)
            self._answered = self._answered or bool(answer.status)
            wait = answer.retry_after if answer.retry_after is not None else 0.5 * 2**again
            if not self._is_passing(answer, again) or again == self._tries - 1 or wait > self._patience:
                break
            self.pause(wait)
        if not answer.status:
            raise self._unanswered(answer)
        if answer.status == 200:
            body = answer.json()
            if body is None:
                what = "null, and no answer" if answer.text.strip() == "null" else f"no JSON: {answer.text[:80]!r}"
                raise self._error(f"{self.label} sent {what}", remedy=self._start)
            return body
        raise self._explain(answer.status, answer.reason) or self._refused(answer, again)

    def _is_passing(self, answer: HttpAnswer, again: int) -> bool:
        """Return whether a retry may succeed."""
        if answer.status in BUSY:
            return True
        if not self._persistent:
            return False
        broken = not answer.status and answer.problem in ("refused", "other")
        if answer.status >= 500 and self._explain(answer.status, answer.reason) is not None:
            return False  # the meaning of this answer is known
        return answer.status >= 500 or (broken and (self._answered or again == 0))

    def _unanswered(self, answer: HttpAnswer) -> RagWrightError:
        if answer.problem == "timeout":
            seconds = answer.detail.rpartition("within ")[2] or f"{self.client.timeout.read:g} s"
            return self._error(
                f"{self.label} did not answer within {seconds}",
                remedy=self._remedies.get(408, f"raise {self._section}.timeout"),
            )
        return self._error(f"{self.label} cannot be reached: {answer.detail}", remedy=self._start)

    def _refused(self, answer: HttpAnswer, again: int) -> RagWrightError:
        other = "see the server's log" if answer.status >= 500 else f"check {self._section}.model and .base_url"
        remedy = self._remedies.get(answer.status, other)
        if answer.location:
            there = urlsplit(answer.location).hostname or urlsplit(str(self.client.base_url)).hostname
            return self._error(
                f"{self.label} answered {answer.status} and sends us on to {without_secrets(answer.location)}, "
                "which is not followed: texts would go there",
                remedy=f"if {there} is the right host, set {self._section}.base_url to its address",
            )
        if answer.status in BUSY and again:
            said = f"is still busy after {again} retries ({answer.status}: {answer.reason})"
        else:
            said = f"answered {answer.status} ({answer.reason})"
        if answer.retry_after is not None and answer.retry_after > self._patience:
            said += f", and asks for a pause of {answer.retry_after:.0f} s"
        return self._error(f"{self.label} {said}", remedy=remedy)
