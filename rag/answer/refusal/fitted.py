"""Fitted refusal signals of the packaged language models, as ``rag-eval calibrate --answers`` printed them."""

from __future__ import annotations

from typing import Any

# A part of the model's name, in lower case -> the fields of a RefusalModel.
FITTED: dict[str, dict[str, Any]] = {
    "qwen2.5-coder-1.5b": {
        "weights": {"allowed": 0.204, "logprob": -0.6448, "support": -1.2115, "asked": -6.2577, "near": -2.1284},
        "means": {"allowed": -0.8986, "logprob": -0.2197, "support": 0.8231, "asked": 0.6417, "near": 0.1285},
        "bias": 0.9915,
        "bound": 0.6734,
        "fitted_on": (
            "400 answers in layout plain (100 of rgb_en_fact, 100 of rgb_zh_fact, 100 of cmrc2018, 100 of xquad_en)"
        ),
        "otherwise": {
            "weights": {"allowed": 0.2913, "logprob": -1.269, "support": -1.721, "asked": -7.786},
            "means": {"allowed": -0.8986, "logprob": -0.2197, "support": 0.8231, "asked": 0.6417},
            "bias": 0.5479,
            "bound": 0.7579,
        },
    },
    "qwen2.5-coder-0.5b": {
        "weights": {"allowed": 0.2062, "logprob": -0.2929, "support": -2.6894, "asked": -6.5952, "near": -2.1066},
        "means": {"allowed": -0.9049, "logprob": -0.2508, "support": 0.8409, "asked": 0.614, "near": 0.0486},
        "bias": 1.4162,
        "bound": 0.6275,
        "fitted_on": (
            "400 answers in layout plain (100 of rgb_en_fact, 100 of rgb_zh_fact, 100 of cmrc2018, 100 of xquad_en)"
        ),
        "otherwise": {
            "weights": {"allowed": 0.2629, "logprob": -0.9569, "support": -3.7861, "asked": -8.4418},
            "means": {"allowed": -0.9049, "logprob": -0.2508, "support": 0.8409, "asked": 0.614},
            "bias": 0.886,
            "bound": 0.7514,
        },
    },
}
