"""Public ids and names of documents and passages, never paths of this machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote, urlencode

from indexes.manifest.roots import UPLOAD

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def document_id(doc_id: str) -> str:
    """Return a document's public id, 16 hex digits.

    >>> document_id("/home/anna/harbour.md")
    '693f36fb5de822d1'
    """
    return hashlib.sha256(doc_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def display_name(source: str) -> str:
    """Return a document's name for readers: a relative path or URL unchanged, else the last part of the path.

    >>> display_name("guide/hours.md"), display_name("/home/anna/hours.md")
    ('guide/hours.md', 'hours.md')
    """
    source = source.removeprefix(UPLOAD)
    if _URL.match(source):
        return source
    path = PurePosixPath(PureWindowsPath(source).as_posix() if _WINDOWS.match(source) else source)
    archive, bang, member = str(path).partition("!/")
    if not path.is_absolute() and not _WINDOWS.match(source):
        return str(path)
    return f"{archive.rsplit('/', 1)[-1]}{bang}{member}"


def document_link(collection: str, document: str, sentence: str | None, text: str = "") -> str:
    """Return the address of a document's page with a sentence marked, if it still has this ``text``.

    >>> document_link("handbook", "0a1b", None)
    '/docs/handbook/0a1b'
    """
    base = f"/docs/{quote(collection, safe='')}/{quote(document, safe='')}"
    return f"{base}?{urlencode({'sentence': sentence, 'text': text})}#marked" if sentence else base


def is_link(name: str) -> bool:
    """Return whether a name is an address that a browser can open.

    >>> is_link("https://example.org/a.html"), is_link("hours.md")
    (True, False)
    """
    return name.startswith(("http://", "https://"))


def public_metadata(metadata: Mapping[str, Any], doc_id: str, *, admin: bool = False) -> dict[str, Any]:
    """Return a passage's metadata for a client: names instead of paths, and the document's public id.

    >>> shown = public_metadata({"source": "/home/me/harbour.md", "page": 2, "_parent": 7}, "/home/me/harbour.md")
    >>> shown["source"], shown["page"], sorted(shown)
    ('harbour.md', 2, ['document_id', 'page', 'source'])

    Args:
        admin: whether the full path may be shown.
    """
    hidden = {"notes", "sources", "file_path", "window", "original_text"}
    shown = {key: value for key, value in metadata.items() if key not in hidden and not key.startswith("_")}
    source = str(metadata.get("source") or doc_id)
    shown["document_id"] = document_id(doc_id)
    shown["source"] = source if admin else display_name(source)
    return shown
