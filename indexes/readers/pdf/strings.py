"""Strings of a PDF (title, author, bookmarks) with lone surrogates kept, which ``readers`` replaces.

pypdfium2 fails on these, so that one in a title would cost the whole file.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2

HALVES = "surrogatepass"  # error handler for UTF-16: a lone surrogate is kept


def info(pdf: pypdfium2.PdfDocument, key: str) -> str:
    """Return a value of the information dictionary ("Title"); "" if there is none."""
    name = f"{key}\0".encode()
    return _string(lambda buffer, size: pypdfium2.raw.FPDF_GetMetaText(pdf.raw, name, buffer, size))


def bookmark_title(bookmark: Any) -> str:
    """Return the title of a bookmark."""
    return _string(lambda buffer, size: pypdfium2.raw.FPDFBookmark_GetTitle(bookmark.raw, buffer, size))


def _string(ask: Any) -> str:
    size = ask(None, 0)
    buffer = ctypes.create_string_buffer(max(size, 2))
    ask(buffer, size)
    text = buffer.raw[: size - size % 2].decode("utf-16-le", HALVES)
    return " ".join(text.replace("\0", "").split())
