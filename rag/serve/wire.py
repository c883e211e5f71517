"""What documents and passages are called outside: short ids and short names, never a path of this machine."""

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
    """16 hex digits that stand for a document on the wire."""
    return hashlib.sha256(doc_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def display_name(source: str) -> str:
    """A document's name for readers: as stored where that is relative or a URL, else the last part of its path."""
    source = source.removeprefix(UPLOAD)
    if _URL.match(source):
        return source
    path = PurePosixPath(PureWindowsPath(source).as_posix() if _WINDOWS.match(source) else source)
    archive, bang, member = str(path).partition("!/")
    if not path.is_absolute() and not _WINDOWS.match(source):
        return str(path)
    return f"{archive.rsplit('/', 1)[-1]}{bang}{member}"


def document_link(collection: str, document: str, sentence: str | None, text: str = "") -> str:
    """The address of a document's page with a sentence marked; ``text`` is what is expected there."""
    base = f"/docs/{quote(collection, safe='')}/{quote(document, safe='')}"
    return f"{base}?{urlencode({'sentence': sentence, 'text': text})}#marked" if sentence else base


def is_link(name: str) -> bool:
    """Whether a name is an address that a browser opens."""
    return name.startswith(("http://", "https://"))


def public_metadata(metadata: Mapping[str, Any], doc_id: str, *, admin: bool = False) -> dict[str, Any]:
    """A passage's metadata for a client: names instead of paths, and the document's id.

    Args:
        admin: the full path may be seen.
    """
    hidden = {"notes", "sources", "file_path", "window", "original_text"}
    shown = {key: value for key, value in metadata.items() if key not in hidden and not key.startswith("_")}
    source = str(metadata.get("source") or doc_id)
    shown["document_id"] = document_id(doc_id)
    shown["source"] = source if admin else display_name(source)
    return shown
