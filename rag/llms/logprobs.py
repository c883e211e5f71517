"""Token log-probabilities of an answer, from servers that return them: llama.cpp, vLLM, Ollama."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TOP = 20  # alternatives per token: the maximum of vLLM and llama.cpp


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A written token with its log-probability.

    >>> TokenLogprob("6", -0.1, top=(("6", -0.1), ("9", -2.4))).logprob
    -0.1

    Args:
        top: (token, log-probability) of the most likely tokens at its place, itself included.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


def logprob_options(llm: Any, top: int = 1) -> dict[str, Any]:
    """Return the keyword arguments of ``chat`` and ``stream_chat`` that ask for log-probabilities.

    >>> from llama_index.core.llms import MockLLM
    >>> logprob_options(MockLLM())
    {}

    Args:
        llm: any LlamaIndex LLM; if it is not known to return log-probabilities, there are no arguments.
        top: alternatives per token, 1 to 20.
    """
    llm = getattr(llm, "inner", llm)  # a user's LLM is behind a guard
    if hasattr(llm, "api_base") or hasattr(llm, "gives_logprobs"):
        return {"logprobs": True, "top_logprobs": min(max(top, 1), TOP)}
    return {}


def read_logprobs(raw: Any) -> list[TokenLogprob]:
    """Return the tokens of a response, or of a piece of a stream; [] if the server sent none.

    >>> read_logprobs({"logprobs": [{"token": "6", "logprob": -0.1}]})
    [TokenLogprob(token='6', logprob=-0.1, top=())]
    """
    if isinstance(raw, dict) and "choices" not in raw:  # Ollama: a list beside the message
        return [_token(item) for item in raw.get("logprobs") or []]
    choices = field_of(raw, "choices") or []
    content = field_of(field_of(choices[0], "logprobs"), "content") if choices else None
    return [_token(item) for item in content or []]


def mean_logprob(tokens: Sequence[TokenLogprob]) -> float | None:
    """Return the mean log-probability of tokens; None without tokens.

    >>> mean_logprob([TokenLogprob("at", -0.5), TokenLogprob("6", -1.5)])
    -1.0
    """
    return sum(token.logprob for token in tokens) / len(tokens) if tokens else None


def _token(item: Any) -> TokenLogprob:
    top = field_of(item, "top_logprobs") or []
    return TokenLogprob(
        str(field_of(item, "token")),
        float(field_of(item, "logprob")),
        tuple((str(field_of(other, "token")), float(field_of(other, "logprob"))) for other in top),
    )


def field_of(holder: Any, key: str) -> Any:
    """Return a field of an object or a dict; None if it has no such field.

    >>> from types import SimpleNamespace
    >>> field_of({"token": "six"}, "token"), field_of(SimpleNamespace(token="six"), "token"), field_of({}, "token")
    ('six', 'six', None)
    """
    return holder.get(key) if isinstance(holder, dict) else getattr(holder, key, None)
