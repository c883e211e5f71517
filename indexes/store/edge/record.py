"""A collection's record on the disk: schema and metadata, in a file and a copy.

collection.json           the record; the collection exists if this file does
collection.copy.json      a copy, in case the record is damaged or lost
collection.json.new       the record while the collection is being created
collection.json.deleted   the record while the collection is being deleted; the next use of the store finishes that
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
    """The record of the collection in ``folder``, read on first use.

    >>> record = RecordFile(folder)
    >>> record.write({"vectors": {}, "single": False, "sparse_vectors": {}, "metadata": {"name": "guide"}})
    >>> record.path.unlink()
    >>> record.restore(), record.read(anew=True)["metadata"]
    (True, {'name': 'guide'})
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path, self.copy = folder / "collection.json", folder / "collection.copy.json"
        self._new, self._gone = folder / "collection.json.new", folder / "collection.json.deleted"
        self.known: dict[str, Any] = {}

    def exists(self) -> bool:
        """Return whether a collection exists, even with a lost record; False while it is created or deleted."""
        if self.path.exists():
            return True
        return (self._folder / "shard").is_dir() and not self._new.exists() and not self._gone.exists()

    def read(self, *, anew: bool = False) -> dict[str, Any]:
        """Return the record.

        Args:
            anew: read the file again.

        Raises:
            DamagedError: the record is lost or damaged.
        """
        if anew or not self.known:
            found = _read(self.path)
            if found is None:
                how = "is damaged" if self.path.exists() else "is missing"
                raise DamagedError(self._folder.name, f"the record {self.path} {how}")
            self.known = found
        return self.known

    def write(self, description: dict[str, Any]) -> None:
        """Replace the record atomically, after its content is on the disk."""
        write_json(self.path, description, durable=True)
        write_json(self.copy, description)
        self.known = description
        remove(self._new)

    def begin(self, description: dict[str, Any]) -> None:
        """Mark the collection as being created, until ``write`` is called."""
        write_json(self._new, description)
        remove(self._gone)

    def keep_copy(self) -> None:
        """Write the copy, which collections of earlier versions lack."""
        found = None if self.copy.exists() else _read(self.path)
        if found is not None:
            with suppress(OSError):  # a read-only disk
                write_json(self.copy, found)

    def forget(self) -> None:
        """Mark the collection as being deleted: it no longer exists."""
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
        """Restore the record from its copy; False if that is damaged too."""
        found = _read(self.copy)
        if found is not None:
            remove(self.path)
            self.write(found)
        return found is not None


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record, or None if the file is missing or is not a record."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return found if all(isinstance(found.get(name), kind) for name, kind in _FIELDS.items()) else None
