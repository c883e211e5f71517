"""Find models in the caches of the hub clients, without those packages and without a request."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

WEIGHTS = ("*.safetensors", "*.bin")
TOKENIZERS = ("tokenizer.json", "vocab.txt", "*.model")  # one is enough; with none, all texts get the same vector


def cache_folder(hub: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which the hub's client keeps models, from the environment variables that it reads.

    >>> cache_folder("huggingface", {"HF_HOME": "/data/hf"}).as_posix()
    '/data/hf/hub'
    """
    home = Path(environ.get("HOME") or Path.home())
    if hub == "modelscope":
        return Path(environ.get("MODELSCOPE_CACHE") or home / ".cache" / "modelscope" / "hub").expanduser()
    if named := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(named).expanduser()
    base = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return Path(environ.get("HF_HOME") or base / "huggingface").expanduser() / "hub"


def cached_folder(
    model: str,
    hub: str,
    revision: str | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    stems: Collection[str] = (),
) -> Path | None:
    """Return the folder of a model that is complete in the hub's cache, else None.

    >>> whole = folder / "models" / "BAAI" / "bge-m3"
    >>> whole.mkdir(parents=True)
    >>> for name in ("config.json", "tokenizer.json", "model.safetensors"):
    ...     _ = (whole / name).write_text("{}")
    >>> cached_folder("BAAI/bge-m3", "modelscope", environ={"MODELSCOPE_CACHE": str(folder)}) == whole
    True

    Args:
        model: hub name such as "BAAI/bge-m3".
        hub: "huggingface" or "modelscope".
        revision: branch, tag or commit; must be None for ModelScope, whose cache does not record it.
        stems: file names, without suffix, of further weights (BGE-M3's heads), which other clients skip.
    """
    cache = cache_folder(hub, environ)
    if hub == "modelscope":
        if revision is not None:
            return None
        names = (model, model.replace(".", "___"))  # how its client writes a dot
        return next(
            (at for name in names for at in (cache / "models" / name, cache / name) if _is_whole(at, stems)), None
        )
    place = cache / f"models--{model.replace('/', '--')}"
    if any(place.glob("blobs/*.incomplete")):  # an interrupted download: the client resumes it
        return None
    try:
        commit = (place / "refs" / (revision or "main")).read_text(encoding="utf-8").strip()
    except OSError:
        commit = revision or ""
    folder = place / "snapshots" / commit
    return folder if commit and _is_whole(folder, stems) else None


def _is_whole(folder: Path, stems: Collection[str] = ()) -> bool:
    """Return whether a folder has a configuration, a tokenizer, all parts of the weights, and all modules it lists."""
    if not all(_has(folder, (f"{stem}.safetensors", f"{stem}.pt")) for stem in stems):
        return False
    if not (folder / "config.json").is_file() or not _has(folder, TOKENIZERS) or not _has(folder, WEIGHTS):
        return False
    try:
        parts = [folder / name for index in folder.glob("*.index.json") for name in _weight_map(index)]
        listed = folder / "modules.json"
        modules = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
        # Normalisation has no files, and Hugging Face stores no empty folder.
        filled = [one for one in modules if one.get("path") and not one.get("type", "").endswith(".Normalize")]
        paths = [folder / module["path"] for module in filled]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(part.is_file() for part in parts) and all((path / "config.json").is_file() for path in paths)


def _has(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(found.is_file() for pattern in patterns for found in folder.glob(pattern))


def _weight_map(index: Path) -> set[str]:
    return set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
