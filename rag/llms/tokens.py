"""How many tokens a text takes of the model's context: exact in process, an upper estimate for servers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from rag.settings import LLMSettings

# Classes of characters by what a byte-pair vocabulary spends on them. With the margin, 500-character pieces of English
# Markdown come out at 1.09 to 1.27 times SmolLM2's own count, Python at 1.06 to 1.5 (tests/rag/llms/test_tokens.py).
_CLASSES: tuple[tuple[re.Pattern[str], Callable[[int], float]], ...] = (
    (re.compile(r"[A-Za-z]+"), lambda length: max(1.0, length / 5)),
    (re.compile(r"[0-9]"), lambda length: length),
    (re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"), lambda length: length),
    (re.compile(r"[\u00c0-\u024f]"), lambda length: 2.0 * length),  # it also splits its word
    (re.compile(r"[\u0370-\u1fff]"), lambda length: length),
    (re.compile(r"\n+|[ \t]{2,}"), lambda length: math.ceil(length / 8)),
    (re.compile(r"[!-/:-@\[-`{-~]"), lambda length: length),
)
_OTHER = re.compile(
    r"[^A-Za-z0-9\s!-/:-@\[-`{-~\u00c0-\u024f\u0370-\u1fff\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    r"\uff00-\uffef]"
)
_BYTES_A_TOKEN = 1  # an emoji or rare character falls apart into its bytes
MARGIN = 1.1


def token_counter(llm: Any, settings: LLMSettings) -> Callable[[str], int]:
    """A function that counts the tokens of a text for this model.

    Exact where the model can be asked cheaply (llama.cpp in this process). Ollama has no tokenising endpoint and other
    servers differ, so for them it is ``estimate_tokens``, which errs on the safe side. For vocabularies that hold
    little Chinese (a model whose ``languages`` lack "zh") Chinese characters count three tokens each.
    """
    exact = getattr(getattr(llm, "inner", llm), "count_tokens", None)
    if callable(exact):
        return exact
    han = 1.0 if "zh" in settings.languages else 3.0
    return lambda text: estimate_tokens(text, han=han)


def estimate_tokens(text: str, *, han: float = 1.0) -> int:
    """Tokens that a text takes at most, near enough: Chinese, Japanese and Korean one a character, Latin words one
    for every five letters, digits and punctuation one each, rarer characters one a byte; a tenth on top.

    Args:
        han: tokens of a Chinese, Japanese or Korean character.
    """
    total = 0.0
    for position, (pattern, cost) in enumerate(_CLASSES):
        weight = han if position == 2 else 1.0
        total += weight * sum(cost(len(piece)) for piece in pattern.findall(text))
    total += sum(len(piece.encode("utf-8", "replace")) * _BYTES_A_TOKEN for piece in _OTHER.findall(text))
    return math.ceil(total * MARGIN)
