"""Fitted refusal signals of the packaged language models, as ``rag-eval calibrate --answers`` printed them."""

from __future__ import annotations

from typing import Any

# A part of the model's name, in lower case -> the fields of a RefusalModel.
FITTED: dict[str, dict[str, Any]] = {
    "qwen2.5-coder-1.5b": {
        "weights": {"allowed": 0.1424, "logprob": -1.7849, "support": -1.0798, "asked": -2.6874},
        "means": {"allowed": -1.0527, "logprob": -0.301, "support": 0.7024, "asked": 0.5065},
        "bias": 0.3044,
        "bound": 0.5,
        "fitted_on": "24 answers in layout plain, six each of rgb_en_fact, rgb_zh_fact, cmrc2018 and xquad_en",
    },
}
