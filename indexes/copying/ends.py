"""The two stores of a copy, and their records."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from indexes.display import without_secrets
from indexes.encoders.base import Fingerprint
from indexes.errors import StoreError
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import manifest_path
from indexes.settings.sections import StoreSettings
from indexes.store.collection import Collection
from indexes.store.engine import Engine
from indexes.store.generations import Generations
from indexes.store.schema import SCHEMA_VERSION


def target_settings(store: StoreSettings, to: str | Path) -> StoreSettings:
    """Return the settings of the store that ``to`` names: an address or a folder.

    >>> target_settings(StoreSettings(), "http://127.0.0.1:6333").url
    'http://127.0.0.1:6333'
    >>> target_settings(StoreSettings(url="http://127.0.0.1:6333"), folder).path == folder
    True
    """
    if str(to).startswith(("http://", "https://")):
        return store.model_copy(update={"url": str(to)})
    return store.model_copy(update={"url": None, "path": Path(to).expanduser().absolute()})


def place_of(store: StoreSettings) -> str:
    """Return the address or the resolved folder of a store, to compare two stores.

    >>> place_of(StoreSettings(url="http://127.0.0.1:6333/"))
    'http://127.0.0.1:6333'
    """
    return store.url.rstrip("/") if store.url else os.path.realpath(store.path.expanduser())


def shown(store: StoreSettings) -> str:
    """Return the place of a store for messages.

    >>> shown(StoreSettings(url="http://me:secret@127.0.0.1:6333"))
    'http://***@127.0.0.1:6333'
    """
    return without_secrets(store.url) if store.url else str(store.path.expanduser())


class End(NamedTuple):
    """One of the two stores."""

    settings: StoreSettings
    store: Collection
    manifest: Manifest

    @classmethod
    def of(cls, engine: Engine, settings: StoreSettings, name: str) -> End:
        store = Collection(engine, Generations(engine, name).current())
        return cls(settings, store, Manifest(manifest_path(settings, store.name, shared_client=False)))

    def beside(self, suffix: str) -> Path | None:
        path = self.manifest.path
        return None if path is None else path.with_name(path.name.removesuffix(".sqlite") + suffix)


def state_of(manifest: Manifest) -> str:
    """Return a digest of the documents in a manifest.

    >>> state_of(Manifest(":memory:")) == state_of(Manifest(":memory:"))
    True
    """
    digest = hashlib.sha256()
    for entry in manifest:
        digest.update(repr((entry.doc_id, entry.sentences, entry.points, entry.sums)).encode())
    return digest.hexdigest()[:16]


def fingerprint_of(record: dict[str, Any]) -> Fingerprint:
    """Return the fingerprint in a record.

    >>> made = Fingerprint("BAAI/bge-m3", "f3ab", 1024, "cls")
    >>> fingerprint_of({"schema": SCHEMA_VERSION, "fingerprint": {**made.as_dict(), "digest": made.digest}}) == made
    True
    >>> fingerprint_of({"schema": 0})
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: the collection's record is of version 0, and this program writes 1; use the version
    of RagWright that made it
    """
    if record.get("schema") != SCHEMA_VERSION or "fingerprint" not in record:
        raise StoreError(
            f"the collection's record is of version {record.get('schema')!r}, and this program writes {SCHEMA_VERSION}",
            remedy="use the version of RagWright that made it",
        )
    return Fingerprint(**{key: value for key, value in record["fingerprint"].items() if key != "digest"})
