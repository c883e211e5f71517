"""Language models: factories of LlamaIndex LLMs, their failures in one sentence, and what an answer cost.

Importing this package loads no model library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from indexes.parallel import parallel_of
from indexes.registry import factory
from rag.llms.failures import explain_llm_error
from rag.llms.usage import usage_of
from rag.settings import LLMSettings

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

AUTO = "auto"
USUAL_PARALLEL = 32  # answers that a server with OpenAI's API (vLLM) writes side by side
_LLMS = {
    "ollama": "rag.llms.ollama:connect_ollama",
    "openai": "rag.llms.openai_like:connect_openai_like",
    "llama_cpp": "rag.llms.llama_cpp:start_llama_cpp",
}

__all__ = [
    "build_llm",
    "explain_llm_error",
    "guarded",
    "llm_when_asked",
    "named_model",
    "parallel_answers",
    "patient",
    "usage_of",
    "why_no_llm",
    "with_max_tokens",
]


def build_llm(settings: LLMSettings) -> LLM | None:
    """Return the LLM that the settings name. Servers are not asked before the first question.

    None for provider "none", and for llama_cpp's model "auto" where no model has been fetched (``why_no_llm`` says so).

    Raises:
        LLMModelNotFoundError: llama_cpp's model file does not exist.
        MissingExtraError: a package is not installed.
    """
    settings = named_model(settings)
    if settings.provider == "none" or (settings.provider, settings.model) == ("llama_cpp", AUTO):
        return None  # named_model() has put a name in the place of "auto" where a model is fetched
    llm: LLM = factory(_LLMS, settings.provider)(settings)
    return llm


def llm_when_asked(settings: LLMSettings) -> LLM | Callable[[], LLM] | None:
    """Return what ``build_llm`` does, but a model in this process as a function that loads it, once.

    Raises:
        LLMModelNotFoundError, MissingExtraError: as ``build_llm``, and now.
    """
    settings = named_model(settings)
    if settings.provider != "llama_cpp" or settings.model == AUTO:
        return build_llm(settings)
    from rag.llms.llama_cpp import check_llama_cpp, start_llama_cpp

    check_llama_cpp(settings)
    return cache(partial(start_llama_cpp, settings))


def guarded(llm: LLM) -> LLM:
    """``llm`` with no control strings going in and no thinking coming out; see ``rag.llms.guard``."""
    from rag.llms.guard import guarded as guard

    return guard(llm)


def patient(llm: LLM) -> LLM:
    """``guarded``, and asked again while its server is busy: for long runs; see ``rag.llms.patience``."""
    from rag.llms.guard import patient as wait_for

    return wait_for(llm)


def parallel_answers(settings: LLMSettings) -> int:
    """Return how many answers the language model writes at once: ``llm.parallel``, or what its server is made for."""
    return parallel_of(settings.parallel, settings.provider, USUAL_PARALLEL, os.environ)


def named_model(settings: LLMSettings) -> LLMSettings:
    """Return the settings with the name of a model in place of llama_cpp's "auto", where one has been fetched."""
    if settings.provider != "llama_cpp" or settings.model != AUTO:
        return settings
    from rag.models.folder import auto_model

    found = auto_model()
    return settings if found is None else settings.model_copy(update={"model": found})


def why_no_llm(settings: LLMSettings) -> str:
    """Return why ``build_llm`` gave no model, for a note: "no language model has been fetched (run: ...)"."""
    if settings.provider == "llama_cpp" and settings.model == AUTO:
        from rag.models.catalogue import CATALOGUE

        return f"no language model has been fetched (run: rag model fetch {next(iter(CATALOGUE))})"
    return "no LLM is configured"


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
