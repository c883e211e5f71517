"""Explain every failure of a language model in one sentence: what failed, the value, and what to do.

Three client libraries raise a dozen classes for the same few faults (the server is down: builtin ConnectionError from
ollama, httpx.ConnectError from its streams, openai.APIConnectionError). They are recognised by class name and status,
so that explaining a failure imports none of the libraries.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping

from indexes.addresses import is_loopback, ollama_base_url
from indexes.display import without_key
from indexes.errors import (
    LLMError,
    LLMModelNotFoundError,
    LLMTimeoutError,
    LLMUnreachableError,
    RagWrightError,
)
from rag.settings import LLMSettings

BROKEN = ("RemoteProtocolError", "ReadError", "WriteError", "IncompleteRead", "ConnectionResetError")
NO_CONNECTION = ("ConnectError", "ConnectTimeout", "APIConnectionError", "ConnectionRefusedError", "ConnectionError")
CONTEXT = re.compile(r"context (size|length|window)|maximum context|exceed_context|too many tokens", re.IGNORECASE)
UNKNOWN_MODEL = re.compile(r"model\b.*(not found|not exist|not loaded|unknown|invalid)|no such model", re.IGNORECASE)
ODD_ANSWERS = ("ValidationError", "JSONDecodeError", "APIResponseValidationError")
CLIENTS = ("ollama", "openai", "json", "llama_index.llms", "rag.llms.local_chat")  # modules that parse an answer
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def explain_llm_error(exc: BaseException, settings: LLMSettings, environ: Mapping[str, str] = os.environ) -> LLMError:
    """Explain what went wrong with the model, without its key; raise the result ``from exc``.

    >>> print(explain_llm_error(ConnectionError("refused"), LLMSettings(provider="ollama", model="qwen3:8b"), {}))
    the language model's server at http://127.0.0.1:11434 cannot be reached (refused); run: ollama serve

    Returns:
        LLMUnreachableError (nothing answers), LLMTimeoutError (too slow), LLMModelNotFoundError (the server lacks the
        model), or LLMError for all else. An LLMError is returned unchanged.
    """
    error = _explained(exc, settings, environ)
    key = environ.get(settings.api_key_env)
    what, remedy = without_key(error.what, key), without_key(error.remedy, key)
    return error if (what, remedy) == (error.what, error.remedy) else type(error)(what, remedy=remedy)


def _explained(exc: BaseException, settings: LLMSettings, environ: Mapping[str, str]) -> LLMError:
    if isinstance(exc, LLMError):
        return exc
    if isinstance(exc, RagWrightError):
        return LLMError(exc.what, remedy=exc.remedy)
    causes = list(causes_of(exc))
    for cause in causes:
        status = getattr(cause, "status_code", None)
        if isinstance(status, int) and status >= 300:
            return _refused(status, _words(cause), settings, environ)
    kinds = {kind for cause in causes for kind in type(cause).__mro__} - {object, BaseException, Exception}
    names = [kind.__name__ for kind in kinds]
    where = _where(settings, environ)
    if "ConnectTimeout" not in names and any("Timeout" in name for name in names):
        return LLMTimeoutError(
            f"the language model '{settings.model}' at {where} sent nothing for {settings.timeout:g} s",
            remedy="raise llm.timeout, choose a smaller model, or lower llm.context_window",
        )
    if not any(name in ("ConnectError", "ConnectionRefusedError") for name in names) and any(
        name in BROKEN for name in names
    ):
        return LLMError(
            f"the language model '{settings.model}' at {where} closed the connection before the answer's end "
            f"({_words(causes[-1])})",
            remedy="see the server's log: it may have run out of memory",
        )
    if any(name in NO_CONNECTION for name in names):
        return LLMUnreachableError(
            f"the language model's server at {where} cannot be reached ({_reason(causes)})",
            remedy=_how_to_reach(settings, where, environ),
        )
    if any(name in ODD_ANSWERS for name in names) or any(map(_met_an_odd_answer, causes)):
        return LLMError(
            f"{where} does not answer as the {_api(settings)} API",
            remedy="check llm.base_url and llm.provider",
        )
    if any(name in ("ResponseError", "APIError") for name in names):  # an error line within a stream
        return _said(f"stopped in the middle of the answer ({_words(exc)})", _words(exc), settings, "ask again")
    return LLMError(
        f"the language model '{settings.model}' failed ({type(exc).__name__}: {_words(exc)})",
        remedy="check the llm section of the settings with: rag config",
    )


def _refused(status: int, words: str, settings: LLMSettings, environ: Mapping[str, str]) -> LLMError:
    where = _where(settings, environ)
    if status == 404 and "model" not in words.lower():
        return LLMError(
            f"{where} has no {_api(settings)} API ({status} {words})",
            remedy="check llm.base_url" + (" (it usually ends in /v1)" if settings.provider == "openai" else ""),
        )
    if status == 404 or (status == 400 and UNKNOWN_MODEL.search(words)):
        remedies = {
            "ollama": f"run: ollama pull {settings.model}",
            "openai": f"set llm.model to a name that GET {where}/models lists",
        }
        return LLMModelNotFoundError(
            f"the server at {where} has no model '{settings.model}'",
            remedy=remedies.get(settings.provider, "check llm.model"),
        )
    key = f"put the server's key into the environment variable {settings.api_key_env}"
    busy = "wait until it has answered other requests" + (
        ", or raise OLLAMA_MAX_QUEUE on the server" if settings.provider == "ollama" else ""
    )
    remedy = {401: key, 403: key, 429: busy, 503: busy}.get(status)
    if remedy is None:
        remedy = "see the server's log" if status >= 500 else "check the llm section of the settings with: rag config"
    return _said(f"answered {status} ({words})", words, settings, remedy)


def _said(what: str, words: str, settings: LLMSettings, remedy: str) -> LLMError:
    """Report a failure in the server's words, with a remedy if they are known."""
    if CONTEXT.search(words):
        remedy = "lower retrieval.top_n or retrieval.window, or raise llm.context_window"
    elif "thinking" in words:
        remedy = "set llm.thinking = false"
    elif "memory" in words:
        remedy = "choose a smaller model or lower llm.context_window"
    return LLMError(f"the language model '{settings.model}' {what}", remedy=remedy)


