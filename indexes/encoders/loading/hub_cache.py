"""Models in the caches of the hubs' clients, found without those packages and without a request."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

WEIGHTS = ("*.safetensors", "*.bin")
TOKENIZERS = ("tokenizer.json", "vocab.txt", "*.model")  # one of them: without any every text would get one vector


def cache_folder(hub: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the hub's client keeps models, by the variables it reads itself."""
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
    """Return the folder of a model that lies whole in the hub's cache; None where it does not.

    Args:
        model: "BAAI/bge-m3".
        revision: branch, tag or commit; of ModelScope, whose cache does not say it, only None is found.
        stems: names without their endings of further weights (BGE-M3's heads), which other clients leave out.
    """
    cache = cache_folder(hub, environ)
    if hub == "modelscope":
        if revision is not None:
            return None
        names = (model, model.replace(".", "___"))  # as its client writes a dot
        return next(
            (at for name in names for at in (cache / "models" / name, cache / name) if is_whole(at, stems)), None
        )
    place = cache / f"models--{model.replace('/', '--')}"
    if any(place.glob("blobs/*.incomplete")):  # a fetch that was interrupted: the client goes on with it
        return None
    try:
        commit = (place / "refs" / (revision or "main")).read_text(encoding="utf-8").strip()
    except OSError:
        commit = revision or ""
    folder = place / "snapshots" / commit
    return folder if commit and is_whole(folder, stems) else None


def is_whole(folder: Path, stems: Collection[str] = ()) -> bool:
    """True if a folder holds a configuration, a tokenizer, every part of the weights, and the modules that it names."""
    if not all(_has(folder, (f"{stem}.safetensors", f"{stem}.pt")) for stem in stems):
        return False
    if not (folder / "config.json").is_file() or not _has(folder, TOKENIZERS) or not _has(folder, WEIGHTS):
        return False
    try:
        parts = [folder / name for index in folder.glob("*.index.json") for name in _weight_map(index)]
        listed = folder / "modules.json"
        modules = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
        paths = [folder / module["path"] for module in modules if module.get("path") and _has_files(module)]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(part.is_file() for part in parts) and all((path / "config.json").is_file() for path in paths)


def _has(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(found.is_file() for pattern in patterns for found in folder.glob(pattern))


def _weight_map(index: Path) -> set[str]:
    return set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())


def _has_files(module: Mapping[str, str]) -> bool:
    """Normalising to length 1 has no files, and Hugging Face stores no empty folder."""
    return not module.get("type", "").endswith(".Normalize")
