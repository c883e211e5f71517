"""Where the files of a store lie that are not the engine's: manifests and the encoding cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from indexes.errors import SettingsError
from indexes.files import remove
from indexes.settings.sections import IndexSettings, StoreSettings
from indexes.text.words import WORD_RULES

# What lies beside a manifest, under the collection's name.
_RETIRED = (".passages", ".passages-wal", ".passages-shm", ".passages.part")  # of version 0.1: repeated passages
_BESIDE = (
    ".sqlite",
    ".sqlite-wal",
    ".sqlite-shm",
    *_RETIRED,
    ".journal",
    ".journal-journal",
    ".lock",
    ".lock-journal",
    ".sentences",
    ".sentences-journal",
)
ENCODER_FACT = "encoder settings"  # in the manifest: ``encoder_identity`` of the run before


def manifest_path(store: StoreSettings, collection: str, *, shared_client: bool) -> Path | str:
    """Where a collection's manifest lives: beside the embedded engine; per server address for a server.

    A client that was handed in may point anywhere, so its manifest is kept in memory: nothing is remembered about it.
    """
    if shared_client or store.url == ":memory:":
        return ":memory:"
    root = store.path.expanduser()
    if "/" in collection or collection in {"", ".", ".."}:
        raise SettingsError(f"{collection!r} cannot name a collection", remedy="use letters, digits, '-', '_' and '.'")
    if store.url is None:
        return root / "manifests" / f"{collection}.sqlite"
    return root / "manifests" / server_key(store.url) / f"{collection}.sqlite"


def server_key(url: str) -> str:
    """Return the name of the folder for what belongs to a server: 12 hex digits of its address."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def files_of(path: Path) -> list[Path]:
    """The manifest of a collection and what lies beside it, as far as it is there."""
    places = [path.with_name(path.name.removesuffix(".sqlite") + suffix) for suffix in _BESIDE]
    return [place for place in places if os.path.lexists(place)]


def remove_retired(path: Path) -> None:
    """Remove what earlier versions kept beside a manifest and no version reads any more."""
    for suffix in _RETIRED:
        path.with_suffix(suffix).unlink(missing_ok=True)


def remove_manifest(path: Path | str) -> None:
    """The manifest of a deleted collection, and what lies beside it."""
    if isinstance(path, Path):
        for place in files_of(path):
            remove(place)


def uploads_folder(store: StoreSettings) -> Path:
    """Where a server keeps the files that were uploaded, in a folder for each collection."""
    return store.path.expanduser() / "uploads"


def feedback_path(store: StoreSettings) -> Path:
    """What users said of a server's answers, one JSON object a line."""
    root = store.path.expanduser()
    return (root if store.url is None else root / "servers" / server_key(store.url)) / "feedback.jsonl"


def cache_folder(store: StoreSettings) -> Path:
    """The encoding cache: one file for each model, for all collections of the store."""
    return store.path.expanduser() / "encodings"


def encoder_identity(settings: IndexSettings) -> str:
    """Hash of the settings that choose a model, to tell without loading it that it is the one of the last run."""
    fields = ("provider", "model", "hub", "revision", "query_prompt", "document_prompt", "dimensions", "base_url")
    chosen = [getattr(settings.encoder, name) for name in fields]
    chosen += [settings.sparse.model_dump(exclude={"window", "neighbours", "place"}), WORD_RULES]
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]
