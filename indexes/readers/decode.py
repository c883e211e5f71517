"""Bytes of text files to text, and what to say of it.

Asked in this order: the user's setting, a byte order mark, UTF-8, what the file declares (meta charset, XML header),
and at last its content. A guess that is not certain is noted for the report.
"""

from __future__ import annotations

import codecs
import re

from indexes.display import agreed, counted
from indexes.errors import ReaderError
from indexes.readers.guess_encoding import codec_of, decode_as, guess_legacy, guess_wide
from indexes.readers.source_file import SourceFile

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
CONTROL_SHARE = 50  # text has at most one control character in this many characters
CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_BYTES = bytes(code for code in range(128) if CONTROL.match(chr(code)))
_TEXT_REMEDY = "convert it to UTF-8 text, or leave it out"
_SEVEN_BIT = ("iso-2022-jp", "iso-2022-kr", "iso-2022-cn", "hz-gb-2312", "hz")


def decode(file: SourceFile, data: bytes, declared: str | None = None) -> tuple[str, str | None]:
    """Return the text of ``data`` and the name of its encoding, None for UTF-8.

    >>> decode(SourceFile("a.txt"), "今天下雨。".encode("utf-16"))
    ('今天下雨。', 'utf-16')

    Args:
        file: receives notes, is named in messages, and has the setting ``read.encoding``.
        data: the whole file.
        declared: encoding declared in the file itself (HTML's meta charset).

    Raises:
        ReaderError: the file is empty, binary, damaged after its byte order mark, or not in the encoding that is set.
    """
    if not data.strip():
        raise ReaderError(f"'{file}' is empty", remedy="leave it out, or fill it")
    if file.settings.encoding:
        return _forced(file, data, file.settings.encoding)
    for bom, name in _BOMS:
        if data.startswith(bom):
            try:
                text = data.decode(name)
            except UnicodeDecodeError as error:
                raise ReaderError(
                    f"'{file}' is marked as {name} but is damaged at byte {error.start}", remedy=_TEXT_REMEDY
                ) from error
            return _checked(file, text), None if name == "utf-8-sig" else name  # these codecs remove the mark
    wide = guess_wide(data) if b"\0" in data else None
    if wide is not None:
        return _replaced(file, data, wide.encoding, wide.certain)
    if b"\0" in data:
        raise ReaderError(f"'{file}' holds binary data, not text", remedy=_TEXT_REMEDY)
    if declared and declared.lower() in _SEVEN_BIT:
        return _replaced(file, data, declared.lower(), certain=True)
    try:
        text = data.decode("utf-8")
        if "\x1b$" not in text:
            return _checked(file, text, data), None
    except UnicodeDecodeError:
        pass
    return _legacy(file, data, declared)


def _legacy(file: SourceFile, data: bytes, declared: str | None) -> tuple[str, str | None]:
    """No UTF-8 (or ISO-2022-JP, which hides in ASCII)."""
    damaged = _mostly_utf8(data)
    if damaged is not None:
        count = damaged.count("\ufffd")
        if count:
            file.note(f"{counted(count, 'damaged character')} of its UTF-8 text {agreed(count, 'were')} replaced")
        return _checked(file, damaged), f"utf-8, {counted(count, 'damaged character')}" if count else None
    guess = guess_legacy(data)
    if declared and not (guess.certain and codec_of(guess.encoding) != codec_of(declared) and _is_cjk(declared)):
        try:
            return _checked(file, decode_as(data, codec_of(declared))), declared.lower()
        except LookupError:
            pass
        except UnicodeDecodeError:
            if codec_of(guess.encoding) == codec_of(declared):
                return _replaced(file, data, guess.encoding, certain=True)
    if declared:
        file.note(f"it declares the encoding {declared[:40]} but reads as {guess.encoding}")
    if not guess.certain and len(data) % 2 == 0 and (wide := guess_wide(data)) is not None:
        # Chinese UTF-16 without blanks, line ends and mark holds no zero byte at all.
        return _replaced(file, data, wide.encoding, wide.certain)
    return _replaced(file, data, guess.encoding, guess.certain)


def _is_cjk(encoding: str) -> bool:
    return codec_of(encoding) in ("gb18030", "cp950", "big5hkscs", "cp932", "euc_jp", "cp949", "euc-tw")


def _forced(file: SourceFile, data: bytes, encoding: str) -> tuple[str, str | None]:
    remedy = "set read.encoding to the right one, or unset it"
    try:
        text = decode_as(data, codec_of(encoding))
    except LookupError as error:
        raise ReaderError(f"'{file}' cannot be read, there is no encoding '{encoding}'", remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise ReaderError(
            f"'{file}' is not in the encoding '{encoding}' (byte {error.start})", remedy=remedy
        ) from error
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
    return _checked(file, text.removeprefix("\ufeff")), None if plain else encoding.lower()


def _replaced(file: SourceFile, data: bytes, encoding: str, certain: bool) -> tuple[str, str | None]:
    text = decode_as(data, codec_of(encoding), "replace")
    text = _checked(file, text)
    if not certain:
        file.note(f"its encoding is a guess: {encoding} (set read.encoding if its text looks wrong)")
    damaged = text.count("\ufffd")
    if damaged:
        file.note(
            f"{counted(damaged, 'character', verb='are')} not in its encoding "
            f"{encoding} and {agreed(damaged, 'were')} replaced"
        )
    return text, encoding


def _mostly_utf8(data: bytes) -> str | None:
    """Return UTF-8 with a few broken bytes (as in a truncated download), which GB18030 would misread unnoticed."""
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if not broken:
        return None
    multibyte = sum(not chunk.isascii() and len(chunk) for chunk in re.findall("[^\x00-\x7f\ufffd]+", text))
    return text if broken * 50 <= multibyte else None


def _checked(file: SourceFile, text: str, utf8: bytes | None = None) -> str:
    """Return ``text``, unless it has too many control characters, which are counted faster in its UTF-8."""
    found = len(CONTROL.findall(text)) if utf8 is None else len(utf8) - len(utf8.translate(None, _CONTROL_BYTES))
    if found * CONTROL_SHARE > len(text):
        raise ReaderError(f"'{file}' holds binary data, not text", remedy=_TEXT_REMEDY)
    return text
