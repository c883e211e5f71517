"""Errors of the server, each in the form that the clients of its door expect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from indexes.errors import (
    CollectionLockedError,
    CollectionNotFoundError,
    FilterError,
    LLMError,
    LLMModelNotFoundError,
    LLMTimeoutError,
    LLMUnreachableError,
    RagWrightError,
    SettingsError,
    SourceError,
    TextError,
)

Door = Literal["dify", "openai", "api", "mcp", "page"]
Code = Literal[
    "no_key",
    "bad_key",
    "forbidden",
    "collection_not_found",
    "not_found",
    "bad_request",
    "unsupported_value",
    "too_long",
    "too_large",
    "wrong_type",
    "wrong_host",
    "busy",
    "deadline",
    "loading",
    "draining",
    "locked",
    "llm_unreachable",
    "llm_timeout",
    "llm_model_not_found",
    "internal",
]
STATUS: dict[str, int] = {
    "no_key": 401,
    "bad_key": 401,
    "forbidden": 403,
    "collection_not_found": 404,
    "not_found": 404,
    "bad_request": 400,
    "unsupported_value": 400,
    "too_long": 400,
    "too_large": 413,
    "wrong_type": 415,
    "wrong_host": 421,
    "busy": 429,
    "deadline": 504,
    "loading": 503,
    "draining": 503,
    "locked": 409,
    "llm_unreachable": 502,
    "llm_timeout": 504,
    "llm_model_not_found": 502,
    "internal": 500,
}
# Dify's own error codes are 1001, 1002 and 2001; it shows the message of every other one.
DIFY_CODES = {"no_key": 1001, "bad_key": 1002, "forbidden": 1002, "collection_not_found": 2001, "busy": 1004}
# Dify accepts 401 as a success when an endpoint is registered, and repeats requests four times after 429 and 5xx.
DIFY_STATUS = {"no_key": 403, "bad_key": 403, "forbidden": 403}
OPENAI_TYPES = {
    "no_key": "authentication_error",
    "bad_key": "authentication_error",
    "forbidden": "authentication_error",
    "busy": "rate_limit_error",
    "internal": "api_error",
    "deadline": "api_error",
    "llm_unreachable": "api_error",
    "llm_timeout": "api_error",
    "llm_model_not_found": "api_error",
    "loading": "unavailable_error",
    "draining": "unavailable_error",
    "locked": "unavailable_error",
}
OPENAI_CODES: dict[str, str | None] = {
    "no_key": "invalid_api_key",
    "bad_key": "invalid_api_key",
    "forbidden": "invalid_api_key",
    "collection_not_found": "model_not_found",
    "not_found": "not_found",
    "bad_request": None,
    "unsupported_value": "unsupported_value",
    "too_long": "context_length_exceeded",
    "too_large": "request_too_large",
    "wrong_type": None,
    "wrong_host": None,
    "busy": "overloaded",
    "deadline": "deadline",
    "locked": "loading",
    "internal": "internal_error",
}
SOON = 2  # seconds after which a refused request may be sent again, by default
_PATH = re.compile(r"(?<![\w.])(?:/[^\s/'\"]+){2,}/?")


@dataclass(eq=False)  # compared by identity: loggers of tracebacks keep errors in sets
class Problem(Exception):
    """A refused or failed request.

    >>> problem = Problem("bad_request", "the question is empty", "ask something", param="question")
    >>> problem.status("api"), problem.body("api")
    (400, {'error': {'code': 'bad_request', 'message': 'the question is empty', 'remedy': 'ask something'}})

    Args:
        code: a fixed word; ``STATUS`` maps it to an HTTP status.
        message: one sentence for the caller, without absolute paths and keys.
        remedy: what the caller can do about it.
        retry_after: seconds, if trying again helps.
        param: the wrong field of the request.
    """

    code: Code
    message: str
    remedy: str = ""
    retry_after: int | None = None
    param: str | None = None

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message

    def status(self, door: Door) -> int:
        """Return the HTTP status at this door."""
        if door == "dify":
            return DIFY_STATUS.get(self.code, STATUS[self.code])
        if door == "openai" and self.code == "locked":
            return 503
        return STATUS[self.code]

    def body(self, door: Door) -> dict[str, Any]:
        """Return the JSON body at this door."""
        if door == "dify":
            other = 1005 if STATUS[self.code] >= 500 else 1003
            return {"error_code": DIFY_CODES.get(self.code, other), "error_msg": str(self)}
        if door == "openai":
            return {
                "error": {
                    "message": str(self),
                    "type": OPENAI_TYPES.get(self.code, "invalid_request_error"),
                    "param": self.param,
                    "code": OPENAI_CODES.get(self.code, self.code),
                }
            }
        return {"error": {"code": self.code, "message": self.message, "remedy": self.remedy}}

    def headers(self, door: Door) -> dict[str, str]:
        """Return ``Retry-After``, ``WWW-Authenticate`` and the openai client's ``x-should-retry``, as they apply."""
        found: dict[str, str] = {}
        after = self.retry_after
        if after is None and self.status(door) in (429, 503):
            after = SOON
        if after is not None:
            found["Retry-After"] = str(max(1, min(30, after)))
        if self.code in ("no_key", "bad_key") and door != "dify":
            found["WWW-Authenticate"] = "Bearer"
        if self.code == "llm_model_not_found":
            found["x-should-retry"] = "false"
        return found


def problem_of(error: BaseException) -> Problem:
    """Turn any exception into a Problem; the details of foreign ones ("internal") are only in the log.

    >>> print(problem_of(KeyError("x")))
    the server failed to answer this request; see its log
    """
    if isinstance(error, Problem):
        return error
    if not isinstance(error, RagWrightError):
        return Problem("internal", "the server failed to answer this request", "see its log")
    code: Code = "internal"
    if isinstance(error, CollectionNotFoundError):
        code = "collection_not_found"
    elif isinstance(error, CollectionLockedError):
        code = "locked"
    elif isinstance(error, LLMModelNotFoundError):
        code = "llm_model_not_found"
    elif isinstance(error, LLMTimeoutError):
        code = "llm_timeout"
    elif isinstance(error, (LLMUnreachableError, LLMError)):
        code = "llm_unreachable"
    elif isinstance(error, (SettingsError, SourceError, TextError, FilterError)):
        code = "bad_request"
    what = str(getattr(error, "what", error))
    remedy = str(getattr(error, "remedy", "") or "")
    return Problem(code, without_paths(what), without_paths(remedy))


def without_paths(text: str) -> str:
    """Cut absolute paths to their last part, to hide this machine's folders from clients.

    >>> without_paths("/home/anna/files/hours.txt cannot be read")
    'hours.txt cannot be read'
    """
    return _PATH.sub(lambda match: match[0].rstrip("/").rsplit("/", 1)[-1], text)


def door_of(path: str) -> Door:
    """Return the door of a path.

    >>> door_of("/v1/chat/completions"), door_of("/retrieval"), door_of("/search")
    ('openai', 'dify', 'page')
    """
    if path == "/retrieval":
        return "dify"
    if path.startswith("/v1/") or path in ("/v1", "/rerank", "/v2/rerank"):
        return "openai"
    if path == "/mcp" or path.startswith("/mcp/"):
        return "mcp"
    if path.startswith("/api/") or path in ("/metrics", "/healthz", "/readyz", "/openapi.json"):
        return "api"
    return "page"
