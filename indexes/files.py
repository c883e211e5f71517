"""The one way to write a file or folder whole or not at all: beside its place, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from indexes.errors import DiskSpaceError, StoreError

PART = ".part"  # behind the name of what is being written


@contextmanager
def beside(target: Path, *, durable: bool = False, keep: bool = False) -> Iterator[Path]:
    """The place to write to; renamed to ``target`` when the block ends, removed if it fails. A reader of ``target``
    sees the old one or the new one, and a killed writer leaves no half of it under that name.

    Args:
        target: a file or a folder; one that exists is replaced. Its folder is made.
        durable: the content is on the disk before the rename, and the rename when this returns (``fsync``).
        keep: what an interrupted or failed writer left is kept, to be continued.
    """
    part = target.with_name(target.name + PART)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not keep:
        remove(part)
    try:
        yield part
        if durable:
            _sync(part)
        if target.is_dir():
            remove(target)  # a folder cannot be renamed over another
        part.replace(target)
        if durable:
            _sync(target.parent)
    except BaseException:
        if not keep:
            remove(part)
        raise


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this account alone (0700); one that exists stays."""
    if not folder.is_dir():
        if folder.parent != folder:
            private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_private(folder: Path, names: Iterable[str]) -> None:
    """Close what an earlier version made in ``folder`` under these names to other accounts: once, so that who opens it
    again on purpose is left alone."""
    mark = folder / ".private"
    if os.name == "nt" or not folder.is_dir() or mark.exists() or is_read_only(folder):
        return
    with suppress(OSError):  # of another account: it is theirs to close
        for place in (folder / name for name in names):
            for one in [place, *place.rglob("*")] if place.exists() else []:
                mode = stat.S_IMODE(one.lstat().st_mode)
                if mode & 0o077 and not one.is_symlink():
                    one.chmod(mode & 0o700)
        mark.touch(mode=0o600)


def write_whole(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a file whole or not at all (``beside``); text is UTF-8 with its line ends as they are."""
    with beside(path, durable=durable) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def write_json(path: Path, value: object, *, durable: bool = False, indent: int = 1) -> None:
    """Write JSON whole or not at all, readable by people."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=indent) + "\n", durable=durable)


def remove(place: Path) -> None:
    """Delete a file or a folder with what it holds, if it exists."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder; the holes of its files stay holes."""
    for place in [source, *sorted(source.rglob("*"))]:
        there = target / place.relative_to(source)
        if place.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif place.is_file():
            _copy_file(place, there)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        at, size = 0, os.fstat(old.fileno()).st_size
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
                end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            except AttributeError:  # Windows
                end = size
            except OSError:  # nothing but a hole behind here
                break
            old.seek(at)
            new.seek(at)
            while at < end and (block := old.read(min(end - at, 1 << 20))):
                new.write(block)
                at += len(block)
        new.truncate(size)


def sync_files(folder: Path) -> None:
    """Bring every file of a folder, and the folders themselves, onto the disk."""
    for place in [folder, *folder.rglob("*")]:
        if place.is_file() or place.is_dir():
            _sync(place)


def is_read_only(folder: Path) -> bool:
    """True where an existing folder lies on a disk that can only be read, or may not be written into."""
    return folder.is_dir() and not os.access(folder, os.W_OK)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about writing ``path`` into ours.

    Raises:
        DiskSpaceError: the disk is full.
        StoreError: it cannot be written for another reason, which the message names.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskSpaceError(
                f"the disk is full: {path} cannot be written",
                remedy="free disk space and run it again; what was acknowledged is kept",
            ) from error
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error})", remedy="check the folder and its permissions"
        ) from error


def _sync(place: Path) -> None:
    """On Windows a folder cannot be opened, and needs no sync."""
    if place.is_dir() and os.name == "nt":
        return
    descriptor = os.open(place, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
