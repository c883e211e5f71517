"""BERT's layers with NumPy, for a process that reads a few questions and ends: torch takes 2.3 seconds to import.

One text at a time, float32. A question of a dozen tokens takes as long as with torch; sentences do not, so torch reads
them. The arithmetic is that of ``networks.bert``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.networks.bert import WHOLE

Array = NDArray[np.float32]
Pair = tuple[Array, Array]
# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: erf to 1.5e-7.
_P = np.float32(0.3275911)
_ERF = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))
_HALF_ROOT = np.float32(0.5**0.5)


class NumpyBert:
    """A BERT of a sentence-transformers folder with mean pooling; maps token ids to a vector, not normalised.

    Args:
        folder: with ``config.json`` and ``model.safetensors``, names of tensors without prefix.

    Raises:
        KeyError: the folder holds another network.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors: dict[str, Any] = load_file(folder / WHOLE)

        def pair(name: str) -> Pair:
            return tensors[f"{name}.weight"], tensors[f"{name}.bias"]

        self._heads, self._eps = int(config["num_attention_heads"]), np.float32(config["layer_norm_eps"])
        self._words = tensors["embeddings.word_embeddings.weight"]
        kind = tensors["embeddings.token_type_embeddings.weight"][0]
        self._places = tensors["embeddings.position_embeddings.weight"] + kind
        self._first_norm = pair("embeddings.LayerNorm")
        self._layers = []
        for number in range(int(config["num_hidden_layers"])):
            at = f"encoder.layer.{number}"
            parts = [pair(f"{at}.attention.self.{name}") for name in ("query", "key", "value")]
            joined = np.concatenate([weight for weight, _ in parts]), np.concatenate([bias for _, bias in parts])
            after = ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense")
            self._layers.append((joined, *(pair(f"{at}.{name}") for name in (*after, "output.LayerNorm"))))

    def __call__(self, ids: list[int]) -> Array:
        """Return the mean of the token states, float32 (width,)."""
        states = _normed(self._words[ids] + self._places[: len(ids)], self._first_norm, self._eps)
        length, width = states.shape
        size = width // self._heads
        for joined, out, out_norm, wide, narrow, norm in self._layers:
            parts = _product(states, joined).reshape(length, 3, self._heads, size).transpose(1, 2, 0, 3)
            query, key, value = parts
            weights = query @ key.transpose(0, 2, 1) * np.float32(size**-0.5)
            weights = np.exp(weights - weights.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = (weights @ value).transpose(1, 0, 2).reshape(length, width)
            states = _normed(_product(mixed, out) + states, out_norm, self._eps)
            inner = _product(_gelu(_product(states, wide)), narrow)
            states = _normed(inner + states, norm, self._eps)
        found: Array = states.mean(axis=0)
        return found


def _product(states: Array, matrix: Pair) -> Array:
    """Multiply with the weights first: for a dozen tokens an eighth faster."""
    made: Array = (matrix[0] @ states.T).T + matrix[1]
    return made


def _normed(states: Array, norm: Pair, eps: np.float32) -> Array:
    centred = states - states.mean(-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)
    made: Array = centred / spread * norm[0] + norm[1]
    return made


def _gelu(states: Array) -> Array:
    size = np.abs(states) * _HALF_ROOT
    part = 1 / (1 + _P * size)
    series = np.zeros_like(part)
    for factor in _ERF:
        series = (series + factor) * part
    made: Array = 0.5 * (states + np.abs(states) * (1 - series * np.exp(-size * size)))
    return made
