"""A PDF's own strings (title, author, bookmarks) as pdfium has them: half characters stay, for ``readers`` to replace.

pypdfium2 fails on them, and one in a title would cost the whole file.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2

HALVES = "surrogatepass"  # how UTF-16 is decoded: one half character is no error, and counts as one


def info(pdf: pypdfium2.PdfDocument, key: str) -> str:
    """Return a value of the information dictionary ("Title"); "" where there is none."""
    name = f"{key}\0".encode()
    return _string(lambda buffer, size: pypdfium2.raw.FPDF_GetMetaText(pdf.raw, name, buffer, size))


def bookmark_title(bookmark: Any) -> str:
    return _string(lambda buffer, size: pypdfium2.raw.FPDFBookmark_GetTitle(bookmark.raw, buffer, size))


def _string(ask: Any) -> str:
    size = ask(None, 0)
    buffer = ctypes.create_string_buffer(max(size, 2))
    ask(buffer, size)
    text = buffer.raw[: size - size % 2].decode("utf-16-le", HALVES)
    return " ".join(text.replace("\0", "").split())
