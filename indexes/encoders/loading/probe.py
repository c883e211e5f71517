"""Check a model: before loading, that its folder contains no code; after loading, that it tells texts apart.

A folder without a tokenizer loads silently: transformers creates an empty one, and all texts get the same vector.
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
COVERED = 2  # embedding rows per tokenizer entry, at most: some rows are padding or reserved


def refuse_code(
    folder: Path, model: str, *, trusted: bool, section: str, error: type[RagWrightError] = EncoderError
) -> None:
    """Reject a folder that contains code, unless the settings trust it.

    transformers gets the same flag, but sentence-transformers may run the modules of a local folder regardless of it.

    >>> _ = (folder / "config.json").write_text('{"auto_map": {"AutoModel": "modeling.Net"}}')
    >>> refuse_code(folder, "demo", trusted=True, section="encoder")
    >>> try:
    ...     refuse_code(folder, "demo", trusted=False, section="encoder")
    ... except EncoderError as error:
    ...     print(error.remedy)
    read that code, then set encoder.trust_remote_code = true, or choose another model

    Raises:
        RagWrightError: (of class ``error``) the folder contains code.
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
    except (OSError, ValueError):  # the loader reports it
        return None


def check_vocabulary(tokenizer: Any, rows: int, *, model: str, error: type[RagWrightError] = EncoderError) -> None:
    """Compare the size of the tokenizer with the rows of the network's embeddings.

    >>> check_vocabulary(range(30_522), 30_528, model="demo")
    >>> check_vocabulary(range(5), 30_528, model="demo")
    Traceback (most recent call last):
        ...
    indexes.errors.EncoderError: the tokenizer of 'demo' knows 5 tokens, but the model has embeddings for 30528: its
    files are missing or of another model; fetch the whole folder again, with tokenizer.json and
    tokenizer_config.json

    Raises:
        RagWrightError: (of class ``error``) the tokenizer is missing or belongs to another model.
    """
    entries = len(tokenizer)
    if rows and (entries > rows or entries * COVERED < rows):
        raise error(
            f"the tokenizer of '{model}' knows {entries} tokens, but the model has embeddings for {rows}: its files "
            "are missing or of another model",
            remedy="fetch the whole folder again, with tokenizer.json and tokenizer_config.json",
        )


def check_tells_apart(encoded: Encoded, *, model: str) -> None:
    """Check the vectors of the two texts of ``UNLIKE``.

    >>> check_tells_apart(Encoded(np.ones((2, 384), np.float32)), model="demo")
    Traceback (most recent call last):
        ...
    indexes.errors.EncoderError: 'demo' returns the same vector for two different texts; fetch the whole folder
    again, with the weights and the tokenizer

    Raises:
        EncoderError: both have the same vector, or the lexical side found no term in either.
    """
    remedy = "fetch the whole folder again, with the weights and the tokenizer"
    if np.array_equal(encoded.dense[0], encoded.dense[1]):
        raise EncoderError(f"'{model}' returns the same vector for two different texts", remedy=remedy)
    if encoded.sparse is not None and not any(map(len, encoded.sparse)):
        raise EncoderError(f"the lexical side of '{model}' finds no term in two texts", remedy=remedy)
