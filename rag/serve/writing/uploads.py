"""Uploads: files of a form, counted and written into the store as they arrive, under safe names."""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from indexes.files import remove
from indexes.manifest.paths import uploads_folder
from indexes.manifest.roots import UPLOAD
from indexes.readers import SUFFIXES
from indexes.settings.sections import StoreSettings
from rag.serve.errors import Problem
from rag.serve.wire import document_id

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FILES = 20
NAME_BYTES = 200
FIELD_BYTES = 10_000
INCOMING = ".incoming"  # folder of files that are being received
FORGOTTEN_SECONDS = 86_400.0  # after which a killed server's file is deleted
DEVICES = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}


class Received:
    r"""A received form: its fields as texts, and its files, written to the store's disk as they arrive.

    Use it as a context manager: at its end, files that were not kept are deleted.

    >>> import asyncio
    >>> async def body():
    ...     yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="C:\\a.md"\r\n\r\n# A\r\n--x--\r\n'
    >>> with Received(StoreSettings(path=folder), limit_mb=1) as form:
    ...     form = asyncio.run(form.read("multipart/form-data; boundary=x", body()))
    ...     [(path.name, path.read_text()) for path in form.keep("guide")]
    [('a.md', '# A')]

    Args:
        store: the store whose uploads folder the files go to.
        limit_mb: maximum size of a file.
    """

    def __init__(self, store: StoreSettings, limit_mb: int) -> None:
        self.fields: dict[str, str] = {}
        self._uploads, self._limit_mb = uploads_folder(store), limit_mb
        self._files: list[tuple[str, Path]] = []
        self._disposition, self._field, self._value = b"", b"", b""
        self._name: str | None = None
        self._open: BinaryIO | None = None
        self._size = 0

    async def read(self, content_type: str, stream: AsyncIterator[bytes]) -> Received:
        """Read the body to its end.

        Raises:
            Problem: it is not a form, there are too many files, or a file is too large, of an unsupported format or
                without a usable name.
        """
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise Problem("wrong_type", "the body is not multipart/form-data", "send files as a form does")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
        }
        parser = MultipartParser(options[b"boundary"], callbacks)
        try:
            async for chunk in stream:
                if chunk:
                    parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            raise Problem("bad_request", f"the form cannot be read: {str(error)[:120]}") from None
        if self._open is not None:
            raise Problem("bad_request", "the form ends within a file", "send it again")
        return self

    def keep(self, collection: str) -> list[Path]:
        """Move the files into the collection's folder, each in one step; a file of the same name is replaced."""
        places = []
        for name, path in self._files:
            place = upload_place(self._uploads / collection, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            if place not in places:
                places.append(place)
        self._files.clear()
        return places

    def __enter__(self) -> Received:
        return self

    def __exit__(self, *error: object) -> None:
        if self._open is not None:
            self._open.close()
        for _, path in self._files:
            path.unlink(missing_ok=True)

    # -- what the parser calls -----------------------------------------------------------------------------------

    def _part_begin(self) -> None:
        self._disposition, self._field, self._value = b"", b"", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name, self._size = options.get(b"name", b"").decode("utf-8", "replace"), 0
        sent = options.get(b"filename")
        if not sent:  # a field, or a choice of files without one
            self.fields.setdefault(self._name, "")
            return
        name = clean_name(sent.decode("utf-8", "replace"))
        if Path(name).suffix.lower() not in SUFFIXES:
            what = f"the format of {name!r} is not supported"
            raise Problem("bad_request", what, "send text, PDF, Office, HTML, ...")
        if len(self._files) >= MAX_FILES:
            raise Problem("too_large", f"more than {MAX_FILES} files", f"at most {MAX_FILES} per request")
        incoming = self._uploads / INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        path = incoming / f"{secrets.token_hex(8)}.part"
        self._files.append((name, path))
        self._open = path.open("wb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._open is None:
            if self._size > FIELD_BYTES:
                raise Problem("too_large", f"the field {self._name!r} is too long")
            self.fields[self._name or ""] += data[start:end].decode("utf-8", "replace")
            return
        if self._size > self._limit_mb * 1_000_000:
            raise Problem("too_large", f"{self._files[-1][0]!r} is larger than {self._limit_mb} MB", "split it")
        self._open.write(data[start:end])

    def _part_end(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def upload_place(folder: Path, name: str) -> Path:
    """Return where an uploaded file is stored: in its collection's folder, under its document's public id.

    >>> upload_place(Path("uploads"), "hours.md").as_posix()
    'uploads/a714d3eee4116b46/hours.md'
    """
    return folder / document_id(f"{UPLOAD}{name}") / name


def forget_incoming(store: StoreSettings) -> None:
    """Delete the files that a killed server was receiving.

    >>> import os
    >>> store = StoreSettings(path=folder)
    >>> part = uploads_folder(store) / INCOMING / "7f3a.part"
    >>> part.parent.mkdir(parents=True)
    >>> part.touch()
    >>> os.utime(part, (0, 0))  # a file of 1970
    >>> forget_incoming(store)
    >>> part.exists()
    False
    """
    for path in (uploads_folder(store) / INCOMING).glob("*.part"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
                remove(path)


def clean_name(name: str) -> str:
    """Return a safe file name from what a client sent.

    It is the last part after slashes of both kinds, in NFC, without control characters and leading dots, at most 200
    bytes long.

    >>> clean_name("..\\\\..\\\\etc/hours.md")
    'hours.md'

    Raises:
        Problem: nothing is left, or it is a device name of Windows.
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    name = name.strip().lstrip(".").strip()
    stem, dot, suffix = name.rpartition(".")
    while len(name.encode()) > NAME_BYTES and stem:
        stem = stem[:-1]
        name = f"{stem}{dot}{suffix}"
    if not name or len(name.encode()) > NAME_BYTES:
        raise Problem("bad_request", "the file has no usable name", "rename it")
    if name.split(".", 1)[0].strip().lower() in DEVICES:
        raise Problem("bad_request", f"{name!r} is a device name", "rename the file")
    return name