def _how_to_reach(settings: LLMSettings, where: str, environ: Mapping[str, str]) -> str:
    if settings.provider == "llama_cpp":
        return "build the LLM again: it was closed, or its process ended"
    proxy = next((name for name in PROXIES if environ.get(name)), None)
    if proxy and not is_loopback(where):
        return f"check the server, and add its host to NO_PROXY ({proxy} sends requests to {environ[proxy]})"
    if settings.provider == "openai":
        return "start the server or correct llm.base_url"
    if not settings.base_url and environ.get("OLLAMA_HOST"):
        return f"run: ollama serve, or correct OLLAMA_HOST ('{environ['OLLAMA_HOST']}')"
    return "run: ollama serve" if is_loopback(where) else "start Ollama there, or correct llm.base_url"


def _where(settings: LLMSettings, environ: Mapping[str, str]) -> str:
    if settings.provider == "ollama":
        return ollama_base_url(settings.base_url, environ)
    if settings.provider == "llama_cpp":
        return "this process"
    return (settings.base_url or "http://127.0.0.1:8000/v1").rstrip("/")


def _api(settings: LLMSettings) -> str:
    return "Ollama" if settings.provider == "ollama" else "OpenAI"


def causes_of(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, outermost first.

    >>> error = ValueError("outer")
    >>> error.__cause__ = KeyError("inner")
    >>> [type(one).__name__ for one in causes_of(error)]
    ['ValueError', 'KeyError']
    """
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _met_an_odd_answer(exc: BaseException) -> bool:
    """Return whether a client library failed on an answer of another shape, such as a list, null or no choices."""
    if not isinstance(exc, (TypeError, AttributeError, LookupError, RecursionError)):
        return False
    place = exc.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    module = "" if place is None else str(place.tb_frame.f_globals.get("__name__"))
    return any(module == name or module.startswith(f"{name}.") for name in CLIENTS)


def _reason(causes: list[BaseException]) -> str:
    """Return why there is no connection, in the words of the innermost cause, the system's."""
    if any(type(cause).__name__ == "ConnectTimeout" for cause in causes):
        return "no answer to the connection attempt"
    if any(getattr(cause, "errno", None) == errno.ECONNREFUSED for cause in causes):
        return "connection refused"
    words = [_words(cause) for cause in causes]
    return next((w for w in reversed(words) if "Errno" in w or "refused" in w), words[0])


def _words(exc: BaseException) -> str:
    """Return an exception's message on one line: the server's own, if it has one."""
    body = getattr(exc, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    words = message or getattr(exc, "error", None) or str(exc) or type(exc).__name__
    return " ".join(str(words).split())[:300]
