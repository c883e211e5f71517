"""Paths of a store's files other than the engine's: manifests, uploads, feedback, encoding cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from indexes.errors import SettingsError
from indexes.files import remove
from indexes.settings.sections import IndexSettings, StoreSettings

# Files beside a manifest, with the collection's name.
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
ENCODER_FACT = "encoder settings"  # in the manifest: ``encoder_identity`` of the last run


def manifest_path(store: StoreSettings, collection: str, *, shared_client: bool) -> Path | str:
    """Return the path of a collection's manifest: beside the embedded engine, or in a folder per server address.

    A client passed by the caller may point anywhere, so its manifest is in memory (":memory:") and nothing is kept.

    >>> manifest_path(StoreSettings(path="store"), "guide", shared_client=False).as_posix()
    'store/manifests/guide.sqlite'
    >>> manifest_path(StoreSettings(path="store"), "guide", shared_client=True)
    ':memory:'
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
    """Return the name of the folder for a server's files: 12 hex digits of a hash of its address.

    >>> server_key("http://127.0.0.1:6333")
    'bf6ad011a211'
    """
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def files_of(path: Path) -> list[Path]:
    """Return the existing files of a collection's manifest.

    >>> for name in ("guide.sqlite", "guide.journal", "notes.sqlite"):
    ...     (folder / name).touch()
    >>> [path.name for path in files_of(folder / "guide.sqlite")]
    ['guide.sqlite', 'guide.journal']
    """
    places = [path.with_name(path.name.removesuffix(".sqlite") + suffix) for suffix in _BESIDE]
    return [place for place in places if os.path.lexists(place)]


def remove_retired(path: Path) -> None:
    """Delete files that earlier versions kept beside a manifest.

    >>> for name in ("guide.sqlite", "guide.passages"):
    ...     (folder / name).touch()
    >>> remove_retired(folder / "guide.sqlite")
    >>> [path.name for path in folder.iterdir()]
    ['guide.sqlite']
    """
    for suffix in _RETIRED:
        path.with_suffix(suffix).unlink(missing_ok=True)


def remove_manifest(path: Path | str) -> None:
    """Delete the manifest of a deleted collection, and the files beside it.

    >>> for name in ("guide.sqlite", "guide.journal", "notes.sqlite"):
    ...     (folder / name).touch()
    >>> remove_manifest(folder / "guide.sqlite")
    >>> [path.name for path in folder.iterdir()]
    ['notes.sqlite']
    """
    if isinstance(path, Path):
        for place in files_of(path):
            remove(place)


def uploads_folder(store: StoreSettings) -> Path:
    """Return the folder in which a server keeps uploaded files, in a folder per collection.

    >>> uploads_folder(StoreSettings(path="store")).as_posix()
    'store/uploads'
    """
    return store.path.expanduser() / "uploads"


def feedback_path(store: StoreSettings) -> Path:
    """Return the file with users' feedback on a server's answers, one JSON object per line.

    >>> feedback_path(StoreSettings(path="store")).as_posix()
    'store/feedback.jsonl'
    >>> feedback_path(StoreSettings(path="store", url="http://127.0.0.1:6333")).as_posix()
    'store/servers/bf6ad011a211/feedback.jsonl'
    """
    root = store.path.expanduser()
    return (root if store.url is None else root / "servers" / server_key(store.url)) / "feedback.jsonl"


def cache_folder(store: StoreSettings) -> Path:
    """Return the folder of the encoding cache, with one file per model for all collections of the store.

    >>> cache_folder(StoreSettings(path="store")).as_posix()
    'store/encodings'
    """
    return store.path.expanduser() / "encodings"


def encoder_identity(settings: IndexSettings) -> str:
    """Return a hash of the settings that determine the model, to compare with the last run without loading it.

    >>> one, other = IndexSettings(), IndexSettings(sparse={"window": 2}, encoder={"device": "cpu"})
    >>> encoder_identity(one) == encoder_identity(other)
    True
    >>> encoder_identity(one) == encoder_identity(IndexSettings(encoder={"dimensions": 256}))
    False
    """
    from indexes.text.words import WORD_RULES

    fields = ("provider", "model", "hub", "revision", "query_prompt", "document_prompt", "dimensions", "base_url")
    chosen = [getattr(settings.encoder, name) for name in fields]
    chosen += [settings.sparse.model_dump(exclude={"window", "neighbours", "place"}), WORD_RULES]
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]
