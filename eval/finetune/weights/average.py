"""Average the weights of two checkpoints of one model, tensor by tensor, with only two tensors in memory.

``safetensors.torch.save_file`` needs all tensors at once: with two checkpoints of 480 MiB its peak memory was 1,664 MiB
(including mapped files), and 1,249 MiB for this code, which writes the simple file format itself.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexes.errors import SettingsError, SourceError
from indexes.files import beside

if TYPE_CHECKING:
    import torch

# Prefixes by which the names of tensors in a base and in a fine-tuned copy may differ, either way.
PREFIXES = ("bert.", "roberta.", "model.", "distilbert.", "mpnet.", "deberta.", "electra.")
# Names in checkpoints of the first BERT models, which transformers renames on loading.
OLD_NORMS = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
HEADS = ("sparse_linear.pt", "colbert_linear.pt")  # files of BGE-M3
LEFT_OUT = ("README.md", "optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "trainer_state.json")
STALE = ("onnx", "openvino")  # exports of the tuned weights, which are not averaged
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_FLOATS = ("F64", "F32", "F16", "BF16")


def average_folders(base: Path, tuned: Path, weight: float, out: Path) -> Path:
    """Write ``weight`` x tuned + (1 - ``weight``) x base to ``out``; see ``merge.merge_folders``.

    >>> average_folders(Path("base"), Path("tuned"), 1.5, Path("merged"))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: the weight 1.5 is not between 0 and 1; use a share such as 0.5
    """
    if not 0 <= weight <= 1:
        raise SettingsError(f"the weight {weight} is not between 0 and 1", remedy="use a share such as 0.5")
    if out.resolve() in (base.resolve(), tuned.resolve()):
        raise SettingsError(f"{out} is one of the models to merge", remedy="name another folder")
    if out.exists() and not (out / "config.json").is_file() and (out.is_file() or any(out.iterdir())):
        raise SettingsError(f"{out} exists and is not a model folder", remedy="name another folder")
    for folder in (base, tuned):
        if not folder.is_dir():
            raise SourceError(f"there is no model folder {folder}", remedy="check the path")
    files = weight_files(tuned)
    if not files:
        raise SourceError(f"{tuned} has no safetensors weights", remedy="name the folder that holds model.safetensors")
    names = {file: _Tensors(base / file.relative_to(tuned).parent, base) for file in files}
    problems = [problem for file in files for problem in _problems(file, names[file])]
    problems += [f"{head.name} is missing in the base" for head in _heads(tuned) if not (base / head.name).is_file()]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise SourceError(
            f"{tuned} is not a fine-tuned version of {base}: {'; '.join(problems[:3])}{more}",
            remedy="name the model that the training started from",
        )
    with beside(out) as part:  # so that an interrupted write is never used as a model
        _copy_rest(tuned, part)
        for file in files:
            _average_file(file, names[file], weight, part / file.relative_to(tuned))
        for head in _heads(tuned):
            _average_head(base / head.name, head, weight, part / head.name)
    return out


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a model and its modules, without checkpoints and exports.

    >>> for name in ("model.safetensors", "1_Dense/model.safetensors", "checkpoint-10/model.safetensors"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> [file.relative_to(folder).as_posix() for file in weight_files(folder)]
    ['1_Dense/model.safetensors', 'model.safetensors']
    """
    return [file for file in sorted(folder.rglob("*.safetensors")) if not _foreign(file.relative_to(folder))]


