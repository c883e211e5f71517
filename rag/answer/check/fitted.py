"""Fitted refusal signals of the packaged language models, as ``rag-eval calibrate --answers`` printed them."""

from __future__ import annotations

from typing import Any

# A part of the model's name, in lower case -> the fields of a RefusalModel.
FITTED: dict[str, dict[str, Any]] = {}
