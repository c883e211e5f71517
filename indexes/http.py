"""HTTP clients of model servers: where they are, and that a proxy never stands between us and this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

OLLAMA_PORT = 11434


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


def http_client(base_url: str, timeout: float, api_key: str | None = None) -> httpx.Client:
    """A client for one server. HTTP_PROXY and its kind are honoured except for loopback hosts.

    Args:
        base_url: what request paths are appended to.
        timeout: seconds for reading and writing; connecting may take at most 10 of them.
        api_key: sent as ``Authorization: Bearer``; never logged by us.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return httpx.Client(
        base_url=base_url,
        timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
        headers=headers,
        trust_env=not is_loopback(base_url),
    )


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
