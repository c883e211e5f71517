"""The folder where fetched language models lie: one GGUF file each, with a note of where it came from beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from indexes.folders import user_folder
from rag.models.catalogue import CATALOGUE

AUTO = "auto"  # llm.model: the best known model that is there
SUFFIX = ".gguf"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model in the folder. ``source`` is where it came from, in words; "" where nobody wrote it down."""

    name: str
    path: Path
    size: int
    sha256: str
    source: str


def models_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of fetched models, in the user's cache."""
    return user_folder("cache", environ) / "models"


def model_file(name: str, folder: Path | None = None) -> Path:
    """Return where the model of a name lies, or would lie."""
    return (folder or models_folder()) / f"{name}{SUFFIX}"


def stored_models(folder: Path | None = None) -> dict[str, StoredModel]:
    """Return what is in the folder, by name. Files that are being fetched have another ending and do not count."""
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
    """Return the name of the best known model that is there; None where none is."""
    return next((name for name in CATALOGUE if model_file(name, folder).is_file()), None)
