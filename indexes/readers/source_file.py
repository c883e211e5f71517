"""SourceFile: what a reader is given, a file on disk or a member of an archive, with the settings of reading."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from indexes.errors import SettingsError
from indexes.settings.sections import ReadSettings

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
        unpacked: bytes unpacked so far, one count for an archive and all archives in it.
        left_out: how often each kind of text was left out on purpose, for one note.
    """

    name: str
    path: Path | None = None
    data: bytes = b""
    settings: ReadSettings = field(default_factory=ReadSettings)
    ocr: Ocr | None = None
    depth: int = 0
    notes: list[str] = field(default_factory=list)
    unpacked: list[int] = field(default_factory=lambda: [0])
    left_out: Counter[str] = field(default_factory=Counter)

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

    def leave_out(self, kind: str, count: int = 1) -> None:
        """Count text that is left out on purpose ("struck-through passage"); ``all_notes`` reports the counts."""
        self.left_out[kind] += count

    def all_notes(self) -> list[str]:
        """The notes, and one on what was left out."""
        counts = [f"{count} {_plural(kind, count)}" for kind, count in sorted(self.left_out.items()) if count]
        return [*self.notes, f"left out: {', '.join(counts)}"] if counts else list(self.notes)


def _plural(kind: str, count: int) -> str:
    """ "hidden passages", "readings of characters": the first noun of the two takes the s."""
    noun, of, rest = kind.partition(" of ")
    return kind if count == 1 else f"{noun}s{of}{rest}"


def printable(path: Path) -> str:
    r"""A path as it can be shown and stored; bytes of its name that are not UTF-8 appear as \xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def shown_name(label: str) -> str:
    """The name of a member with U+FFFD in the place of what nobody sees, or what steers a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in label)


def apart(label: str, taken: set[str]) -> str:
    """A member's name, or that name with a number where another member has it already; it is ``taken`` then."""
    stem, dot, suffix = label.rpartition(".")
    dot = "" if "/" in suffix else dot
    name, number = label, 1
    while name in taken:
        number += 1
        name = f"{stem} ({number}){dot}{suffix}" if dot else f"{label} ({number})"
    taken.add(name)
    return name


def load_ocr(name: str | None) -> Ocr | None:
    """The function that ``read.ocr`` names, as "module:function"; "tesseract" is the program of that name.

    Raises:
        SettingsError: there is no such function.
    """
    if not name:
        return None
    if name == "tesseract":
        from indexes.readers.ocr import Tesseract

        return Tesseract()
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"read.ocr names '{name}', which cannot be loaded ({error})",
            remedy="name an installed function as module:function, or tesseract for the program",
        ) from error
    if not callable(found):
        raise SettingsError(f"read.ocr names '{name}', which is not a function", remedy="write it as module:function")
    return cast(Ocr, found)
