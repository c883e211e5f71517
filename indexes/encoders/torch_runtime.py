"""Device, number format and files of a torch model, for encoders and rerankers.

Nothing here imports torch before it is called. ``error`` is the class of errors to raise, so that a reranker's missing
folder is a ``RerankerError``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from indexes.encoders.loading.hub_cache import cached_folder
from indexes.errors import EncoderError, MissingExtraError, RagWrightError

if TYPE_CHECKING:
    import torch

# The files needed to load a checkpoint without running its code. ``*.bin`` comes second: only for a checkpoint
# without safetensors (BAAI/bge-m3 itself), and read with weights_only=True.
PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.pt", "*.txt", "*.model", "*.jinja"]
BIN_PATTERNS = ["*.bin", "*.bin.index.json"]
IGNORED = ["onnx/*", "openvino/*", "*.onnx*", "optimizer.pt", "scheduler.pt", "training_args.bin", "*checkpoint-*/*"]
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".gguf")
SAMPLES, SAMPLE_BYTES = 64, 16384


def choose_device(device: str, *, error: type[RagWrightError] = EncoderError) -> torch.device:
    """Return the device to use: "auto" is the first CUDA device, else Apple's MPS, else the CPU.

    >>> choose_device("cpu")
    device(type='cpu')

    Raises:
        error: the device does not exist on this machine.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as exc:
        raise error(f"'{device}' is not a device", remedy="set device to auto, cpu, cuda, cuda:1 or mps") from exc
    missing = (chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()) or (
        chosen.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise error(
            f"device '{device}' is not on this machine (torch {torch.__version__} sees {torch.cuda.device_count()} "
            "CUDA devices)",
            remedy="set device = 'auto', or install a torch build for your GPU",
        )
    return chosen


def choose_dtype(dtype: str, device: torch.device, *, error: type[RagWrightError] = EncoderError) -> torch.dtype:
    """Return the number format: "auto" is bfloat16 if the processor supports it, else float16 (GPU) or float32.

    On a CPU that emulates bfloat16 it is slower than float32, hence the question to oneDNN.

    >>> import torch
    >>> choose_dtype("float32", torch.device("cpu"))
    torch.float32

    Raises:
        error: an unknown format, or one that the processor does not compute in.
    """
    import torch

    if dtype == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        return torch.bfloat16 if device.type == "cpu" and cpu_computes_bfloat16() else torch.float32
    chosen = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}.get(dtype)
    if chosen is None:
        raise error(f"'{dtype}' is not a number format", remedy="set dtype to auto, float32, bfloat16 or float16")
    if device.type == "cpu" and chosen is torch.bfloat16 and not cpu_computes_bfloat16():
        raise error("this processor does not compute in bfloat16", remedy="set dtype = 'auto' or 'float32'")
    if device.type == "cpu" and chosen is torch.float16:
        raise error("float16 is slower than float32 on a CPU", remedy="set dtype = 'auto'")
    return chosen


