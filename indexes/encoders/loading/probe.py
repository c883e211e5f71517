"""Check a model's folder: before loading, that it brings no code; after loading, that the model tells texts apart.

A folder without its tokenizer loads in silence: transformers makes an empty one, and all texts get one vector.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from indexes.encoders.base import Encoded
from indexes.errors import EncoderError, RagWrightError

UNLIKE = ("The harbour closes at nine.", "苹果每斤三元，梨论筐卖 42")
LIBRARY = "sentence_transformers."
COVERED = 2  # a tokenizer has at least one entry for so many rows of the embeddings: some are padded, or kept free


def refuse_code(
    folder: Path, model: str, *, trusted: bool, section: str, error: type[RagWrightError] = EncoderError
) -> None:
    """Refuse a folder that brings code, unless the settings trust it.

    transformers is told so, too; but sentence-transformers may run the modules of a local folder without being asked.

    Raises:
        RagWrightError: of the class ``error``.
    """
    if trusted:
        return
    found = next(_code_of(folder), None)
    if found is not None:
        raise error(
            f"'{model}' runs code of its own ({found} of {folder}), which is not allowed",
            remedy=f"read that code, then set {section}.trust_remote_code = true, or choose another model",
        )


def _code_of(folder: Path) -> Iterator[str]:
    for name in ("config.json", "tokenizer_config.json"):
        settings = _json(folder / name)
        if isinstance(settings, dict) and settings.get("auto_map"):
            yield f"auto_map in {name}"
    modules = _json(folder / "modules.json")
    for module in modules if isinstance(modules, list) else []:
        kind = str(module.get("type", "")) if isinstance(module, dict) else ""
        if not kind.startswith(LIBRARY):
            yield f"{kind} in modules.json"


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # whoever loads it says so
        return None


def check_vocabulary(tokenizer: Any, rows: int, *, model: str, error: type[RagWrightError] = EncoderError) -> None:
    """Compare the tokenizer with the rows of the network's embeddings.

    Raises:
        RagWrightError: of the class ``error``: it is not the tokenizer of this model, or it is missing.
    """
    entries = len(tokenizer)
    if rows and (entries > rows or entries * COVERED < rows):
        raise error(
            f"the tokenizer of '{model}' knows {entries} tokens, but the model has embeddings for {rows}: its files "
            "are missing or of another model",
            remedy="fetch the whole folder again, with tokenizer.json and tokenizer_config.json",
        )


def check_tells_apart(encoded: Encoded, *, model: str) -> None:
    """Look at what a model makes of the two texts of ``UNLIKE``.

    Raises:
        EncoderError: one vector for both, or no term for either where it has a lexical side.
    """
    remedy = "fetch the whole folder again, with the weights and the tokenizer"
    if np.array_equal(encoded.dense[0], encoded.dense[1]):
        raise EncoderError(f"'{model}' gives two unlike texts the same vector", remedy=remedy)
    if encoded.sparse is not None and not any(map(len, encoded.sparse)):
        raise EncoderError(f"the lexical side of '{model}' finds no term in two texts", remedy=remedy)
