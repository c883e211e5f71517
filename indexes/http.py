"""Asking servers: where they are, no proxy between us and this machine, and one client for all that speak JSON."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from indexes.display import without_secrets
from indexes.errors import RagWrightError

OLLAMA_PORT = 11434
BUSY = (429, 502, 503, 504)


def is_loopback(url: str) -> bool:
    """Whether a URL (or host, or host:port) is on this machine, so that proxies must not be asked."""
    host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def client_options(base_url: str, timeout: float, *, connect: float = 10.0) -> dict[str, Any]:
    """What every client of ours passes to httpx: connecting may take at most 10 of the ``timeout`` seconds, and
    HTTP_PROXY and its kind are honoured except for loopback hosts."""
    return {
        "timeout": httpx.Timeout(timeout, connect=min(timeout, connect)),
        "trust_env": not is_loopback(base_url),
    }


def http_client(base_url: str, timeout: float, api_key: str | None = None, **options: Any) -> httpx.Client:
    """A client for one server, with ``client_options``.

    Args:
        base_url: what request paths are appended to.
        timeout: seconds for reading and writing.
        api_key: sent as ``Authorization: Bearer``; never logged by us.
        options: further ones of ``httpx.Client``.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return httpx.Client(base_url=base_url, headers=headers, **client_options(base_url, timeout), **options)


@dataclass(frozen=True)
class Answer:
    """What a server said, or why it said nothing.

    Args:
        status: 0 if there is no answer.
        problem: the kind of fault then; "timeout": connected, and no answer in time.
        detail: the fault in words, without its address.
        retry_after: seconds that the server asks to wait.
    """

    status: int = 0
    text: str = ""
    phrase: str = ""
    problem: Literal["", "refused", "unknown host", "timeout", "proxy", "tls", "bad address", "other"] = ""
    detail: str = ""
    retry_after: float | None = None

    def json(self) -> Any:
        """The body; None if it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; {} if it is none."""
        body = self.json()
        return body if isinstance(body, dict) else {}

    @property
    def reason(self) -> str:
        """The server's own words: {"error": "..."} (Ollama), {"error": {"message": ...}}, {"message": ...} (OpenAI's
        kind), {"detail": ...}, or plain text."""
        body = self.json()
        if body is None:
            return self.text.strip()[:200] or self.phrase
        for key in ("error", "message", "detail"):
            value = body.get(key) if isinstance(body, dict) else None
            if isinstance(value, dict):
                value = value.get("message", value)
            if value:
                return str(value)[:300]
        return str(body)[:200]


