"""Write files and folders atomically: beside their place, then renamed."""

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

PART = ".part"  # suffix while writing


@contextmanager
def beside(target: Path, *, durable: bool = False, keep: bool = False) -> Iterator[Path]:
    """Provide a path to write to, which is renamed to ``target`` when the block ends, or removed if it fails.

    A reader of ``target`` sees the old or the new version, and a killed writer leaves no incomplete one.

    >>> _ = (folder / "a.json").write_text("old")
    >>> with beside(folder / "a.json") as part:
    ...     _ = part.write_text("new")
    ...     print((folder / "a.json").read_text())
    old
    >>> (folder / "a.json").read_text(), [path.name for path in folder.iterdir()]
    ('new', ['a.json'])

    Args:
        target: a file or a folder; an existing one is replaced. Its folder is created.
        durable: write the content to the disk before the rename, and the rename before returning (``fsync``).
        keep: keep what an interrupted or failed writer left, to continue it.
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
    """Create a folder and its missing parents for this account only (0700); an existing folder stays unchanged.

    >>> private_folder(folder / "store" / "guide")
    >>> oct((folder / "store").stat().st_mode & 0o777)
    '0o700'
    """
    if not folder.is_dir():
        if folder.parent != folder:
            private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_private(folder: Path, names: Iterable[str]) -> None:
    """Restrict files that an earlier version created in ``folder`` to this account.

    Done only once, so that a user can open them again on purpose.

    >>> _ = (folder / "keys.toml").write_text("")
    >>> (folder / "keys.toml").chmod(0o644)
    >>> make_private(folder, ["keys.toml"])
    >>> oct((folder / "keys.toml").stat().st_mode & 0o777)
    '0o600'
    """
    mark = folder / ".private"
    if os.name == "nt" or not folder.is_dir() or mark.exists() or is_read_only(folder):
        return
    with suppress(OSError):  # owned by another account
        for place in (folder / name for name in names):
            for one in [place, *place.rglob("*")] if place.exists() else []:
                mode = stat.S_IMODE(one.lstat().st_mode)
                if mode & 0o077 and not one.is_symlink():
                    one.chmod(mode & 0o700)
        mark.touch(mode=0o600)


def write_whole(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    r"""Write a file atomically (``beside``); text is written as UTF-8 with unchanged line ends.

    >>> write_whole(folder / "new" / "a.txt", "雨\r\n")
    >>> (folder / "new" / "a.txt").read_bytes()
    b'\xe9\x9b\xa8\r\n'
    """
    with beside(path, durable=durable) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def write_json(path: Path, value: object, *, durable: bool = False, indent: int = 1) -> None:
    """Write JSON atomically, in a readable form.

    >>> write_json(folder / "a.json", {"text": "雨"})
    >>> print((folder / "a.json").read_text(encoding="utf-8"), end="")
    {
     "text": "雨"
    }
    """
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=indent) + "\n", durable=durable)


def remove(place: Path) -> None:
    """Delete a file, or a folder with its content, if it exists.

    >>> (folder / "old" / "files").mkdir(parents=True)
    >>> remove(folder / "old")
    >>> remove(folder / "missing")
    >>> list(folder.iterdir())
    []
    """
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder; holes of sparse files stay holes.

    >>> (folder / "old" / "sub").mkdir(parents=True)
    >>> write_whole(folder / "old" / "sub" / "a.txt", "It rains.")
    >>> copy_folder(folder / "old", folder / "new")
    >>> (folder / "new" / "sub" / "a.txt").read_text()
    'It rains.'
    """
    for place in [source, *sorted(source.rglob("*"))]:
        there = target / place.relative_to(source)
        if place.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif place.is_file():
            copy_file(place, there)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content; its holes stay holes.

    >>> write_whole(folder / "a.txt", "It rains.")
    >>> copy_file(folder / "a.txt", folder / "b.txt")
    >>> (folder / "b.txt").read_text()
    'It rains.'
    """
    with source.open("rb") as old, target.open("wb") as new:
        at, size = 0, os.fstat(old.fileno()).st_size
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
                end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            except AttributeError:  # Windows
                end = size
            except OSError:  # only a hole up to the end
                break
            old.seek(at)
            new.seek(at)
            while at < end and (block := old.read(min(end - at, 1 << 20))):
                new.write(block)
                at += len(block)
        new.truncate(size)


def sync_files(folder: Path) -> None:
    """Write all files of a folder, and the folders themselves, to the disk (``fsync``)."""
    for place in [folder, *folder.rglob("*")]:
        if place.is_file() or place.is_dir():
            _sync(place)


def is_read_only(folder: Path) -> bool:
    """Return whether an existing folder is on a read-only disk or not writable.

    >>> is_read_only(folder), is_read_only(folder / "missing")
    (False, False)
    """
    return folder.is_dir() and not os.access(folder, os.W_OK)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about writing ``path`` into ours.

    >>> with file_errors(Path("store/guide.json")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
        ...
    indexes.errors.DiskSpaceError: the disk is full: store/guide.json cannot be written; free disk space and run it
    again; acknowledged writes are kept

    Raises:
        DiskSpaceError: the disk is full.
        StoreError: it cannot be written for another reason, given in the message.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskSpaceError(
                f"the disk is full: {path} cannot be written",
                remedy="free disk space and run it again; acknowledged writes are kept",
            ) from error
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error})", remedy="check the folder and its permissions"
        ) from error


def _sync(place: Path) -> None:
    """Call ``fsync``; on Windows folders cannot be opened and need none."""
    if place.is_dir() and os.name == "nt":
        return
    descriptor = os.open(place, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
