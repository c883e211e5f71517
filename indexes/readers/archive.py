"""Zip archives (.zip): each member is read as a file named ``archive.zip!/folder/member.txt``.

Nothing is unpacked to the disk, so a member's name is only a label: ".." and leading slashes are removed. Names not
marked as UTF-8 are read as UTF-8 or GB18030, which Chinese Windows writes. Members are unpacked one at a time, within
the limits of ``zip_container.check_zip`` and a limit on the ratio of a single member.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from indexes.errors import ReaderError
from indexes.readers.office.zip_container import open_zip, read_member
from indexes.readers.source_file import SourceFile, apart, shown_name

_MAX_RATIO = 200  # text is packed to about a tenth, a zip bomb to a thousandth
_RATIO_FROM = 16 * 1024 * 1024  # smaller members may have any ratio
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def members(file: SourceFile) -> Iterator[tuple[SourceFile, str | None]]:
    """Yield each file of the archive in order, and why it cannot be read (None: it can).

    >>> with zipfile.ZipFile(folder / "docs.zip", "w") as archive:
    ...     archive.writestr("notes/a.md", "It rains.")
    ...     archive.writestr("__MACOSX/a.md", "")
    >>> [(member.name, member.data, fault) for member, fault in members(SourceFile("docs.zip", folder / "docs.zip"))]
    [('docs.zip!/notes/a.md', b'It rains.', None)]

    Raises:
        ReaderError: the archive itself is damaged, nested too deeply, or over the limits.
    """
    if file.depth >= file.settings.archive_depth:
        raise ReaderError(
            f"'{file}' lies in {file.depth} other archives", remedy="unpack it yourself, or raise read.archive_depth"
        )
    seen: set[str] = set()
    with open_zip(file, "a zip archive") as archive:
        for info in archive.infolist():
            label = _label(info)
            if info.is_dir() or not label or _is_litter(label):
                continue
            name = f"{file.name}!/{apart(label, seen)}"
            member = replace(file, name=name, path=None, depth=file.depth + 1, notes=[], left_out=Counter())
            fault = _suspect(info)
            if fault is None:
                try:
                    member.data = _unpack(file, archive, info)
                except ReaderError as error:
                    fault = str(error)
            yield member, fault


def _unpack(file: SourceFile, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    file.unpacked[0] += info.file_size
    if file.unpacked[0] > file.settings.archive_max_mb * 1024 * 1024:
        raise ReaderError(
            f"'{info.filename}' makes the archive unpack to more than {file.settings.archive_max_mb} MB",
            remedy="unpack it yourself, or raise read.archive_max_mb",
        )
    if not info.flag_bits & 0x1:
        return read_member(file, archive, info)
    password = file.password()
    if password is None:
        raise ReaderError(
            f"'{file}' locks its member '{info.filename}' by a password",
            remedy=f"put the password into the environment variable {file.settings.password_env}",
        )
    return read_member(file, archive, info, password.encode())


def _suspect(info: zipfile.ZipInfo) -> str | None:
    if info.file_size > _RATIO_FROM and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
        ratio = info.file_size // max(info.compress_size, 1)
        return f"it unpacks to {ratio} times its size (a zip bomb?); unpack it yourself if it is wanted"
    return None


def _label(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & 0x800:
        raw = name.encode("cp437", "surrogateescape") if not name.isascii() else b""
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding) if raw else name
                break
            except UnicodeDecodeError:
                continue
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(map(shown_name, parts))


def _is_litter(label: str) -> bool:
    return label.startswith(_LITTER[0]) or label.rpartition("/")[2] in _LITTER[1:]
