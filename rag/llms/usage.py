"""What an answer cost: tokens, speed and waiting time, read from whatever the server reports."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

MILLION = 1_000_000  # Ollama counts nanoseconds


def usage_of(response: Any) -> dict[str, Any]:
    """Facts about one answer, from a LlamaIndex ChatResponse or CompletionResponse (streamed: the last one).

    Returns:
        Those of ``model``, ``prompt_tokens``, ``completion_tokens``, ``tokens_per_second`` (while generating),
        ``prompt_ms`` (reading the prompt), ``load_ms`` (loading the model) and ``finish_reason`` ("length": the
        answer was cut at max_tokens) that the server reported; ``{}`` for an LLM that reports nothing.
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
    usage = _get(raw, "usage")
    timings = _get(raw, "timings")  # llama.cpp's addition
    choices = _get(raw, "choices") or []
    model = _get(raw, "model")
    speed, prompt = _get(timings, "predicted_per_second"), _get(timings, "prompt_ms")
    return {
        "model": PurePath(model).name if isinstance(model, str) and model.endswith(".gguf") else model,
        "prompt_tokens": _get(usage, "prompt_tokens"),
        "completion_tokens": _get(usage, "completion_tokens"),
        "tokens_per_second": round(speed, 1) if speed is not None else None,
        "prompt_ms": round(prompt, 1) if prompt is not None else None,
        "finish_reason": _get(choices[0], "finish_reason") if choices else None,
    }


def _get(holder: Any, key: str) -> Any:
    """A field of an object or a dict; None where there is neither."""
    return holder.get(key) if isinstance(holder, dict) else getattr(holder, key, None)


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / MILLION, 1)
