"""A file that is being fetched, in pieces that are verified before a later run resumes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from indexes.errors import DiskSpaceError, LLMError
from indexes.lock import try_lock

BLOCK = 1 << 20
RESERVE = 200_000_000  # bytes of the disk kept free


class PartialFile:
    """``NAME.gguf.XXXXXXXX.partial`` and, beside it, a line per complete piece: its name, size and SHA-256.

    Opening reads the pieces again, keeps those that match their lines, and cuts off the rest.

    >>> file = folder / "mine.gguf"
    >>> with PartialFile(file, "https://hub.example/mine.gguf") as partial:
    ...     partial.add("0", [b"GGUF", b" and weights"])
    >>> with PartialFile(file, "https://hub.example/mine.gguf") as partial:  # after an interruption
    ...     partial.size, partial.pieces, partial.finish(partial.digest, {"source": "a hub"}), file.exists()
    (16, ['0'], True, True)

    Args:
        target: the file that it becomes.
        origin: where the pieces come from; each origin has its own file, so that trying one loses nothing of another.

    Raises:
        LLMError: another process is fetching the same file.
    """

    def __init__(self, target: Path, origin: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self.target, self.origin = target, origin
        self.path, self._log = partial_paths(target, origin)
        self._file = self.path.open("a+b")
        if not try_lock(self._file.fileno()):
            self._file.close()
            raise LLMError(
                f"another process is fetching {target.name}", remedy="wait for it, or stop it and start again"
            )
        self._hash = hashlib.sha256()
        self.pieces: list[str] = []
        self.size = 0
        self._check(origin)

    def add(self, name: str, blocks: Iterable[bytes]) -> None:
        """Append a piece; it counts only once it is complete."""
        piece, start = hashlib.sha256(), self.size
        try:
            for block in blocks:
                self._file.write(block)
                piece.update(block)
                self._hash.update(block)
                self.size += len(block)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _full_disk(self.path, error) from error
        self.pieces.append(name)
        self._write({"piece": name, "size": self.size - start, "sha256": piece.hexdigest()})

    def finish(self, sha256: str, note: dict[str, Any]) -> bool:
        """Move the file to its place if it has the hash; else delete it and return False."""
        if self._hash.hexdigest() != sha256 or self._head() != b"GGUF":
            self.discard()
            return False
        self.target.with_suffix(".json").write_text(json.dumps({"sha256": sha256, **note}), encoding="utf-8")
        self.path.replace(self.target)
        for left in (*self.target.parent.glob(f"{self.target.name}.*.partial"), self._log):
            left.unlink(missing_ok=True)
            left.with_suffix(".pieces").unlink(missing_ok=True)
        return True

    def clear(self) -> None:
        """Start again from nothing."""
        self._restart(self.origin)
        self._hash, self.pieces, self.size = hashlib.sha256(), [], 0

    def discard(self) -> None:
        """Delete the file and its list of pieces."""
        self.path.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the file so far."""
        return self._hash.hexdigest()

    def need(self, size: int) -> None:
        """Refuse to begin if the disk cannot hold the rest.

        Raises:
            DiskSpaceError: too little space is free.
        """
        needed, free = size - self.size + RESERVE, shutil.disk_usage(self.path.parent).free
        if free < needed:
            raise DiskSpaceError(
                f"{self.path.parent} has {free / 1e6:,.0f} MB free, and {needed / 1e6:,.0f} MB are needed for "
                f"{self.target.name}",
                remedy="free some space, or set XDG_CACHE_HOME to a folder on a larger disk",
            )

    def _check(self, origin: str) -> None:
        lines = self._lines()
        if not lines or lines[0] != {"origin": origin}:
            self._restart(origin)
            return
        self._file.seek(0)
        good: list[dict[str, Any]] = [lines[0]]
        for line in lines[1:]:
            piece, whole, left = hashlib.sha256(), self._hash.copy(), int(line["size"])
            while left and (block := self._file.read(min(BLOCK, left))):
                piece.update(block)
                whole.update(block)
                left -= len(block)
            if left or piece.hexdigest() != line["sha256"]:
                break
            self._hash = whole
            self.size += int(line["size"])
            self.pieces.append(str(line["piece"]))
            good.append(line)
        self._file.seek(self.size)
        self._file.truncate()
        if len(good) < len(lines):
            self._log.write_text("".join(json.dumps(line) + "\n" for line in good), encoding="utf-8")

    def _restart(self, origin: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._log.write_text(json.dumps({"origin": origin}) + "\n", encoding="utf-8")

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self._log.read_text(encoding="utf-8")
            return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        except (OSError, ValueError):
            return []

    def _write(self, line: dict[str, Any]) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def _head(self) -> bytes:
        self._file.seek(0)
        head = self._file.read(4)
        self._file.seek(0, os.SEEK_END)
        return head

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def partial_paths(target: Path, origin: str) -> tuple[Path, Path]:
    """Return the file of an origin's pieces, and the file of their lines.

    >>> [path.name for path in partial_paths(Path("mine.gguf"), "https://hub.example/mine.gguf")]
    ['mine.gguf.c6fb863c.partial', 'mine.gguf.c6fb863c.pieces']
    """
    word = hashlib.sha256(origin.encode()).hexdigest()[:8]
    return target.with_name(f"{target.name}.{word}.partial"), target.with_name(f"{target.name}.{word}.pieces")


def _full_disk(path: Path, error: OSError) -> DiskSpaceError:
    """Return the error for a file that cannot be written."""
    return DiskSpaceError(
        f"{path} cannot be written ({error.strerror})",
        remedy="free some space, or set XDG_CACHE_HOME to a folder on a larger disk; the next run resumes the download",
    )
