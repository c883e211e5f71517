"""The folder of fetched language models: one GGUF file each, with a note of its source beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from indexes.folders import user_folder
from rag.models.catalogue import CATALOGUE

AUTO = "auto"  # llm.model: the best known model that has been fetched
SUFFIX = ".gguf"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model in the folder; ``source`` says where it came from, "" if unknown.

    >>> _ = (folder / "mine.gguf").write_bytes(b"GGUF")
    >>> stored_models(folder)["mine"].size, stored_models(folder)["mine"].source
    (4, '')
    """

    name: str
    path: Path
    size: int
    sha256: str
    source: str


def models_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of fetched models, in the user's cache.

    >>> models_folder({"XDG_CACHE_HOME": "/tmp/cache"}).as_posix()
    '/tmp/cache/ragwright/models'
    """
    return user_folder("cache", environ) / "models"


def model_file(name: str, folder: Path | None = None) -> Path:
    """Return the path of a model, whether it has been fetched or not.

    >>> model_file("qwen3-0.6b", Path("models")).as_posix()
    'models/qwen3-0.6b.gguf'
    """
    return (folder or models_folder()) / f"{name}{SUFFIX}"


def stored_models(folder: Path | None = None) -> dict[str, StoredModel]:
    """Return the models in the folder by name; files that are being fetched have another suffix and do not count.

    >>> stored_models(Path("no-such-folder"))
    {}
    """
    found = {}
    for path in sorted((folder or models_folder()).glob(f"*{SUFFIX}")):
        note: dict[str, object] = {}
        try:
            note = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            note = {}
        name = path.name.removesuffix(SUFFIX)
        found[name] = StoredModel(
            name, path, path.stat().st_size, str(note.get("sha256", "")), str(note.get("source", ""))
        )
    return found


def auto_model(folder: Path | None = None) -> str | None:
    """Return the name of the best known model in the folder; None if there is none.

    >>> auto_model(Path("no-such-folder")) is None
    True
    """
    return next((name for name in CATALOGUE if model_file(name, folder).is_file()), None)