def cpu_computes_bfloat16() -> bool:
    """Return whether the processor computes in bfloat16 (and does not merely emulate it)."""
    import torch

    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def model_folder(
    model: str,
    *,
    hub: str = "huggingface",
    revision: str | None = None,
    error: type[RagWrightError] = EncoderError,
    stems: Collection[str] = (),
) -> Path:
    """Return the folder of a model: a local folder, else a complete copy in the hub's cache, else a download.

    A complete copy in the cache is used without a request for a newer version.

    >>> model_folder(str(folder)) == folder
    True
    >>> model_folder("bge-m3")
    Traceback (most recent call last):
        ...
    indexes.errors.EncoderError: 'bge-m3' is neither a folder nor a hub name such as BAAI/bge-m3; give the folder
    that holds the model's config.json, or its hub name

    Args:
        model: local folder ("~" is expanded), or a name such as "BAAI/bge-m3".
        hub: "huggingface" (HF_ENDPOINT names a mirror) or "modelscope".
        revision: hub branch, tag or commit; default: the main branch.
        stems: as for ``cached_folder``; a cached copy without these files is downloaded again.

    Raises:
        error: no such folder, the hub does not answer, or it has no such model.
        MissingExtraError: ``hub="modelscope"`` without the package, and the model is not in its cache.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith((".", "/", "~", "\\")) or model.count("/") != 1:
        raise error(
            f"'{model}' is neither a folder nor a hub name such as BAAI/bge-m3",
            remedy="give the folder that holds the model's config.json, or its hub name",
        )
    if (found := cached_folder(model, hub, revision, stems=stems)) is not None:
        return found
    if hub == "modelscope":
        return _from_modelscope(model, revision, error)
    return _from_huggingface(model, revision, error)


def _from_huggingface(model: str, revision: str | None, error: type[RagWrightError]) -> Path:
    import httpx
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=PATTERNS, ignore_patterns=IGNORED))
        if not any(folder.rglob("*.safetensors")):
            snapshot_download(model, revision=revision, allow_patterns=BIN_PATTERNS, ignore_patterns=IGNORED)
    except GatedRepoError as exc:
        raise error(f"the model '{model}' is gated", remedy="accept its licence on the hub and set HF_TOKEN") from exc
    except RevisionNotFoundError as exc:
        raise error(f"the model '{model}' has no revision '{revision}'", remedy="leave revision unset") from exc
    except (RepositoryNotFoundError, HFValidationError) as exc:
        raise error(
            f"the hub {constants.ENDPOINT} has no model '{model}'",
            remedy="check the spelling, set HF_TOKEN for a private model, or give a local folder",
        ) from exc
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as exc:
        raise error(
            f"the model '{model}' is not on this machine and the hub {constants.ENDPOINT} cannot be reached",
            remedy="give a local folder, set HF_ENDPOINT to a mirror, set hub = 'modelscope', "
            "or use the packaged models with --profile offline",
        ) from exc
    return folder


def _from_modelscope(model: str, revision: str | None, error: type[RagWrightError]) -> Path:
    try:
        from modelscope import snapshot_download
    except ImportError as exc:
        raise MissingExtraError.of(
            "modelscope", needed_for="hub = 'modelscope'", install="pip install 'ragwright[modelscope]'"
        ) from exc
    allowed = [*PATTERNS, *BIN_PATTERNS]
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=allowed, ignore_patterns=IGNORED))
    except Exception as exc:  # modelscope raises requests', its own and plain ValueErrors
        raise error(
            f"ModelScope gave no model '{model}' ({type(exc).__name__}: {exc})",
            remedy="check the name and the network, or give a local folder",
        ) from exc


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Switch off transformers' "Loading weights" progress bars while a checkpoint is loaded."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def weights_digest(folder: Path) -> str:
    """Return a hash of the weights in a model folder: 16 hex digits, or "" without weight files.

    The SHA-256 covers, per weight file in name order, its relative name, its size and 64 blocks of 16 KiB spread evenly
    over it (files up to 1 MiB are read whole; the first block holds the safetensors header). Fine-tuning changes every
    matrix and so every block; a 2 GB checkpoint takes milliseconds. This does not protect against forged files. If a
    folder has the same weights as safetensors and .bin, only safetensors count.

    >>> weights_digest(folder)
    ''
    >>> _ = (folder / "model.safetensors").write_bytes(b"weights")
    >>> weights_digest(folder)
    '58a73a0d4e6f212e'
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix in WEIGHT_SUFFIXES and "onnx" not in f.parts)
    has_safetensors = {f.parent for f in files if f.suffix == ".safetensors"}
    files = [f for f in files if not (f.suffix == ".bin" and f.parent in has_safetensors)]
    return digest_files(files, folder) if files else ""


def digest_files(files: list[Path], folder: Path) -> str:
    """Return the digest of ``files`` (see ``weights_digest``), with names relative to ``folder``.

    >>> _ = (folder / "a.bin").write_bytes(b"weights")
    >>> before = digest_files([folder / "a.bin"], folder)
    >>> _ = (folder / "a.bin").write_bytes(b"Weights")
    >>> len(before), digest_files([folder / "a.bin"], folder) == before
    (16, False)
    """
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as stream:
            if size <= SAMPLES * SAMPLE_BYTES:
                digest.update(stream.read())
                continue
            for i in range(SAMPLES):
                stream.seek(i * (size - SAMPLE_BYTES) // (SAMPLES - 1))
                digest.update(stream.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]
