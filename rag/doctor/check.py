"""Check, one finding, and Probe, what the checks look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import httpx

from indexes.addresses import is_loopback, proxy_in_the_way
from indexes.display import safe
from indexes.http import HttpAnswer
from indexes.plain import Plain
from rag.settings import Settings

Status = Literal["ok", "warn", "fail"]
PATIENCE = 2.0  # seconds a server may take; all checks run in parallel, so the doctor takes about as long


@dataclass(frozen=True, slots=True)
class Check(Plain):
    """One finding.

    >>> Check("llm server", "fail", "http://127.0.0.1:11434 cannot be reached", "ollama serve").status
    'fail'

    Args:
        name: what was checked, such as "llm server".
        status: "ok", "warn" (works, but not as well as it could) or "fail" (cannot work as configured).
        found: the finding, one sentence without a full stop, with its values.
        remedy: the command or setting that fixes it; "" if there is nothing to do.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        for name in ("found", "remedy"):
            object.__setattr__(self, name, safe(getattr(self, name)))


@dataclass(frozen=True)
class Probe:
    """The settings, environment variables and time-out (seconds) that every check uses.

    >>> Probe(Settings(), {}).timeout  # seconds
    2.0
    """

    settings: Settings
    environ: Mapping[str, str]
    timeout: float = PATIENCE


def unreachable(name: str, base_url: str, answer: HttpAnswer, environ: Mapping[str, str], remedy: str) -> Check:
    """Return the finding for a server that did not answer, with the reason.

    >>> no = HttpAnswer(problem="refused", detail="connection refused")
    >>> unreachable("llm server", "http://127.0.0.1:11434", no, {}, "ollama serve")
    Check(name='llm server', status='fail', found='http://127.0.0.1:11434 cannot be reached: connection refused',
     remedy='ollama serve')
    """
    found = f"{base_url} cannot be reached: {answer.detail}"
    proxy = None if answer.problem == "bad address" or is_loopback(base_url) else proxy_in_the_way(base_url, environ)
    if proxy:
        host = httpx.URL(base_url).host
        return Check(
            name, "fail", f"{found} (asked through {proxy})", f"export NO_PROXY={host} if it is on your network"
        )
    if answer.problem == "bad address":
        return Check(
            name, "fail", f"{base_url!r} is not a usable address: {answer.detail}", "write it as http://host:port"
        )
    return Check(name, "fail", found, remedy)
