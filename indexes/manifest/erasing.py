"""Erase deleted texts from all files of the store, in all generations of the collection.

A deletion removes points from search; their text stays in the engine's files until these are rewritten. The manifest
records that erasing is due and which encodings to drop, so that a kill loses neither. Small collections are rewritten
at once, large ones by the next run that writes, or on request (``now``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from indexes.display import counted
from indexes.encoders.cache.vectors import forget_encodings
from indexes.errors import RagWrightError
from indexes.files import remove
from indexes.manifest.documents import remove_documents
from indexes.manifest.encodings import stored_keys
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import cache_folder, manifest_path, uploads_folder
from indexes.manifest.quotes import forget_quotes
from indexes.settings.sections import StoreSettings
from indexes.store.collection import Collection, collection_names
from indexes.store.generations import Generations

QUICK = 20_000  # points up to which a collection is rewritten at once: about two seconds


@dataclass(slots=True)
class Erasure:
    """Result of erasing.

    >>> Erasure(encodings=12).done, Erasure(waiting=["its files (the disk is full)"]).done
    (True, False)

    Args:
        waiting: files that still contain deleted text, and why; the next run that writes tries again.
        encodings: number of vectors dropped from the encoding cache.
    """

    waiting: list[str] = field(default_factory=list)
    encodings: int = 0

    @property
    def done(self) -> bool:
        """Whether no file of the store contains deleted text any more."""
        return not self.waiting


def erase(store: Collection, name: str, manifest: Manifest, settings: StoreSettings, *, now: bool = False) -> Erasure:
    """Erase deleted texts from all files. The caller must hold the writer's lock of ``manifest``.

    Args:
        store, manifest: of the current collection of ``name``.
        now: also if it takes long, and even if nothing is recorded as due.
    """
    result = Erasure()
    generations = Generations(store.engine, name)
    for found in generations.superseded():
        if found.collection == store.name:
            continue
        older = Manifest(manifest_path(settings, found.collection, shared_client=manifest.path is None))
        try:
            with older.writer():
                other = generations.of(found.collection)
                _follow(other, store, older)
                _erase_one(other, older, settings, result, now=now)
        except RagWrightError as error:
            result.waiting.append(f"an older generation of it, {found.collection} ({error.what})")
        finally:
            older.close()
    if manifest.path is not None:
        # Of a killed reindex: a running one would hold the writer's lock.
        for copy in manifest.path.parent.glob(f"{name}.*sentences*"):
            copy.unlink(missing_ok=True)
    try:
        if manifest.erase_due or now:
            forget_quotes(store, name, settings)
        _erase_one(store, manifest, settings, result, now=now)
    except RagWrightError as error:
        result.waiting.append(f"its files ({error.what})")
    return result


def _follow(older: Collection, now: Collection, manifest: Manifest) -> None:
    """Remove documents that the collection no longer has from its older generations too."""
    there = {info.doc_id for info in now.documents()}
    gone = [info.doc_id for info in older.documents() if info.doc_id not in there]
    if gone:
        remove_documents(older, manifest, gone)


def _erase_one(store: Collection, manifest: Manifest, settings: StoreSettings, result: Erasure, *, now: bool) -> None:
    if not manifest.erase_due and not now:
        return
    count = store.count()
    if count > QUICK and not now:
        result.waiting.append(f"the files of its {counted(count, 'sentence')}")
        return
    store.engine.rewrite(store.name)
    keys = set(manifest.erased_keys())
    if keys and manifest.path is not None:
        keys -= _kept(store, settings, keys)
        result.encodings += forget_encodings(cache_folder(settings), keys)
    manifest.erased()


def _kept(store: Collection, settings: StoreSettings, keys: set[bytes]) -> set[bytes]:
    """Return those of ``keys`` that belong to a stored sentence.

    An unreadable collection counts as empty: a dropped encoding costs time, never a result."""
    kept: set[bytes] = set()
    for other in sharing_cache(store, settings):
        try:
            with other.briefly():
                kept.update(keys.intersection(stored_keys(other)))
        except RagWrightError:
            continue
    return kept


def sharing_cache(store: Collection, settings: StoreSettings) -> list[Collection]:
    """Return the collections that share the encoding cache; for a server, those with a manifest here."""
    names = collection_names(store.engine)
    if store.engine.kind == "server":
        paths = {name: manifest_path(settings, name, shared_client=False) for name in names}
        names = [name for name, path in paths.items() if isinstance(path, Path) and path.exists()]
    return [Collection(store.engine, name) for name in names]


def forget_upload(settings: StoreSettings, source: str) -> None:
    """Delete the file of an uploaded document, in the store's ``uploads``; other files stay.

    >>> settings = StoreSettings(path=folder)
    >>> place = folder / "uploads" / "guide" / "a.md"
    >>> place.parent.mkdir(parents=True)
    >>> _ = place.write_text("It rains.")
    >>> forget_upload(settings, str(place))
    >>> [path.name for path in folder.rglob("*")]
    ['uploads']
    """
    place, uploads = Path(source), uploads_folder(settings)
    if uploads in place.parents:
        place.unlink(missing_ok=True)
        if place.parent != uploads and not any(place.parent.iterdir()):
            remove(place.parent)
