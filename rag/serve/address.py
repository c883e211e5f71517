"""Where the running server of a store is: one small file beside the store, for this account alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from indexes.errors import StoreError
from indexes.settings.sections import StoreSettings
from rag.serve.keys import keys_path, write_private
from rag.settings import Settings

ADDRESS_FILE = "serve.json"
# Settings that a request to the server may set for itself, or that mean nothing to it.
A_REQUESTS_OWN = {"retrieval.top_n", "retrieval.window", "retrieval.fusion", "hyde.mode", "rerank.provider"}
NOT_COMPARED = {"collection", "profile"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server of this store is, the secret that admits the account that started it, and its settings."""

    url: str
    pid: int
    token: str
    settings: dict[str, Any] = field(default_factory=dict)


def address_path(store: StoreSettings) -> Path:
    """The file that names the running server of a store, readable by its owner alone."""
    return keys_path(store).with_name(ADDRESS_FILE)


def read_address(store: StoreSettings) -> Address | None:
    """The running server of a store; None where there is none, or its process is gone."""
    try:
        row = json.loads(address_path(store).read_text(encoding="utf-8"))
        found = Address(str(row["url"]), int(row["pid"]), str(row["token"]), dict(row.get("settings") or {}))
        os.kill(found.pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


@contextmanager
def announced(settings: Settings, base: str, token: str) -> Iterator[None]:
    """Keep the address file while the server runs.

    Raises:
        StoreError: another server of this store runs.
    """
    path = address_path(settings.store)
    other = read_address(settings.store)
    if other is not None and other.pid != os.getpid():
        raise StoreError(
            f"a server of this store runs already at {other.url} (process {other.pid})",
            remedy="use that one, or stop it first",
        )
    write_private(path, json.dumps(asdict(Address(base, os.getpid(), token, flat(settings))), default=str))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def flat(settings: Settings) -> dict[str, Any]:
    """Dotted name -> value of all settings that an answer depends on, as JSON has them."""
    found: dict[str, Any] = {}
    for section, value in settings.model_dump(mode="json", exclude={"serve"}).items():
        if isinstance(value, dict):
            found.update({f"{section}.{name}": inner for name, inner in value.items()})
        elif section not in NOT_COMPARED:
            found[section] = value
    return found


def difference(address: Address, settings: Settings) -> str | None:
    """The first setting that the server has otherwise, and that a request cannot set; None where there is none.

    A server without a reranker cannot rerank for one request; one with it can leave it out.
    """
    mine = flat(settings)
    for name, value in mine.items():
        theirs = address.settings.get(name, value)
        if theirs == value or (name in A_REQUESTS_OWN and name != "rerank.provider"):
            continue
        if name == "rerank.provider" and value == "none":
            continue
        return name
    return None
