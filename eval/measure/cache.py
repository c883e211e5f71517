"""The cache of an evaluation's embeddings and indexes: each text is encoded once, in whatever it is measured."""

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
    """Return the cache folder: ``path``, else RAG_EVAL_CACHE, else "eval" in the user's cache folder.

    >>> cache_folder("here").name
    'here'
    """
    return Path(path or os.environ.get("RAG_EVAL_CACHE") or user_folder("cache") / "eval").expanduser()


def make_folder(folder: Path) -> Path:
    """Create the folder if needed, and return it.

    >>> make_folder(folder / "a" / "b").is_dir()
    True

    Raises:
        SettingsError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the cache folder {folder} cannot be created ({error.strerror})",
            remedy="name another one with --cache or RAG_EVAL_CACHE",
        ) from error
    return folder


def cache_encoder(encoder: Encoder, folder: Path) -> CachedEncoder | CachedPaired:
    """Return the encoder behind the cache in ``folder`` (see ``cache_folder``). Nothing is ever removed from it.

    >>> from llama_index.core import MockEmbedding
    >>> from indexes.encoders.from_embedding import EmbeddingModel
    >>> from indexes.encoders.paired import PairedEncoder
    >>> encoder = cache_encoder(PairedEncoder(EmbeddingModel(MockEmbedding(embed_dim=8)), None), folder)
    >>> encoder.encode_queries(["When?"]).dense.shape, [path.name for path in folder.iterdir()]
    ((1, 8), ['embeddings'])
    """
    return cached(encoder, make_folder(folder / "embeddings"))


def digest(value: object) -> str:
    """Return 16 hex digits over plain data, for names in the cache; the order of keys does not matter.

    >>> digest({"window": 3, "fusion": "rrf"}) == digest({"fusion": "rrf", "window": 3})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
