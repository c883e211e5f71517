"""The cache files of version 0.1.0."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from indexes.sqlite import Database


class OldVectors:
    """The file in which version 0.1.0 kept the vectors of documents: read until nothing of it is asked for any more."""

    def __init__(self, path: Path) -> None:
        self._db: Database | None = Database(path, "", derived=True) if path.is_file() else None
        self._served = 0

    def get(self, texts: dict[bytes, str], size: int) -> dict[bytes, tuple[Any, ...]]:
        """Today's key -> (dense, indices, weights, cut, milliseconds) of the texts that it holds.

        Args:
            texts: today's key -> text.
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
                # One vector's blob: its length, its indices, its values, four bytes each.
                middle = 4 + (len(sparse) - 4) // 2 if sparse is not None else 0
                indices, weights = (sparse[4:middle], sparse[middle:]) if sparse is not None else (None, None)
                found[keys[old]] = (dense, indices, weights, cut, 0.0)
        self._served += len(found)
        return found

    def close(self) -> None:
        """Let go of it; what no run asks for any more is deleted."""
        if self._db is None:
            return
        if self._served == 0:
            self._db.remove()
            self._db = None
        else:
            self._db.close()
        self._served = 0
