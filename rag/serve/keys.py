"""Keys of the server: who has access, to what, and where that is stored.

``keys.toml`` is beside the store, readable only by its owner, and holds SHA-256 hashes: a lost key cannot be recovered.
It is never part of a rag.toml.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from indexes.errors import SettingsError
from indexes.files import beside
from indexes.manifest.paths import server_key
from indexes.plain import Plain
from indexes.settings.sections import StoreSettings

SCOPES = ("read", "ask", "write", "admin")
PREFIX = "rw-"  # so that a leaked key is recognised
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ALL = "*"
COOKIE = "ragwright_key"
# The Authorization header of the current request, with which the MCP tools call the JSON API.
AUTHORIZATION: ContextVar[str | None] = ContextVar("authorization", default=None)


@dataclass(frozen=True, slots=True)
class AccessKey(Plain):
    """A key with its permissions.

    >>> key = AccessKey("dify", "", scopes=("read",), collections=("handbook",))
    >>> key.may("read"), key.may("write"), key.sees("handbook"), key.sees("notes")
    (True, False, True, False)

    Args:
        sha256: hash of the key's text.
        scopes: "read", "ask", "write", "admin"; admin includes all others, and full paths in answers.
        collections: names of collections; "*" stands for all.
        created: when it was made, in ISO form.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...] = ("read", "ask")
    collections: tuple[str, ...] = (ALL,)
    created: str = ""

    def may(self, scope: str) -> bool:
        """Return whether the key has a scope."""
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, collection: str) -> bool:
        """Return whether the key may access a collection."""
        return ALL in self.collections or collection in self.collections

    def as_dict(self) -> dict[str, Any]:
        """Return what a listing shows, without the hash."""
        return {name: value for name, value in Plain.as_dict(self).items() if name != "sha256"}


OPEN = AccessKey("open", "", scopes=("read", "ask", "write"))  # used if no key is configured (loopback only)
OWNER = AccessKey("owner", "", scopes=SCOPES)  # the account that started the server, by its token


class KeyRing:
    """The keys of one store.

    >>> len(KeyRing(Path("no-such-folder/keys.toml")))
    0

    Args:
        path: ``keys.toml``, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys = _read(path)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Any:
        return iter(self._keys.values())

    def find(self, text: str) -> AccessKey | None:
        """Return the key with this text, or None; every stored hash is compared in constant time."""
        digest = _digest(text)
        found = None
        for key in self._keys.values():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def new(self, name: str, *, scopes: Iterable[str] = ("read", "ask"), collections: Iterable[str] = (ALL,)) -> str:
        """Make a key, store its hash, and return its text, which cannot be shown again.

        Raises:
            SettingsError: the name is taken or invalid, or a scope is unknown.
        """
        scopes, collections = tuple(scopes), tuple(collections)
        if not NAME.fullmatch(name):
            raise SettingsError(f"{name!r} cannot name a key", remedy="use letters, digits, '-', '_' and '.'")
        if name in self._keys:
            raise SettingsError(f"a key named {name!r} exists", remedy=f"run 'rag key remove {name}' first")
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise SettingsError(f"unknown scope {unknown[0]!r}", remedy=f"use one of {', '.join(SCOPES)}")
        if not scopes or not collections:
            raise SettingsError(f"the key {name!r} would have no permissions", remedy="name a scope and a collection")
        text = PREFIX + secrets.token_urlsafe(32)
        made = AccessKey(name, _digest(text), scopes, collections, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self._keys = {**self._keys, name: made}
        self._write()
        return text

    def remove(self, name: str) -> None:
        """Remove a key.

        Raises:
            SettingsError: there is no key of that name.
        """
        if name not in self._keys:
            known = ", ".join(sorted(self._keys)) or "none"
            raise SettingsError(f"there is no key {name!r}", remedy=f"the keys are: {known}")
        self._keys = {other: key for other, key in self._keys.items() if other != name}
        self._write()

    def _write(self) -> None:
        lines = ["# Keys of rag serve, as hashes. Made by 'rag key new'; remove one with 'rag key remove NAME'."]
        for key in self._keys.values():
            lines += [
                f"\n[keys.{_quoted(key.name)}]",
                f"sha256 = {_quoted(key.sha256)}",
                f"scopes = [{', '.join(map(_quoted, key.scopes))}]",
                f"collections = [{', '.join(map(_quoted, key.collections))}]",
                f"created = {_quoted(key.created)}",
            ]
        write_private(self.path, "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, completely or not at all.

    >>> write_private(folder / "keys.toml", "secret")
    >>> oct((folder / "keys.toml").stat().st_mode & 0o777)
    '0o600'
    """
    with beside(path) as part:
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")


def keys_path(store: StoreSettings) -> Path:
    """Return the file of a store's keys: beside it; for a Qdrant server in a separate folder.

    >>> keys_path(StoreSettings(path=Path("store"))).as_posix()
    'store/keys.toml'
    """
    root = store.path.expanduser()
    if store.url is None:
        return root / "keys.toml"
    return root / "servers" / server_key(store.url) / "keys.toml"


def bearer(header: str | None) -> str | None:
    """Return the key in an Authorization header; None if the header has another form.

    A repeated "Bearer" is dropped, since people paste it into fields of programs that add it.

    >>> bearer("Bearer rw-1"), bearer("bearer Bearer rw-1"), bearer("Basic x")
    ('rw-1', 'rw-1', None)
    """
    parts = (header or "").split()
    if len(parts) < 2 or parts[0].lower() != "bearer":
        return None
    if parts[1].lower() == "bearer" and len(parts) > 2:
        parts = parts[1:]
    return parts[1] if len(parts) == 2 else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _read(path: Path) -> dict[str, AccessKey]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the keys in '{path}' cannot be read: {error}", remedy="correct the file, or remove it and make new keys"
        ) from error
    found = {}
    for name, row in (content.get("keys") or {}).items():
        try:
            found[name] = AccessKey(
                name,
                str(row["sha256"]),
                tuple(map(str, row["scopes"])),
                tuple(map(str, row["collections"])),
                str(row.get("created", "")),
            )
        except (KeyError, TypeError) as error:
            raise SettingsError(
                f"the key {name!r} in '{path}' lacks {error}", remedy="remove it from the file and make a new one"
            ) from error
    return found


def same_origin(headers: dict[str, str]) -> bool:
    """Return whether a state-changing request comes from the server's own page.

    >>> same_origin({"origin": "http://127.0.0.1:8321", "host": "127.0.0.1:8321"})
    True
    """
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")
