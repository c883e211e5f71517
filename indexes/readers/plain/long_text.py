"""Long text files (.txt .text .log) in parts, so that the reader's memory does not grow with them.

The file is read twice: first to check that it is UTF-8 text and to find its headings, then to pass it on. The result is
that of ``text.read``. Other encodings and formats are read as a whole.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexes.errors import ReaderError
from indexes.readers import OnSkip, read_streams
from indexes.readers.decode import CONTROL, CONTROL_SHARE
from indexes.readers.outline import Section
from indexes.readers.plain.text import Mark, chapters, sections_of
from indexes.readers.properties import file_metadata
from indexes.readers.source_file import SourceFile, printable
from indexes.readers.stream import DocumentStream, Part
from indexes.settings.sections import ReadSettings
from indexes.text.invisible import safe_cut, without_invisible

LONG_BYTES = 4 << 20  # shorter files are read as a whole
BLOCK_BYTES = 1 << 18
_SUFFIXES = (".txt", ".text", ".log")
_LINE = 256  # characters; a longer line is not a heading


def read_parts(path: Path, *, settings: ReadSettings, on_skip: OnSkip) -> Iterator[DocumentStream]:
    """Read a file as ``read_streams`` does, but long text files part by part.

    >>> _ = (folder / "a.txt").write_text("It rains.")
    >>> [read.document().text for read in read_parts(folder / "a.txt", settings=ReadSettings(), on_skip=print)]
    ['It rains.']

    Raises:
        SourceError, ReaderError, SettingsError: as for ``read_file``.
    """
    stream = _stream(path, settings) if path.suffix.lower() in _SUFFIXES else None
    if stream is None:
        yield from read_streams(path, settings=settings, on_skip=on_skip)
    else:
        yield stream


def _stream(path: Path, settings: ReadSettings) -> DocumentStream | None:
    """Return a long text file as a stream; None if ``read_file`` must read it or report why it cannot."""
    if printable(path) != str(path) or settings.encoding not in (None, "utf-8", "UTF-8", "utf8"):
        return None
    try:
        if not path.is_file() or path.stat().st_size < LONG_BYTES:
            return None
        survey = _Survey(headings=path.suffix.lower() != ".log")
        with path.open("rb") as file:
            for text in _texts(file.read):
                survey.add(text)
        survey.add("", last=True)
    except (OSError, UnicodeDecodeError):
        return None
    if not survey.is_text:
        return None
    source = path.resolve().as_posix()
    metadata: dict[str, Any] = {"source": source, "title": path.stem}
    metadata |= file_metadata(SourceFile(str(path), path=path), source, "text", {})
    sections = sections_of(survey.length, survey.marks)
    return DocumentStream(source, metadata, _parts(path, sections))


def _parts(path: Path, sections: list[Section]) -> Iterator[Part]:
    at = first = 0
    try:
        with path.open("rb") as file:
            for text in _texts(file.read):
                last = first
                while last < len(sections) and sections[last].start < at + len(text):
                    last += 1
                yield Part(text, sections[first:last])
                first, at = last, at + len(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ReaderError(f"'{path}' was changed while it was read ({error})", remedy="run again") from error


def _texts(read: Callable[[int], bytes]) -> Iterator[str]:
    """Yield the text block by block, without byte order mark and invisible characters.

    Raises:
        UnicodeDecodeError: the file is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    kept = ""
    while block := read(BLOCK_BYTES):
        text = kept + decoder.decode(block)
        cut = safe_cut(text)
        kept = text[cut:]
        if text := without_invisible(text[:cut]):
            yield text
    if text := kept + decoder.decode(b"", final=True):
        yield without_invisible(text)


@dataclass(slots=True)
class _Survey:
    """Facts about the whole text that are needed before its first part is passed on."""

    headings: bool
    length: int = 0
    marks: list[Mark] = field(default_factory=list)
    _controls: int = 0
    _binary: bool = False
    _words: bool = False
    _kept: str = ""  # the last lines of the text so far, and one character before them
    _fresh: int = 0  # start of the part of ``_kept`` that was not searched for headings yet

    @property
    def is_text(self) -> bool:
        return self._words and not self._binary and self._controls * CONTROL_SHARE <= self.length

    def add(self, text: str, *, last: bool = False) -> None:
        self._controls += len(CONTROL.findall(text))
        self._words = self._words or bool(text.strip())
        self._kept += text
        self._binary = self._binary or "\0" in text or "\x1b$" in self._kept
        self.length += len(text)
        base = self.length - len(self._kept)
        # Search up to the beginning of a line whose neighbours are all present.
        stop = len(self._kept) if last else self._kept.rfind("\n", 0, max(len(self._kept) - _LINE, 0)) + 1
        stop = max(stop, self._fresh, 0 if last else len(self._kept) - 2 * _LINE)
        if self.headings:
            found = chapters(self._kept, self._fresh)
            self.marks += [
                (base + start, base + end, level, title) for start, end, level, title in found if start < stop
            ]
        cut = max(stop - 2, 0)
        self._kept, self._fresh = self._kept[cut:], stop - cut
