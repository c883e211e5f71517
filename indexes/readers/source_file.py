"""SourceFile: what a reader is given, a file on disk or a member of an archive, with the settings of reading."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from indexes.settings import ReadSettings

Ocr = Callable[[Any], str]  # takes a PIL image of a page, returns its text


@dataclass(slots=True)
class SourceFile:
    """One file to read. ``str()`` gives its name for messages.

    Args:
        name: path as messages show it; for a member of an archive ``archive.zip!/folder/member.txt``.
        path: where it lies on disk; None for a member.
        data: the bytes of a member.
        settings: options of reading.
        ocr: what to do with pictures of text; default: nothing.
        depth: how many archives it lies in.
        notes: sentences about the reading, for the report; readers add theirs.
    """

    name: str
    path: Path | None = None
    data: bytes = b""
    settings: ReadSettings = ReadSettings()
    ocr: Ocr | None = None
    depth: int = 0
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    def open(self) -> BinaryIO:
        """The bytes from the beginning, seekable."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def read_bytes(self) -> bytes:
        return self.data if self.path is None else self.path.read_bytes()

    def password(self) -> str | None:
        """The password that the user has put into the environment, None without one. It never enters a message."""
        return os.environ.get(self.settings.password_env) or None

    def note(self, sentence: str) -> None:
        """Remember something for the report; the same sentence once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def printable(path: Path) -> str:
    """A path as it can be shown and stored; bytes of its name that are not UTF-8 appear as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
