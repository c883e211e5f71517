"""Decide whether a file's name is part of its vectors: then a renamed file is read again, else only moved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from indexes.manifest.manifest import Entry
from indexes.manifest.moves import member_of
from indexes.nodes.record import point_id
from indexes.readers.names import document_name, renamed
from indexes.settings.sections import IndexSettings
from indexes.store.collection import Collection


class NameInVectors:
    """Returns, for a file's old path, new path and documents, whether their vectors depend on the name.

    >>> entry = Entry("docs/a.md", "/docs/a.md", "c0ffee", "r1")
    >>> depends = NameInVectors(IndexSettings())
    >>> depends("/docs/a.md", "/docs/Price list.md", [entry]), depends("/docs/a.md", "/old/a.md", [entry])
    (True, False)

    Args:
        store: has the titles of the documents; None (for a plan): documents count as untitled.
    """

    def __init__(self, settings: IndexSettings, store: Collection | None = None) -> None:
        self._context = settings.split.contextual != "none"
        split, lexical = settings.split, settings.sparse.kind != "none" and settings.sparse.place > 0
        self._place = lexical or split.passage > 0 or (split.place > 0 and not self._context)
        self._store = store

    def __call__(self, old: str, new: str, entries: Sequence[Entry]) -> bool:
        before, now = PurePosixPath(old), PurePosixPath(new)
        if before.name == now.name or not (self._context or self._place):
            return False
        return any(self._changes(entry, before, now) for entry in entries if not member_of(entry))

    def _changes(self, entry: Entry, before: PurePosixPath, now: PurePosixPath) -> bool:
        metadata: dict[str, Any] = {"title": before.stem}
        if self._store is not None:
            identity = point_id(entry.doc_id, 0)
            metadata = (self._store.payloads([identity]).get(identity) or {}).get("metadata") or metadata
        metadata = {**metadata, "file_name": before.name}
        after = renamed(metadata, now.name)
        titled = self._context and after["title"] != metadata.get("title")
        return titled or (self._place and document_name(after) != document_name(metadata))
