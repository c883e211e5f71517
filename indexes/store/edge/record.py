"""A collection's record on the disk: schema and metadata, in a file and a copy of it.

collection.json           the record; the collection exists when this file does
collection.copy.json      the same, for a damaged or lost record
collection.json.new       instead of it while the collection is being made
collection.json.deleted   instead of it while the collection is being deleted: the next use of the store ends that
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from indexes.errors import DamagedError
from indexes.files import remove, write_json

_FIELDS = {"vectors": dict, "single": bool, "sparse_vectors": dict, "metadata": dict}


class RecordFile:
    """The record of the collection in ``folder``, read at first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path, self.copy = folder / "collection.json", folder / "collection.copy.json"
        self._new, self._gone = folder / "collection.json.new", folder / "collection.json.deleted"
        self.known: dict[str, Any] = {}

    def exists(self) -> bool:
        """True for a collection, also for one whose record was lost; False while it is being made or deleted."""
        if self.path.exists():
            return True
        return (self._folder / "shard").is_dir() and not self._new.exists() and not self._gone.exists()

    def read(self, *, anew: bool = False) -> dict[str, Any]:
        """Return it.

        Raises:
            DamagedError: it is lost or damaged.
        """
        if anew or not self.known:
            found = _read(self.path)
            if found is None:
                how = "is damaged" if self.path.exists() else "is missing"
                raise DamagedError(self._folder.name, f"the record {self.path} {how}")
            self.known = found
        return self.known

    def write(self, description: dict[str, Any]) -> None:
        """Replace it in one step, after its content is on the disk."""
        write_json(self.path, description, durable=True)
        write_json(self.copy, description)
        self.known = description
        remove(self._new)

    def begin(self, description: dict[str, Any]) -> None:
        """The collection is being made: ``write`` ends that."""
        write_json(self._new, description)
        remove(self._gone)

    def keep_copy(self) -> None:
        """Collections of earlier versions have none yet."""
        found = None if self.copy.exists() else _read(self.path)
        if found is not None:
            with suppress(OSError):  # a disk that is only read
                write_json(self.copy, found)

    def forget(self) -> None:
        """The collection is being deleted: from here on it does not exist."""
        self.known = {}
        if self.path.is_file():
            self.path.replace(self._gone)
        else:
            remove(self.path)
            self._gone.touch()

    @property
    def half_deleted(self) -> bool:
        return self._gone.exists() and not self.path.exists()

    def restore(self) -> bool:
        """Write it anew from its copy; False if that is damaged too."""
        found = _read(self.copy)
        if found is not None:
            remove(self.path)
            self.write(found)
        return found is not None


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record, or None if the file is missing or holds something else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return found if all(isinstance(found.get(name), kind) for name, kind in _FIELDS.items()) else None
