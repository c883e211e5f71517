"""Bytes of text files to text: UTF-8 first, marked UTF-16, then GB18030; never a guess that goes unsaid."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from indexes.errors import ReaderError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_TEXT_REMEDY = "convert it to UTF-8 text, or leave it out"


def decode(path: Path, data: bytes, declared: str | None = None) -> tuple[str, str | None]:
    """The text of ``data`` and the name of its encoding, None for UTF-8.

    Args:
        path: for the message.
        data: the whole file.
        declared: the encoding that the file itself names (HTML's meta charset).

    Raises:
        ReaderError: the file is empty, binary, or in none of the encodings.
    """
    if not data.strip():
        raise ReaderError(f"'{path}' is empty", remedy="leave it out, or fill it")
    for bom, name in _BOMS:
        if data.startswith(bom):
            try:
                text = data.decode(name)
            except UnicodeDecodeError as error:
                raise ReaderError(
                    f"'{path}' is marked as {name} but is damaged at byte {error.start}", remedy=_TEXT_REMEDY
                ) from error
            return _checked(path, text.lstrip("\ufeff")), None if name == "utf-8-sig" else name
    if b"\0" in data:
        raise ReaderError(f"'{path}' holds binary data, not text", remedy=_TEXT_REMEDY)
    try:
        return _checked(path, data.decode("utf-8")), None
    except UnicodeDecodeError:
        damaged = _mostly_utf8(data)
    if damaged is not None:
        return _checked(path, damaged), f"utf-8, {damaged.count(chr(0xFFFD))} damaged characters"
    for guess in (declared, "gb18030"):
        if guess:
            try:
                return _checked(path, data.decode(guess)), guess.lower()
            except (UnicodeDecodeError, LookupError):
                continue
    raise ReaderError(f"'{path}' is neither UTF-8 nor GB18030 text", remedy=_TEXT_REMEDY)


def _mostly_utf8(data: bytes) -> str | None:
    """UTF-8 with a few broken bytes (a cut-off download), which GB18030 would turn into other characters unnoticed."""
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    multibyte = sum(not chunk.isascii() and len(chunk) for chunk in re.findall("[^\x00-\x7f\ufffd]+", text))
    return text if broken * 50 <= multibyte else None


def _checked(path: Path, text: str) -> str:
    if len(_CONTROL.findall(text)) * 50 > len(text):
        raise ReaderError(f"'{path}' holds binary data, not text", remedy=_TEXT_REMEDY)
    return text
