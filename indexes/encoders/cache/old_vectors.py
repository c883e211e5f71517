"""The cache files of version 0.1.0."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from indexes.sqlite import Database


class OldVectors:
    """Reads the file in which version 0.1.0 kept document vectors, until no run needs it any more."""

    def __init__(self, path: Path) -> None:
        self._db: Database | None = Database(path, "", derived=True) if path.is_file() else None
        self._served = 0

    def get(self, texts: dict[bytes, str], size: int) -> dict[bytes, tuple[Any, ...]]:
        """Return current key -> (dense, indices, weights, cut, milliseconds) for the texts in the file.

        Args:
            texts: current key -> text.
            size: bytes of a dense vector.
        """
        if self._db is None or not texts:
            return {}
        keys = {
            hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(): key
            for key, text in texts.items()
        }
        found = {}
        for old, dense, sparse, cut in self._db.rows_of(
            "SELECT key, dense, sparse, truncated FROM vectors WHERE key IN", keys
        ):
            if len(dense) == size:
                # The blob of one vector: its length, its indices, its values, four bytes each.
                middle = 4 + (len(sparse) - 4) // 2 if sparse is not None else 0
                indices, weights = (sparse[4:middle], sparse[middle:]) if sparse is not None else (None, None)
                found[keys[old]] = (dense, indices, weights, cut, 0.0)
        self._served += len(found)
        return found

    def close(self) -> None:
        """Close the file; delete it if no run needs it any more."""
        if self._db is None:
            return
        if self._served == 0:
            self._db.remove()
            self._db = None
        else:
            self._db.close()
        self._served = 0
