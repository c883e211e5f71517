"""Token log-probabilities of an answer, where the server gives them: llama.cpp, vLLM, Ollama."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TOP = 20  # alternatives asked for at each place: what vLLM and llama.cpp allow at most


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One written token, its log-probability, and the likeliest tokens at its place (its own among them)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


def logprob_options(llm: Any, top: int = 1) -> dict[str, Any]:
    """Return the keyword arguments of ``chat`` and ``stream_chat`` that ask for log-probabilities.

    Args:
        llm: any LlamaIndex LLM; one that is not known to give them gets no arguments.
        top: alternatives wanted at each place, at most 20.
    """
    llm = getattr(llm, "inner", llm)  # a user's own LLM stands behind a guard
    if hasattr(llm, "api_base") or hasattr(llm, "gives_logprobs"):
        return {"logprobs": True, "top_logprobs": min(max(top, 1), TOP)}
    return {}


def read_logprobs(raw: Any) -> list[TokenLogprob]:
    """Return the tokens of one response, or of one piece of a stream; [] where the server sent none."""
    if isinstance(raw, dict) and "choices" not in raw:  # Ollama: a list beside the message
        return [_token(item) for item in raw.get("logprobs") or []]
    choices = _get(raw, "choices") or []
    content = _get(_get(choices[0], "logprobs"), "content") if choices else None
    return [_token(item) for item in content or []]


def mean_logprob(tokens: Sequence[TokenLogprob]) -> float | None:
    """Return the mean log-probability of the written tokens; None without any."""
    return sum(token.logprob for token in tokens) / len(tokens) if tokens else None


def _token(item: Any) -> TokenLogprob:
    top = _get(item, "top_logprobs") or []
    return TokenLogprob(
        str(_get(item, "token")),
        float(_get(item, "logprob")),
        tuple((str(_get(other, "token")), float(_get(other, "logprob"))) for other in top),
    )


def _get(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else getattr(holder, key, None)
