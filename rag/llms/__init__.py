"""Language models: factories of LlamaIndex LLMs, explained failures, and the cost of an answer.

Importing this package loads no model library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from indexes.display import Bilingual
from indexes.parallel import parallel_of
from indexes.registry import factory
from rag.llms.failures import explain_llm_error
from rag.llms.usage import usage_of
from rag.settings import LLMSettings

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

AUTO = "auto"
USUAL_PARALLEL = 32  # parallel answers of a server with OpenAI's API (vLLM)
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
    """Return the LLM that the settings name; servers are not contacted before the first question.

    None for provider "none", and for llama_cpp's model "auto" if no model has been fetched (see ``why_no_llm``).

    >>> llm = build_llm(LLMSettings(provider="openai", model="qwen3", base_url="http://127.0.0.1:8000/v1"))
    >>> llm.metadata.model_name
    'qwen3'
    >>> build_llm(LLMSettings(provider="none")) is None
    True

    Raises:
        LLMModelNotFoundError: llama_cpp's model file does not exist.
        MissingExtraError: a package is not installed.
    """
    settings = named_model(settings)
    if settings.provider == "none" or (settings.provider, settings.model) == ("llama_cpp", AUTO):
        return None  # named_model() has replaced "auto" if a model is fetched
    llm: LLM = factory(_LLMS, settings.provider)(settings)
    return llm


def llm_when_asked(settings: LLMSettings) -> LLM | Callable[[], LLM] | None:
    """Return what ``build_llm`` returns, but for a model in this process a function that loads it once.

    >>> llm_when_asked(LLMSettings(provider="none")) is None
    True

    Raises:
        LLMModelNotFoundError, MissingExtraError: as ``build_llm``, at once and not when the model is loaded.
    """
    settings = named_model(settings)
    if settings.provider != "llama_cpp" or settings.model == AUTO:
        return build_llm(settings)
    from rag.llms.llama_cpp import check_llama_cpp, start_llama_cpp

    check_llama_cpp(settings)
    return cache(partial(start_llama_cpp, settings))


def guarded(llm: LLM) -> LLM:
    """Keep control strings out of what an LLM is sent, and thinking out of its answers; see ``rag.llms.guard``.

    >>> from llama_index.core.llms import MockLLM
    >>> guarded(MockLLM()).complete("nine.<|im_end|>").text
    'nine.‹|im_end|›'
    """
    from rag.llms.guard import guarded as guard

    return guard(llm)


def patient(llm: LLM) -> LLM:
    """Guard an LLM, and ask again while its server is busy: for long runs; see ``rag.llms.patience``.

    >>> from llama_index.core.llms import MockLLM
    >>> patient(MockLLM()).tries
    5
    """
    from rag.llms.guard import patient as wait_for

    return wait_for(llm)


def parallel_answers(settings: LLMSettings) -> int:
    """Return how many answers the language model writes at once: ``llm.parallel``, or the provider's default.

    >>> parallel_answers(LLMSettings(provider="openai", model="qwen3")), parallel_answers(LLMSettings(parallel=4))
    (32, 4)
    """
    return parallel_of(settings.parallel, settings.provider, USUAL_PARALLEL, os.environ)


def named_model(settings: LLMSettings) -> LLMSettings:
    """Replace llama_cpp's "auto" by the name of the best fetched model, if there is one.

    >>> named_model(LLMSettings(provider="ollama", model="qwen3:8b")).model
    'qwen3:8b'
    """
    if settings.provider != "llama_cpp" or settings.model != AUTO:
        return settings
    from rag.models.folder import auto_model

    found = auto_model()
    return settings if found is None else settings.model_copy(update={"model": found})


def why_no_llm(settings: LLMSettings) -> str:
    """Return why ``build_llm`` returned no model, for a note.

    >>> why_no_llm(LLMSettings(provider="llama_cpp", model="auto"))
    'no language model has been fetched (run: rag model fetch qwen2.5-coder-1.5b)'
    """
    if settings.provider == "llama_cpp" and settings.model == AUTO:
        from rag.models.catalogue import CATALOGUE

        line = f"rag model fetch {next(iter(CATALOGUE))}"
        return Bilingual(f"no language model has been fetched (run: {line})", f"还没有下载语言模型（运行：{line}）")
    return Bilingual("no LLM is configured", "没有配置语言模型")


def with_max_tokens(llm: LLM, max_tokens: int) -> LLM:
    """Return a copy of an LLM (same connections, same weights) with another limit of answer tokens.

    A copy, since LlamaIndex's Ollama class drops per-call options, and in its OpenAI classes their own ``max_tokens``
    overrides a call's. An LLM without such a field is returned unchanged.

    >>> from llama_index.core.llms import MockLLM
    >>> with_max_tokens(MockLLM(), 8).max_tokens
    8
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
