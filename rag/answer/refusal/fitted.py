"""Fitted refusal signals of the packaged language models, as ``rag-eval calibrate --answers`` printed them."""

from __future__ import annotations

from typing import Any

# A part of the model's name, in lower case -> the fields of a RefusalModel.
FITTED: dict[str, dict[str, Any]] = {
    "qwen2.5-coder-1.5b": {
        "weights": {"allowed": 0.1352, "logprob": -2.027, "support": -1.1806, "asked": -4.1094, "near": -1.9637},
        "means": {"allowed": -1.402, "logprob": -0.2272, "support": 0.8636, "asked": 0.6839, "near": 0.1708},
        "bias": 0.7036,
        "bound": 0.5317,
        "fitted_on": (
            "90 answers in layout plain (23 of rgb_en_fact, 23 of rgb_zh_fact, 22 of cmrc2018, 22 of xquad_en)"
        ),
        "otherwise": {
            "weights": {"allowed": 0.1803, "logprob": -2.9044, "support": -0.7288, "asked": -5.9126},
            "means": {"allowed": -1.402, "logprob": -0.2272, "support": 0.8636, "asked": 0.6839},
            "bias": 0.3001,
            "bound": 0.634,
        },
    },
}
