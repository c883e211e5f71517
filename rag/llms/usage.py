"""The cost of an answer: tokens, speed and waiting time, as far as the server reports them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from rag.llms.logprobs import field_of

MILLION = 1_000_000  # Ollama counts nanoseconds


def usage_of(response: Any) -> dict[str, Any]:
    """Return what an answer cost, from a LlamaIndex ChatResponse or CompletionResponse (of a stream, the last one).

    >>> from llama_index.core.base.llms.types import CompletionResponse
    >>> raw = {"model": "qwen3:8b", "eval_count": 20, "eval_duration": 2_000_000_000, "done_reason": "stop"}
    >>> usage_of(CompletionResponse(text="At 6.", raw=raw))
    {'model': 'qwen3:8b', 'completion_tokens': 20, 'tokens_per_second': 10.0, 'finish_reason': 'stop'}

    Returns:
        What the server reported of ``model``, ``prompt_tokens``, ``completion_tokens``, ``tokens_per_second`` (while
        generating), ``prompt_ms`` (reading the prompt), ``load_ms`` (loading the model) and ``finish_reason``
        ("length": the answer was cut at max_tokens).
    """
    raw = getattr(response, "raw", None)
    if raw is None:
        return {}
    found = _ollama(raw) if isinstance(raw, dict) and "eval_duration" in raw else _openai(raw)
    return {key: value for key, value in found.items() if value is not None}


def _ollama(raw: dict[str, Any]) -> dict[str, Any]:
    tokens, duration = raw.get("eval_count"), raw.get("eval_duration")
    return {
        "model": raw.get("model"),
        "prompt_tokens": raw.get("prompt_eval_count"),
        "completion_tokens": tokens,
        "tokens_per_second": round(tokens * 1000 * MILLION / duration, 1) if tokens and duration else None,
        "prompt_ms": _milliseconds(raw.get("prompt_eval_duration")),
        "load_ms": _milliseconds(raw.get("load_duration")),
        "finish_reason": raw.get("done_reason"),
    }


def _openai(raw: Any) -> dict[str, Any]:
    usage = field_of(raw, "usage")
    timings = field_of(raw, "timings")  # llama.cpp's addition
    choices = field_of(raw, "choices") or []
    model = field_of(raw, "model")
    speed, prompt = field_of(timings, "predicted_per_second"), field_of(timings, "prompt_ms")
    return {
        "model": PurePath(model).name if isinstance(model, str) and model.endswith(".gguf") else model,
        "prompt_tokens": field_of(usage, "prompt_tokens"),
        "completion_tokens": field_of(usage, "completion_tokens"),
        "tokens_per_second": round(speed, 1) if speed is not None else None,
        "prompt_ms": round(prompt, 1) if prompt is not None else None,
        "finish_reason": field_of(choices[0], "finish_reason") if choices else None,
    }


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / MILLION, 1)
