# ruff: noqa: PTH116, PTH119, PTH122
# Path objects cost more than the stat itself, and names need not be UTF-8.
"""Find the files of a run by name and stat; everything unusual in the file system is reported."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import SourceError
from indexes.readers import SUFFIXES


@dataclass(frozen=True, slots=True)
class FoundFile:
    r"""A file to consider.

    >>> FoundFile("/docs/Notes.MD", "/docs/Notes.MD", 9, 1).suffix
    '.md'

    Args:
        path: path for the operating system, links resolved.
        source: ``path`` as text that can be stored; bytes that are not UTF-8 become ``\xe9``.
    """

    path: str
    source: str
    size: int
    mtime_ns: int

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.path)[1].lower()


def source_name(path: str) -> str:
    """Return a path as text for a store or a JSON file; UTF-8 names, such as Chinese ones, are unchanged.

    >>> source_name("docs/手册.md")
    'docs/手册.md'
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def changed_at(status: os.stat_result) -> int:
    """Return the time of the last change in ns as 64 bits; dates after 2262 (from a wrong clock) wrap around.

    Never 0, which stands for Documents and nodes.

    >>> from types import SimpleNamespace
    >>> changed_at(SimpleNamespace(st_mtime_ns=1_700_000_000_000_000_000)), changed_at(SimpleNamespace(st_mtime_ns=0))
    (1700000000000000000, 1)
    """
    return (status.st_mtime_ns + (1 << 63)) % (1 << 64) - (1 << 63) or 1


class FileWalk:
    """Iterates over the readable files in ``paths`` and their sub-folders, each once, sorted within a folder.

    Hidden files and folders inside a folder are left out. Links are resolved, so that a file has one name; links out of
    the given folders are reported and not followed.

    >>> for name in ("b.md", "a.md", "logo.png", ".hidden.md"):
    ...     (folder / name).touch()
    >>> walk = FileWalk([folder], on_skip=print, on_ignored=print)
    >>> [Path(found.path).name for found in walk]
    .png
    ['a.md', 'b.md']

    Args:
        paths: files and folders.
        on_skip: called with a path that is not read, and the reason.
        on_ignored: called with the kind (".png") of a file without a reader.
        follow_links: follow links out of the given folders.
        leave_out: folder to leave out: the store itself.

    Raises:
        SourceError: a path does not exist, or a named file is of a format that is not read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        on_skip: Callable[[str, str], object],
        on_ignored: Callable[[str], object],
        follow_links: bool = False,
        leave_out: Path | None = None,
    ) -> None:
        self._leave_out = None if leave_out is None else os.path.realpath(leave_out)
        self._on_skip, self._on_ignored, self._follow = on_skip, on_ignored, follow_links
        self.files: list[str] = []
        self.folders: list[str] = []
        for path in paths:
            folder, resolved = named(path)
            (self.folders if folder else self.files).append(resolved)
        self._seen: set[str] = set()
        self._visited: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[FoundFile]:
        for path in self.files:
            try:
                yield from self._file(path, os.stat(path))
            except OSError as error:
                self._on_skip(path, f"{path!r} cannot be looked at ({error.strerror}); check it")
        for folder in self.folders:
            yield from self._folder(folder)

    def covers(self, path: str) -> bool:
        """Return whether a path is one of the given paths or in one of them."""
        return path in self.files or any(path.startswith(folder.rstrip("/") + "/") for folder in self.folders)

    def _folder(self, folder: str) -> Iterator[FoundFile]:
        try:
            identity = os.stat(folder)
            if (identity.st_dev, identity.st_ino) in self._visited:
                return
            self._visited.add((identity.st_dev, identity.st_ino))
            with os.scandir(folder) as entries:
                found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            self._on_skip(folder, f"the folder {folder!r} may not be opened ({error.strerror}); check its permissions")
            return
        inner = []
        for entry in found:
            try:
                if entry.is_symlink():
                    yield from self._link(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    if entry.path != self._leave_out:
                        inner.append(entry.path)
                elif os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
                    self._on_ignored(os.path.splitext(entry.name)[1].lower() or entry.name)
                else:
                    yield from self._file(entry.path, entry.stat(follow_symlinks=False))
            except OSError as error:
                self._on_skip(entry.path, f"{entry.path!r} cannot be looked at ({error.strerror}); check it")
        for path in inner:
            yield from self._folder(path)

    def _file(self, path: str, status: os.stat_result) -> Iterator[FoundFile]:
        if not stat.S_ISREG(status.st_mode):
            self._on_skip(path, f"{path!r} is not a regular file (a pipe, socket or device); leave it out")
        elif path not in self._seen:
            self._seen.add(path)
            yield FoundFile(path, source_name(path), status.st_size, changed_at(status))

    def _link(self, path: str) -> Iterator[FoundFile]:
        try:
            status = os.stat(path)
        except OSError as error:
            circle = error.errno == errno.ELOOP
            what = "leads in a circle" if circle else "leads to nothing" if error.errno == errno.ENOENT else "is closed"
            self._on_skip(path, f"{path!r} is a link that {what}; remove it or mend it")
            return
        target = os.path.realpath(path)
        folder = stat.S_ISDIR(status.st_mode)
        if not folder and os.path.splitext(target)[1].lower() not in SUFFIXES:
            self._on_ignored(os.path.splitext(target)[1].lower() or os.path.basename(target))
        elif not self._follow and not self.covers(target) and target not in self.folders:
            self._on_skip(
                path,
                f"{path!r} is a link to {target!r}, outside the folders given; name that too, or set "
                "ingest.follow_links = true",
            )
        elif not folder:
            yield from self._file(target, status)
        elif self.covers(target) or target in self.folders:
            self._on_ignored("links to folders read anyway")  # this also ends circles
        else:
            yield from self._folder(target)


def named(path: Path) -> tuple[bool, str]:
    """Return whether a path named by the user is a folder, and its resolved form.

    >>> _ = (folder / "guide.md").write_text("Guide", encoding="utf-8")
    >>> named(folder / "guide.md")[0]
    False

    Raises:
        SourceError: it does not exist, is not accessible, or is a file of a format that is not read.
    """
    shown = source_name(str(path))
    try:
        is_folder, resolved = stat.S_ISDIR(os.stat(path).st_mode), os.path.realpath(path)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise SourceError(f"there is no file or folder '{shown}'", remedy="check the path") from error
    except OSError as error:
        remedy = "check its name, its permissions and those of the folders above it"
        raise SourceError(f"'{shown}' cannot be opened ({error.strerror})", remedy=remedy) from error
    if not is_folder and path.suffix.lower() not in SUFFIXES:
        known = " ".join(sorted(SUFFIXES))
        raise SourceError(f"'{shown}' is of a format that is not read", remedy=f"formats are: {known}")
    return is_folder, resolved
