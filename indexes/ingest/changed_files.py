# ruff: noqa: PTH116, PTH122, PTH123
# Path objects cost more than the stat itself, and names need not be UTF-8.
"""Planner: find the files that need work, by their stat and, if that changed, by their content.

Nothing else is read or written, so that a dry run uses the same code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexes.display import counted
from indexes.errors import SourceError
from indexes.ingest.report import FileReport, IngestReport
from indexes.ingest.walk_files import FileWalk, FoundFile, changed_at, source_name
from indexes.manifest.manifest import Copy, Entry, Manifest
from indexes.manifest.moves import Move
from indexes.manifest.roots import Roots


@dataclass(frozen=True, slots=True)
class ReadJob:
    """A file to read: new, changed, or read with other settings before."""

    found: FoundFile
    content: str
    known: list[Entry]


class FilePlanner:
    """Compares files with the manifest.

    After ``jobs``: ``touched`` are documents whose file has a new stat and the same content, ``copies`` files with the
    content of another file, ``moves`` renamed files, ``gone`` documents whose file no longer exists, by file.

    >>> _ = (folder / "a.md").write_text("It rains.")
    >>> planner = FilePlanner(Manifest(":memory:"), "r1", IngestReport(), Roots([]))
    >>> [(Path(job.found.source).name, job.known) for job in planner.jobs([folder])]
    [('a.md', [])]

    Args:
        recipe: recipe of this run; documents with another recipe are read again.
        report: receives the files that need no work.
        by_name: called with old path, new path and documents of a renamed file; whether their vectors depend on the
            name, so that the file must be read.
        follow_links, leave_out: as for ``FileWalk``.
        notify: called with the path before each file.
    """

    def __init__(
        self,
        manifest: Manifest,
        recipe: str,
        report: IngestReport,
        roots: Roots,
        *,
        by_name: Callable[[str, str, Sequence[Entry]], bool] = lambda old, new, entries: False,
        follow_links: bool = False,
        leave_out: Path | None = None,
        notify: Callable[[str, int], None] = lambda path, total: None,
    ) -> None:
        self._recipe, self._report, self._follow, self._notify = recipe, report, follow_links, notify
        self._leave_out, self._roots, self._by_name = leave_out, roots, by_name
        self._there: set[str] = set()  # files found
        self._holders: dict[str, list[str]] = {}  # content -> files with it, whatever their recipe
        self._known: dict[str, list[Entry]] = {}
        self._owners: dict[tuple[str, str], str] = {}  # (content, suffix) -> file under which it is stored
        self._pending: dict[str, str] = {}  # files read in this run -> content
        for entry in manifest:
            self._known.setdefault(entry.source, []).append(entry)
            if entry.mtime_ns and entry.source not in self._holders.setdefault(entry.content, []):
                self._holders[entry.content].append(entry.source)
            if entry.recipe == recipe and entry.mtime_ns:
                self._owners.setdefault((entry.content, _suffix(entry.source)), entry.source)
        self._copies = {copy.path: copy for copy in manifest.copies()}
        self._faults = manifest.faults()
        self.touched: list[tuple[str, int, int]] = []
        self.copies: list[Copy] = []
        self.moves: list[Move] = []
        self.gone: dict[str, list[str]] = {}
        self.total = 0
        self.bytes_left = 0  # of the files after the current one

    def jobs(self, paths: Sequence[Path], *, prune: bool = False) -> Iterator[ReadJob]:
        """Yield the files among ``paths`` that need work, in order.

        Raises:
            SourceError: a path does not exist or is of a format that is not read, or ``prune`` would remove everything.
        """
        walk = FileWalk(
            paths,
            on_skip=lambda path, reason: self._report.skip(
                source_name(path), reason.encode("utf-8", "backslashreplace").decode("utf-8")
            ),
            on_ignored=self._report.ignore,
            follow_links=self._follow,
            leave_out=self._leave_out,
        )
        files = list(walk)
        self.total = len(files)
        self.bytes_left = sum(found.size for found in files)
        self._there = {found.source for found in files}
        if prune:
            self._find_gone(walk)
        for found in files:
            self.bytes_left -= found.size
            self._notify(found.source, self.total)
            yield from self._decide(found)
        self._report.files += [FileReport(source, "removed") for source in sorted(self.gone)]

    def again(self, path: str) -> Iterator[ReadJob]:
        """Yield the job for a file whose content was stored under another file, now deleted or changed."""
        self._copies.pop(path, None)
        self._report.files = [file for file in self._report.files if file.path != path]
        try:
            status = os.stat(path)
        except OSError:
            return
        yield from self._decide(FoundFile(path, path, status.st_size, changed_at(status)))

    def forget_owner(self, source: str) -> None:
        """Record that nothing is stored under this file any more."""
        self._owners = {key: owner for key, owner in self._owners.items() if owner != source}

    def _decide(self, found: FoundFile) -> Iterator[ReadJob]:
        known = self._known.get(found.source, [])
        copy = self._copies.get(found.source)
        stat = (found.size, found.mtime_ns)
        current = bool(known) and all(entry.recipe == self._recipe for entry in known)
        if current and all((entry.size, entry.mtime_ns) == stat for entry in known):
            self._same(found, known)
            return
        if copy and not known and (copy.size, copy.mtime_ns) == stat and not self._has_left(copy.source):
            self._duplicate(found, copy.source)
            return
        try:
            content = _hash_file(found.path)
        except OSError as error:
            what = "has vanished" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            self._report.skip(found.source, f"{found.source} {what}; check that it exists and may be read")
            return
        if current and all(entry.content == content for entry in known):
            self.touched += [(entry.doc_id, found.size, found.mtime_ns) for entry in known]
            known = [replace(entry, size=found.size, mtime_ns=found.mtime_ns) for entry in known]
            self._known[found.source] = known
            self._same(found, known)
            return
        owner = self._owner(found, content)
        if owner is not None:
            self.copies.append(Copy(found.source, owner, content, found.size, found.mtime_ns))
            self._duplicate(found, owner)
            return
        left = self._left(found, content)
        if left is not None:
            before = self._known.pop(left)
            self.gone.pop(left, None)
            self._holders[content].remove(left)
            whole = all(entry.recipe == self._recipe and entry.content == content for entry in before)
            kept = whole and not known and _suffix(left) == found.suffix
            if kept and not self._by_name(left, found.source, before):
                self._move(found, left, before)
                return
            known = [*known, *before]
        self._owners[content, found.suffix] = found.source
        self._pending[found.source] = content
        yield ReadJob(found, content, known)

    def _move(self, found: FoundFile, left: str, before: list[Entry]) -> None:
        move = Move(tuple(before), found.source, found.size, found.mtime_ns, self._roots.place(found.source))
        self.moves.append(move)
        self._known[found.source] = move.new
        self._owners[before[0].content, found.suffix] = found.source
        self._holders[before[0].content].append(found.source)
        self._copies.pop(found.source, None)
        for path, copy in self._copies.items():
            if copy.source == left:
                self._copies[path] = replace(copy, source=found.source)
        count = sum(entry.sentences for entry in before)
        self._report.files.append(FileReport(found.source, "moved", sentences=count, reason=f"was {left}"))

    def _left(self, found: FoundFile, content: str) -> str | None:
        """Return the file with this content that is no longer there, and so was renamed to ``found``."""
        holders = [source for source in self._holders.get(content, ()) if source in self._known]
        left = [source for source in holders if source != found.source and self._has_left(source)]
        same = [source for source in left if _suffix(source) == found.suffix]
        return next(iter(same or left), None) if found.size else None

    def _has_left(self, source: str) -> bool:
        return source not in self._there and _is_gone(source)

    def _owner(self, found: FoundFile, content: str) -> str | None:
        """Return the file under which this content is stored, if that file still has it."""
        owner = self._owners.get((content, found.suffix))
        if owner is None or owner == found.source or not found.size:
            return None
        if owner in self._pending:
            return owner if self._pending[owner] == content else None
        if owner not in self._known:  # renamed, with another suffix
            return None
        entry = self._known[owner][0]
        try:
            status = os.stat(owner)
        except OSError:
            return None
        return owner if (status.st_size, changed_at(status)) == (entry.size, entry.mtime_ns) else None

    def _find_gone(self, walk: FileWalk) -> None:
        there = self._there
        for source, entries in self._known.items():
            if source not in there and walk.covers(source) and entries[0].mtime_ns and _is_gone(source):
                self.gone[source] = [entry.doc_id for entry in entries]
        for path in self._copies:
            if path not in there and walk.covers(path) and _is_gone(path):
                self.gone.setdefault(path, [])
        if self.gone and not there:
            raise SourceError(
                f"no file is left in {', '.join(walk.folders)}, and "
                f"{counted(len(self.gone), 'file', verb='are')} indexed from there",
                remedy="check that the folder is mounted; 'rag delete FOLDER' removes them all",
            )

    def _same(self, found: FoundFile, known: list[Entry]) -> None:
        """Handle an unchanged file; another file may have got the same content, and both are stored."""
        content = known[0].content
        owner = self._owner(found, content)
        if owner is None or any(entry.content != content for entry in known):
            self._unchanged(found, known)
            return
        self.copies.append(Copy(found.source, owner, content, found.size, found.mtime_ns))
        self._duplicate(found, owner)

    def _unchanged(self, found: FoundFile, known: list[Entry]) -> None:
        count = sum(entry.sentences for entry in known)
        self._report.files.append(FileReport(found.source, "unchanged", sentences=count))
        for member, reason in self._faults.get(found.source, ()):
            self._report.skip(member, reason)

    def _duplicate(self, found: FoundFile, owner: str) -> None:
        self._report.files.append(
            FileReport(found.source, "duplicate", reason=f"has the content of {owner} and is stored with it")
        )


def _is_gone(source: str) -> bool:
    """Return whether a file certainly does not exist; for files in an inaccessible folder that is not known."""
    try:
        os.lstat(source)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _hash_file(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _suffix(source: str) -> str:
    return os.path.splitext(source)[1].lower()