def ask(client: httpx.Client, method: str, path: str, *, body: Any = None) -> Answer:
    """Send a request, with ``body`` as JSON. Never raises for what the network or the server does."""
    try:
        response = client.request(method, path, json=body)
        wait = response.headers.get("retry-after", "")
        return Answer(
            response.status_code,
            response.text,
            response.reason_phrase,
            retry_after=float(wait) if wait.isdecimal() else None,
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return unanswered(error, client.timeout)


def ask_once(
    base_url: str, path: str, *, timeout: float, api_key: str | None = None, body: Any = None, **options: Any
) -> Answer:
    """GET, or POST ``body``, with a client for this one request; as ``ask``, and an unusable address is an answer too.

    Args:
        options: further ones of ``httpx.Client``.
    """
    try:
        with http_client(base_url.rstrip("/"), timeout, api_key, **options) as client:
            return ask(client, "GET" if body is None else "POST", path, body=body)
    except httpx.InvalidURL as error:
        return Answer(problem="bad address", detail=str(error))


def unanswered(error: Exception, timeout: httpx.Timeout) -> Answer:
    """Put what a client of httpx raised into words."""
    text = str(error)
    if isinstance(error, httpx.ProxyError):
        return Answer(problem="proxy", detail=text)
    if isinstance(error, httpx.ConnectTimeout):
        return Answer(problem="other", detail=f"no answer within {timeout.connect:g} s of connecting")
    if isinstance(error, httpx.TimeoutException):
        return Answer(problem="timeout", detail=f"no answer within {timeout.read:g} s")
    if isinstance(error, httpx.ConnectError):
        if "refused" in text:
            return Answer(problem="refused", detail="the connection was refused: nothing listens there")
        if any(sign in text for sign in ("Name or service", "nodename", "Temporary failure", "getaddrinfo", "No addr")):
            return Answer(problem="unknown host", detail="the host name is not known")
        if "CERTIFICATE" in text or "SSL" in text:
            return Answer(problem="tls", detail=text)
        return Answer(problem="other", detail=text or "no connection")
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return Answer(problem="bad address", detail=text)
    return Answer(problem="other", detail=f"{type(error).__name__}: {text}")


class JsonServer:
    """A server that is asked in JSON: asked again while it is busy, and each way to fail is one sentence.

    Args:
        client: where requests go; thread-safe.
        label: how errors name it, such as "Ollama at http://127.0.0.1:11434".
        section: the settings section that chose it, for remedies ("encoder").
        error: the class of its errors.
        start: what to do if it cannot be reached.
        key_env: the environment variable that holds its key.
        remedies: status -> what to do, where the usual remedy does not fit.
        explain: may give, or raise, its own error for (status, the server's words).
        tries: requests in all while it is busy.
        patience: seconds; a server that asks for a longer pause is reported instead of waited for.
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
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.client, self.label, self.pause = client, label, pause
        self._section, self._error, self._start, self._explain = section, error, start, explain
        self._tries, self._patience = tries, patience
        key = f"put the server's key into the environment variable {key_env}"
        self._remedies = {
            401: key,
            403: key,
            404: f"check {section}.base_url (with its /v1 or /v2, if the server has one) and {section}.model",
            **dict.fromkeys(BUSY, "try again later, or let fewer clients use it"),
            **(remedies or {}),
        }

    def get(self, path: str) -> Any:
        """The JSON answer. Raises as ``post`` does."""
        return self._answer("GET", path, None)

    def post(self, path: str, payload: Mapping[str, Any]) -> Any:
        """The JSON answer.

        Raises:
            RagWrightError: of the class ``error``: no answer, a refusal, or something else than JSON.
        """
        return self._answer("POST", path, payload)

    def close(self) -> None:
        self.client.close()

    def _answer(self, method: str, path: str, payload: Mapping[str, Any] | None) -> Any:
        for again in range(self._tries):
            answer = ask(self.client, method, path, body=payload)
            wait = answer.retry_after if answer.retry_after is not None else 0.5 * 2**again
            if answer.status not in BUSY or again == self._tries - 1 or wait > self._patience:
                break
            self.pause(wait)
        if not answer.status:
            raise self._unanswered(answer)
        if answer.status == 200:
            body = answer.json()
            if body is None:
                raise self._error(f"{self.label} sent no JSON: {answer.text[:80]!r}", remedy=self._start)
            return body
        raise self._explain(answer.status, answer.reason) or self._refused(answer, again)

    def _unanswered(self, answer: Answer) -> RagWrightError:
        if answer.problem == "timeout":
            return self._error(
                f"{self.label} did not answer within {self.client.timeout.read:g} s",
                remedy=self._remedies.get(408, f"raise {self._section}.timeout"),
            )
        return self._error(f"{self.label} cannot be reached: {answer.detail}", remedy=self._start)

    def _refused(self, answer: Answer, again: int) -> RagWrightError:
        other = "see the server's log" if answer.status >= 500 else f"check {self._section}.model and .base_url"
        remedy = self._remedies.get(answer.status, other)
        if answer.status in BUSY and again:
            said = f"is still busy after {again} retries ({answer.status}: {answer.reason})"
        else:
            said = f"answered {answer.status} ({answer.reason})"
        return self._error(f"{self.label} {said}", remedy=remedy)


def proxy_in_the_way(base_url: str, environ: Mapping[str, str]) -> str | None:
    """ "HTTP_PROXY=http://..." if a client that honours proxies would not reach ``base_url`` directly."""
    url = httpx.URL(base_url)
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            proxy = environ.get(variable)
            if proxy:
                rules = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
                return None if _bypassed(url, rules) else f"{variable}={without_secrets(proxy)}"
    return None


def _bypassed(url: httpx.URL, rules: str) -> bool:
    """NO_PROXY as curl reads it: "*", hosts, domains with or without a leading dot, each with a port or not."""
    for rule in (part.strip().lower() for part in rules.split(",")):
        host = rule.strip("[]") if rule.count(":") != 1 else rule.partition(":")[0]
        port = rule.partition(":")[2] if rule.count(":") == 1 else ""
        if port and port != str(url.port or 80):
            continue
        domain = host.lstrip(".")
        if rule == "*" or (domain and (url.host == domain or url.host.endswith(f".{domain}"))):
            return True
    return False


def ollama_base_url(configured: str | None, environ: Mapping[str, str]) -> str:
    """Where Ollama listens: the setting, else OLLAMA_HOST, else http://127.0.0.1:11434.

    All forms that Ollama's own client reads (envconfig.Host): "host", "host:port", ":port", "[::1]:port",
    "http://..." (port 80 unless given), "https://..." (443), each with a path. A server told to listen on all
    addresses (0.0.0.0, ::) is asked on the loopback one.
    """
    value = (configured or "").strip() or environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest, default_port = "http", value, OLLAMA_PORT
    else:
        default_port = 443 if scheme == "https" else 80
    hostport, _, path = rest.partition("/")
    host, port = _split_port(hostport)
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (asked, not bound)
    if ":" in host:
        host = f"[{host}]"
    path = f"/{path.rstrip('/')}" if path.rstrip("/") else ""
    return f"{scheme}://{host}:{port or default_port}{path}"


def _split_port(hostport: str) -> tuple[str, int | None]:
    """("host", port or None); a port that is no number from 0 to 65535 is ignored, as Ollama does."""
    if hostport.startswith("["):
        host, _, tail = hostport[1:].partition("]")
        port = tail.removeprefix(":")
    elif hostport.count(":") > 1:  # a bare IPv6 address
        return hostport, None
    else:
        host, _, port = hostport.partition(":")
    return host, int(port) if port.isdigit() and int(port) <= 65535 else None
