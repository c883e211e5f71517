"""Where an evaluation keeps embeddings and indexes, so that a text is encoded once whatever it is measured in."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from indexes.encoders.base import Encoder
from indexes.encoders.cache import CachedEncoder, CachedPaired, cached
from indexes.errors import SettingsError
from indexes.folders import user_folder


def cache_folder(path: str | Path | None = None) -> Path:
    """Return where caches live: ``path``, else RAG_EVAL_CACHE, else "eval" in the user's cache."""
    return Path(path or os.environ.get("RAG_EVAL_CACHE") or user_folder("cache") / "eval").expanduser()


def make_folder(folder: Path) -> Path:
    """The folder, made where it is not there.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the cache folder {folder} cannot be made ({error.strerror})",
            remedy="name another one with --cache or RAG_EVAL_CACHE",
        ) from error
    return folder


def cache_encoder(encoder: Encoder, folder: Path) -> CachedEncoder | CachedPaired:
    """Put the cache in ``folder`` (see ``cache_folder``) before an encoder. Nothing is ever removed from it."""
    return cached(encoder, make_folder(folder / "embeddings"))


def digest(value: object) -> str:
    """16 hex digits of plain data, for names of cached things."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
