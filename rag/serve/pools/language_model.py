"""The server's language model: how long an answer takes, and a request's options."""

from __future__ import annotations

import time
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag.llms import with_max_tokens

USUAL_PROMPT = 800  # tokens of a prompt and its answer, to extrapolate from a short prompt


def pace(llm: Any) -> float:
    """Estimate the seconds that an answer of a model in this process takes, from a short prompt."""
    text = "Passages stand between tags, the question comes last, and every sentence of an answer has its source. " * 2
    started = time.monotonic()
    with_max_tokens(llm, 1).chat([ChatMessage(role=MessageRole.USER, content=text)])
    return float((time.monotonic() - started) * USUAL_PROMPT / max(1, llm.count_tokens(text)))


def tuned(llm: Any, options: dict[str, Any]) -> Any:
    """Return the model with a request's temperature, length and similar options, as far as it supports them.

    >>> from llama_index.core.llms import MockLLM
    >>> tuned(MockLLM(), {"max_tokens": 8}).max_tokens
    8
    """
    if llm is None or not options:
        return llm
    fields = type(llm).model_fields
    changes = {name: value for name, value in options.items() if name in fields and name != "max_tokens"}
    sent = {name: options[name] for name in ("top_p", "seed", "stop") if name in options and name not in fields}
    if sent and "additional_kwargs" in fields:
        changes["additional_kwargs"] = {**(llm.additional_kwargs or {}), **sent}
    changed = llm.model_copy(update=changes) if changes else llm
    return with_max_tokens(changed, options["max_tokens"]) if "max_tokens" in options else changed
