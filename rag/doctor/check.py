"""Check: one finding. Probe: what the checks look at."""

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
PATIENCE = 2.0  # seconds a server may take; all checks run at once, so this is about what the doctor takes


@dataclass(frozen=True, slots=True)
class Check(Plain):
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

    def __post_init__(self) -> None:
        for name in ("found", "remedy"):
            object.__setattr__(self, name, safe(getattr(self, name)))


@dataclass(frozen=True)
class Probe:
    """The settings, the environment and the patience that every check works with."""

    settings: Settings
    environ: Mapping[str, str]
    timeout: float = PATIENCE


def unreachable(name: str, base_url: str, answer: HttpAnswer, environ: Mapping[str, str], remedy: str) -> Check:
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
            name, "fail", f"{base_url!r} is not a usable address: {answer.detail}", "write it as http://host:port"
        )
    return Check(name, "fail", found, remedy)
