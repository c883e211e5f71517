"""SourceFile: the input of a reader, a file on the disk or a member of an archive, with the settings of reading."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from indexes.display import counted
from indexes.errors import SettingsError
from indexes.settings.sections import ReadSettings

Ocr = Callable[[Any], str]  # PIL image of a page -> its text


@dataclass(slots=True)
class SourceFile:
    """A file to read. ``str()`` returns its name for messages.

    >>> file = SourceFile("docs.zip!/notes/A.MD", data=b"It rains.")
    >>> file.suffix, file.stem, file.read_bytes()
    ('.md', 'A', b'It rains.')
    >>> file.leave_out("struck-through passage")
    >>> file.all_notes()
    ['left out: 1 struck-through passage']

    Args:
        name: path for messages; for a member of an archive ``archive.zip!/folder/member.txt``.
        path: path on the disk; None for a member.
        data: bytes of a member.
        settings: options of reading.
        ocr: function that reads pictures of text; default: none.
        depth: number of archives around it.
        notes: sentences about the reading, for the report; readers add theirs.
        unpacked: bytes unpacked so far, counted over an archive and all archives in it.
        left_out: number of passages left out on purpose, by kind, for one note.
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
        """Open the bytes as a seekable stream."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def read_bytes(self) -> bytes:
        return self.data if self.path is None else self.path.read_bytes()

    def password(self) -> str | None:
        """Return the password from the environment, None without one. It never appears in a message."""
        return os.environ.get(self.settings.password_env) or None

    def note(self, sentence: str) -> None:
        """Add a sentence to the report, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def leave_out(self, kind: str, count: int = 1) -> None:
        """Count text left out on purpose ("struck-through passage"); ``all_notes`` reports the counts."""
        self.left_out[kind] += count

    def all_notes(self) -> list[str]:
        """Return the notes, with one on the text that was left out."""
        counts = [counted(count, kind) for kind, count in sorted(self.left_out.items()) if count]
        return [*self.notes, f"left out: {', '.join(counts)}"] if counts else list(self.notes)


def printable(path: Path) -> str:
    r"""Return a path in a form that can be shown and stored; bytes that are not UTF-8 become \xNN.

    >>> printable(Path("notes/a.md"))
    'notes/a.md'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def shown_name(label: str) -> str:
    r"""Replace invisible characters and those that steer a terminal in a member's name by U+FFFD.

    >>> shown_name("a\x1b.md")
    'a\ufffd.md'
    """
    return "".join(char if char.isprintable() else "\ufffd" for char in label)


def apart(label: str, taken: set[str]) -> str:
    """Return a member's name, with a number if it is ``taken``, and add it to ``taken``.

    >>> apart("a.md", {"a.md"})
    'a (2).md'
    """
    stem, dot, suffix = label.rpartition(".")
    dot = "" if "/" in suffix else dot
    name, number = label, 1
    while name in taken:
        number += 1
        name = f"{stem} ({number}){dot}{suffix}" if dot else f"{label} ({number})"
    taken.add(name)
    return name


def load_ocr(name: str | None) -> Ocr | None:
    """Load the function that ``read.ocr`` names as "module:function"; "tesseract" is the program of that name.

    >>> load_ocr("os.path:basename")("page.png")
    'page.png'

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
