"""The address of a store's running server: a small file beside the store that only this account can read."""

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
# Settings that a request can set itself, or that do not concern the server.
A_REQUESTS_OWN = {"retrieval.top_n", "retrieval.window", "retrieval.fusion", "hyde.mode", "rerank.provider"}
NOT_COMPARED = {"collection", "profile"}


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server.

    >>> Address("http://127.0.0.1:8321", pid=4711, token="secret").url
    'http://127.0.0.1:8321'

    Args:
        token: secret of the account that started the server.
        settings: the server's settings, as ``flat`` returns them.
    """

    url: str
    pid: int
    token: str
    settings: dict[str, Any] = field(default_factory=dict)


def address_path(store: StoreSettings) -> Path:
    """Return the file with the address of a store's running server, readable only by its owner.

    >>> address_path(StoreSettings(path=Path("store"))).as_posix()
    'store/serve.json'
    """
    return keys_path(store).with_name(ADDRESS_FILE)


def read_address(store: StoreSettings) -> Address | None:
    """Return the address of a store's running server; None if there is none, or its process is gone.

    >>> read_address(StoreSettings(path=folder)) is None  # no server runs
    True
    """
    try:
        row = json.loads(address_path(store).read_text(encoding="utf-8"))
        found = Address(str(row["url"]), int(row["pid"]), str(row["token"]), dict(row.get("settings") or {}))
        os.kill(found.pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def check_alone(settings: Settings) -> None:
    """Reject a second server of one store.

    >>> check_alone(Settings.model_validate({"store": {"path": folder}}))  # no server runs: nothing is raised

    Raises:
        StoreError: another server of this store is running.
    """
    other = read_address(settings.store)
    if other is not None and other.pid != os.getpid():
        raise StoreError(
            f"a server of this store is already running at {other.url} (process {other.pid})",
            remedy="use it, or stop it first",
        )


@contextmanager
def announced(settings: Settings, base: str, token: str) -> Iterator[None]:
    """Keep the address file while the server runs.

    >>> settings = Settings.model_validate({"store": {"path": folder}})
    >>> with announced(settings, "http://127.0.0.1:8321", token="secret"):
    ...     read_address(settings.store).url
    'http://127.0.0.1:8321'
    >>> read_address(settings.store) is None
    True

    Raises:
        StoreError: another server of this store is running.
    """
    path = address_path(settings.store)
    check_alone(settings)
    write_private(path, json.dumps(asdict(Address(base, os.getpid(), token, flat(settings))), default=str))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def flat(settings: Settings) -> dict[str, Any]:
    """Return dotted name -> value, as in JSON, of all settings that an answer depends on.

    >>> flat(Settings())["retrieval.top_n"]
    5
    """
    found: dict[str, Any] = {}
    for section, value in settings.model_dump(mode="json", exclude={"serve"}).items():
        if isinstance(value, dict):
            found.update({f"{section}.{name}": inner for name, inner in value.items()})
        elif section not in NOT_COMPARED:
            found[section] = value
    return found


def difference(address: Address, settings: Settings) -> str | None:
    """Return the first setting that differs from the server's and that a request cannot set; None if there is none.

    A server without a reranker cannot rerank for one request, but a server with one can skip it.

    >>> address = Address("http://127.0.0.1:8321", 4711, "secret", flat(Settings()))
    >>> difference(address, Settings()) is None
    True
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