class _Tensors:
    """The base's tensors of one module, in any of its files."""

    def __init__(self, folder: Path, root: Path) -> None:
        import torch
        from safetensors import safe_open

        self._open: dict[str, Any] = {}
        self._loaded: Mapping[str, torch.Tensor] = {}
        files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
        for file in files:
            handle = safe_open(str(file), framework="pt")
            self._open |= dict.fromkeys(handle.keys(), handle)
        binary = folder / "pytorch_model.bin"
        if not files and binary.is_file():
            self._loaded = torch.load(binary, map_location="cpu", weights_only=True, mmap=True)
        elif not files:
            raise SourceError(
                f"{folder} has no weights to average with", remedy=f"check that {root} is the base of the tuned model"
            )

    def name_of(self, name: str) -> str | None:
        """Return the base's name of a tensor, None if it has no such tensor."""
        known = self._open or self._loaded
        tried = [name, *(prefix + name for prefix in PREFIXES)]
        tried += [name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)]
        tried += [one.removesuffix(new) + old for one in tried for new, old in OLD_NORMS.items() if one.endswith(new)]
        return next((one for one in tried if one in known), None)

    def shape(self, name: str) -> list[int]:
        if name in self._open:
            return list(self._open[name].get_slice(name).get_shape())
        return list(self._loaded[name].shape)

    def get(self, name: str) -> torch.Tensor:
        return self._open[name].get_tensor(name) if name in self._open else self._loaded[name]


def _problems(file: Path, base: _Tensors) -> Iterator[str]:
    from safetensors import safe_open

    with safe_open(str(file), framework="pt") as tuned:
        for name in tuned.keys():  # noqa: SIM118 - not a dict
            part = tuned.get_slice(name)
            if part.get_dtype() not in _FLOATS:
                continue
            other = base.name_of(name)
            if other is None:
                yield f"the base has no tensor {name}"
            elif base.shape(other) != list(part.get_shape()):
                yield f"{name} has the shape {list(part.get_shape())} here and {base.shape(other)} in the base"


def _average_file(file: Path, base: _Tensors, weight: float, target: Path) -> None:
    """Write ``file`` with averaged values. The format: 8 bytes length, a JSON header, then the tensors' bytes."""
    import torch
    from safetensors import safe_open

    target.parent.mkdir(parents=True, exist_ok=True)
    with safe_open(str(file), framework="pt") as tuned, target.open("wb") as stream:
        names = list(tuned.keys())
        header: dict[str, Any] = {"__metadata__": dict(tuned.metadata() or {"format": "pt"})}
        place = 0
        for name in names:
            part = tuned.get_slice(name)
            shape, kind = list(part.get_shape()), part.get_dtype()
            if kind not in _BYTES:
                raise SourceError(
                    f"{file} has {name} as {kind}, which cannot be averaged", remedy="save the model in float32"
                )
            size = _BYTES[kind]
            for width in shape:
                size *= width
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, place + size]}
            place += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        stream.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            tensor = tuned.get_tensor(name)
            other = base.name_of(name)
            if tensor.is_floating_point() and other is not None:
                tensor = _average(base.get(other), tensor, weight)
            stream.write(tensor.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())


def _average(base: torch.Tensor, tuned: torch.Tensor, weight: float) -> torch.Tensor:
    import torch

    if weight in (0, 1):  # lerp would round
        return (tuned if weight else base).to(tuned.dtype)
    return torch.lerp(base.float(), tuned.float(), weight).to(tuned.dtype)


def _heads(folder: Path) -> list[Path]:
    return [folder / name for name in HEADS if (folder / name).is_file()]


def _average_head(base: Path, tuned: Path, weight: float, target: Path) -> None:
    import torch

    old, new = (torch.load(file, map_location="cpu", weights_only=True) for file in (base, tuned))
    if {name: value.shape for name, value in old.items()} != {name: value.shape for name, value in new.items()}:
        raise SourceError(f"{tuned} and {base} have different shapes", remedy="merge with the model that was tuned")
    torch.save({name: _average(old[name], value, weight) for name, value in new.items()}, target)


def _copy_rest(tuned: Path, target: Path) -> None:
    """Copy configuration, tokenizer and modules: everything except weights and files for trainers."""
    target.mkdir(parents=True)
    for file in sorted(tuned.rglob("*")):
        name = file.relative_to(tuned)
        if not file.is_file() or _foreign(name) or file.name in LEFT_OUT or file.suffix in (".safetensors", ".bin"):
            continue
        if len(name.parts) == 1 and file.name in HEADS:
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / name)


def _foreign(name: Path) -> bool:
    return any(part in STALE or part.startswith((".", "checkpoint-")) for part in name.parts)
