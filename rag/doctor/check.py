"""Check: one finding. Probe: what the checks look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from indexes.http import http_client, is_loopback
from rag.settings import Settings

Status = Literal["ok", "warn", "fail"]
PATIENCE = 2.0  # seconds a server may take; all checks run at once, so this is about what the doctor takes


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Args:
        name: what was looked at, e.g. "llm server".
        status: "ok"; "warn": works, but not as it could; "fail": what is configured cannot work.
        found: what is so, one sentence without a full stop, with its values.
        remedy: the command or setting that mends it; "" where nothing is to be done.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "status": self.status, "found": self.found, "remedy": self.remedy}


@dataclass(frozen=True)
class Probe:
    """The settings, the environment and the patience that every check works with."""

    settings: Settings
    environ: Mapping[str, str]
    timeout: float = PATIENCE


@dataclass(frozen=True)
class Answer:
    """What a server said: the response, or why there is none."""

    response: httpx.Response | None = None
    problem: Literal["", "refused", "unknown host", "timeout", "proxy", "tls", "bad address", "other"] = ""
    detail: str = ""

    @property
    def status(self) -> int:
        return self.response.status_code if self.response is not None else 0

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} when it is none."""
        if self.response is None:
            return {}
        try:
            body = self.response.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def request(
    base_url: str, path: str, *, timeout: float, api_key: str | None = None, body: Any = None, headers: Any = None
) -> Answer:
    """GET (or POST ``body``) as the package's own clients do: proxies are bypassed for loopback hosts."""
    try:
        with http_client(base_url.rstrip("/"), timeout, api_key) as client:
            if body is None:
                return Answer(client.get(path, headers=headers))
            return Answer(client.post(path, json=body, headers=headers))
    except httpx.ProxyError as error:
        return Answer(problem="proxy", detail=str(error))
    except httpx.TimeoutException:
        return Answer(problem="timeout", detail=f"no answer within {timeout:g} s")
    except httpx.ConnectError as error:
        text = str(error)
        if "refused" in text:
            return Answer(problem="refused", detail="the connection was refused: nothing listens there")
        if any(sign in text for sign in ("Name or service", "nodename", "Temporary failure", "getaddrinfo", "No addr")):
            return Answer(problem="unknown host", detail="the host name is not known")
        if "CERTIFICATE" in text or "SSL" in text:
            return Answer(problem="tls", detail=text)
        return Answer(problem="other", detail=text or "no connection")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        return Answer(problem="bad address", detail=str(error))
    except (httpx.HTTPError, OSError, ValueError) as error:
        return Answer(problem="other", detail=f"{type(error).__name__}: {error}")


def proxy_in_the_way(base_url: str, environ: Mapping[str, str]) -> str | None:
    """ "HTTP_PROXY=http://..." when a client that honours proxies would not reach ``base_url`` directly."""
    url = httpx.URL(base_url)
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            proxy = environ.get(variable)
            if proxy:
                rules = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
                return None if _bypassed(url, rules) else f"{variable}={_without_login(proxy)}"
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


def _without_login(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}***@{rest.rpartition('@')[2]}" if "@" in rest else url


def unreachable(name: str, base_url: str, answer: Answer, environ: Mapping[str, str], remedy: str) -> Check:
    """The check of a server that gave no answer, with the reason."""
    found = f"{base_url} cannot be reached: {answer.detail}"
    proxy = None if answer.problem == "bad address" or is_loopback(base_url) else proxy_in_the_way(base_url, environ)
    if proxy:
        host = httpx.URL(base_url).host
        return Check(
            name, "fail", f"{found} (asked through {proxy})", f"export NO_PROXY={host} if it is on your network"
        )
    if answer.problem == "bad address":
        return Check(
            name, "fail", f"{base_url!r} is no usable address: {answer.detail}", "write it as http://host:port"
        )
    return Check(name, "fail", found, remedy)
