"""Addresses of servers: whether they are on this machine or behind a proxy, and the address of Ollama."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from indexes.display import without_secrets

if TYPE_CHECKING:
    import httpx

OLLAMA_PORT = 11434
_HOST = re.compile(r"[a-z0-9.:%_-]+")


def is_loopback(url: str) -> bool:
    """Return whether a URL (or host, or host:port) is on this machine, so that no proxy must be used.

    >>> is_loopback("http://localhost:6333"), is_loopback("https://example.org")
    (True, False)
    """
    if "://" not in url:
        url = f"//[{url}]" if url.count(":") > 1 and "[" not in url else f"//{url}"
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # not an address
        return False
    if "\\" in url or not _HOST.fullmatch(host):  # clients interpret such an address differently
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_in_the_way(base_url: str, environ: Mapping[str, str]) -> str | None:
    """Return "HTTP_PROXY=http://..." if a client that honours proxies would not reach ``base_url`` directly, else None.

    >>> proxy_in_the_way("http://example.org", {"HTTP_PROXY": "http://proxy:3128"})
    'HTTP_PROXY=http://proxy:3128'
    """
    import httpx

    url = httpx.URL(base_url)
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            proxy = environ.get(variable)
            if proxy:
                rules = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
                return None if _bypassed(url, rules) else f"{variable}={without_secrets(proxy)}"
    return None


def _bypassed(url: httpx.URL, rules: str) -> bool:
    """Apply NO_PROXY like curl: "*", hosts, domains with or without a leading dot, each with or without a port."""
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
    """Return the address of Ollama: the setting, else OLLAMA_HOST, else http://127.0.0.1:11434.

    All forms of Ollama's own client are accepted (envconfig.Host): "host", "host:port", ":port", "[::1]:port",
    "http://..." (port 80 unless given), "https://..." (443), each with a path. For a server that listens on all
    addresses (0.0.0.0, ::) the loopback address is used.

    >>> ollama_base_url(None, {"OLLAMA_HOST": "gpu-box"})
    'http://gpu-box:11434'
    """
    value = (configured or "").strip() or environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest, default_port = "http", value, OLLAMA_PORT
    else:
        default_port = 443 if scheme == "https" else 80
    hostport, _, path = rest.partition("/")
    login, at, hostport = hostport.rpartition("@")
    host, port = _split_port(hostport)
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (asked, not bound)
    if ":" in host:
        host = f"[{host}]"
    path = f"/{path.rstrip('/')}" if path.rstrip("/") else ""
    return f"{scheme}://{login}{at}{host}:{port or default_port}{path}"


def _split_port(hostport: str) -> tuple[str, int | None]:
    """Return (host, port or None); like in Ollama, a port that is not a number from 0 to 65535 is ignored."""
    if hostport.startswith("["):
        host, _, tail = hostport[1:].partition("]")
        port = tail.removeprefix(":")
    elif hostport.count(":") > 1:  # a bare IPv6 address
        return hostport, None
    else:
        host, _, port = hostport.partition(":")
    return host, int(port) if port.isdigit() and int(port) <= 65535 else None
