"""Language models: factories of LlamaIndex LLMs, their failures in one sentence, and what an answer cost.

Importing this package loads no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.llms.failures import explain_llm_error
from rag.llms.usage import usage_of
from rag.settings import LLMSettings

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

__all__ = ["build_llm", "explain_llm_error", "guarded", "usage_of", "with_max_tokens"]


def build_llm(settings: LLMSettings) -> LLM | None:
    """The LLM that the settings name; None for provider "none". Servers are not asked before the first question.

    Raises:
        LLMModelNotFoundError: llama_cpp's model file does not exist.
        MissingExtraError: a package is not installed.
    """
    match settings.provider:
        case "none":
            return None
        case "ollama":
            from rag.llms.ollama import connect_ollama

            return connect_ollama(settings)
        case "openai":
            from rag.llms.openai_like import connect_openai_like

            return connect_openai_like(settings)
        case "llama_cpp":
            from rag.llms.llama_cpp import start_llama_cpp

            return start_llama_cpp(settings)


def guarded(llm: LLM) -> LLM:
    """``llm`` with no control strings going in and no thinking coming out; see ``rag.llms.guard``."""
    from rag.llms.guard import guarded as guard

    return guard(llm)


def with_max_tokens(llm: LLM, max_tokens: int) -> LLM:
    """The same model (same connections, same weights) with another longest answer.

    A copy is needed because LlamaIndex's Ollama class drops per-call options and its OpenAI classes let their own
    ``max_tokens`` win over a call's. An LLM that knows neither field is given back as it is.
    """
    inner = getattr(llm, "inner", None)  # a user's own LLM behind the guard
    if inner is not None:
        return llm.model_copy(update={"inner": with_max_tokens(inner, max_tokens)})
    fields = type(llm).model_fields
    if "max_tokens" in fields:
        return llm.model_copy(update={"max_tokens": max_tokens})
    if llm.class_name() == "Ollama_llm":
        options = {**getattr(llm, "additional_kwargs", {}), "num_predict": max_tokens}
        return llm.model_copy(update={"additional_kwargs": options})
    return llm
