"""Count a text's tokens: exactly for a model in this process, by an upper estimate for servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from indexes.text.characters import estimate_tokens
from rag.settings import LLMSettings


def token_counter(llm: Any, settings: LLMSettings) -> Callable[[str], int]:
    """Return a function that counts the tokens of a text for this model.

    It is exact for llama.cpp in this process. Ollama has no tokenising endpoint and other servers differ, so for them
    it is ``estimate_tokens``, which errs on the safe side. For a model whose ``languages`` lack "zh" a Chinese
    character counts as three tokens.

    >>> token_counter(None, LLMSettings())("The harbour opens at 6.")
    8
    """
    exact = getattr(getattr(llm, "inner", llm), "count_tokens", None)
    if callable(exact):
        return exact
    cjk = 1.0 if "zh" in settings.languages else 3.0
    return lambda text: estimate_tokens(text, cjk=cjk)
