"""Delete a whole collection, damaged or not, with all its generations and everything the store keeps of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from indexes.encoders.cache.vectors import forget_encodings
from indexes.errors import CollectionNotFoundError, RagWrightError
from indexes.files import remove
from indexes.lock import Lock
from indexes.manifest.encodings import stored_keys
from indexes.manifest.erasing import sharing_cache
from indexes.manifest.paths import cache_folder, files_of, manifest_path, remove_manifest, uploads_folder
from indexes.manifest.quotes import forget_quotes
from indexes.settings.sections import StoreSettings
from indexes.store.collection import Collection
from indexes.store.engine import Engine
from indexes.store.generations import Generations


def drop_collection(engine: Engine, name: str, settings: StoreSettings) -> list[str]:
    """Delete a collection, readable or not, and return the names of its deleted generations.

    A kill leaves either the collection, or files that the next use of the store deletes.

    >>> from indexes.store.client import open_engine
    >>> settings = StoreSettings(url=":memory:", path=folder)
    >>> drop_collection(open_engine(settings), "guide", settings)
    Traceback (most recent call last):
        ...
    indexes.errors.CollectionNotFoundError: there is no collection 'guide' (there: none); build it first: rag ingest
    PATH --collection guide

    Raises:
        CollectionNotFoundError: there is no such collection, and no remains of one.
        CollectionLockedError: another process is writing to it, or has it open.
    """
    names = Generations(engine, name).names()
    places = {found: manifest_path(settings, found, shared_client=False) for found in [*names, name]}
    left = [file for place in places.values() if isinstance(place, Path) for file in files_of(place)]
    uploads = uploads_folder(settings) / name
    if not names and not left and not uploads.exists():
        Collection(engine, name).check()
    with contextlib.ExitStack() as locks:
        for place in places.values():
            locks.enter_context(_locked(place))
        _drop_encodings(engine, names, settings)
        forget_quotes(None, name, settings)
        remove(uploads)
        for found in names:
            _remove_files(places[found])
            engine.calls.delete_collection(found)
    for place in places.values():
        remove_manifest(place)
    return names


@contextlib.contextmanager
def _locked(place: Path | str) -> Iterator[None]:
    """Hold the writer's lock of a collection whose manifest may be damaged."""
    if not isinstance(place, Path) or not place.parent.is_dir():
        yield
        return
    path = place.with_suffix(".lock")
    if path.is_dir():
        remove(path)
    lock = Lock(path, f"the collection of {place}", states=("being written to by", "being written to by"))
    with lock:
        yield


def _remove_files(place: Path | str) -> None:
    if isinstance(place, Path):
        for file in files_of(place):
            if file.suffix != ".lock":  # held until everything is deleted
                remove(file)


def _drop_encodings(engine: Engine, names: list[str], settings: StoreSettings) -> None:
    """Drop all encodings except those of other collections; dropping too many costs time, never a result."""
    kept: set[bytes] = set()
    if not cache_folder(settings).is_dir():
        return
    for other in sharing_cache(Collection(engine, ""), settings):
        if other.name not in names:
            with contextlib.suppress(RagWrightError), other.briefly():
                kept.update(stored_keys(other))
    forget_encodings(cache_folder(settings), None, keep=kept)


def count_of(engine: Engine, name: str) -> int | None:
    """Return the number of sentences that would be deleted; None if the collection is too damaged to tell."""
    try:
        return Collection(engine, Generations(engine, name).current()).count()
    except CollectionNotFoundError:
        raise
    except RagWrightError:
        return None
