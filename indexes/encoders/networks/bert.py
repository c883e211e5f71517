"""BERT's layers (BERT, RoBERTa, XLM-R) over a checkpoint's own tensors, in torch alone.

Importing a transformers model takes three seconds, mostly for code of training and generation. The arithmetic is the
same: Devlin et al., arXiv 1810.04805; RoBERTa's positions count from the padding id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
PREFIXES = ("", "bert.", "roberta.", "model.")
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"


def product(states: torch.Tensor, matrix: tuple[torch.Tensor, torch.Tensor], *, gelu: bool = False) -> torch.Tensor:
    """Multiply states with a weight matrix and add its bias."""
    from torch.nn import functional as F

    made = F.linear(states, *matrix)
    return F.gelu(made) if gelu else made


@dataclass(slots=True)
class Layer:
    """The tensors of one layer; query, key and value are joined into one matrix."""

    joined: tuple[Any, Any]
    out: tuple[Any, Any]
    out_norm: tuple[Any, Any]
    wide: tuple[Any, Any]
    narrow: tuple[Any, Any]
    norm: tuple[Any, Any]


class Bert:
    """A network that maps token ids to token states.

    Args:
        config: content of ``config.json``; must pass ``fits``.
        tensors: the checkpoint's tensors by name.

    Raises:
        KeyError: the checkpoint lacks a tensor.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        self.heads = int(config["num_attention_heads"])
        self.eps = float(config.get("layer_norm_eps", 1e-12))
        self.pad_id = int(config.get("pad_token_id") or 0)
        self.counts_from_pad = config["model_type"] != "bert"
        self.product: Any = product  # ``packed`` puts another one here, with matrices laid out for it
        self.in_float32 = False  # whether states are, whatever the format of the embeddings
        start = next(one for one in PREFIXES if f"{one}embeddings.word_embeddings.weight" in tensors)

        def pair(name: str) -> tuple[Any, Any]:
            name = f"{start}{name}"
            old = f"{name}.gamma" in tensors  # the names in the first checkpoints
            return tensors[f"{name}.{'gamma' if old else 'weight'}"], tensors[f"{name}.{'beta' if old else 'bias'}"]

        self.words = tensors[f"{start}embeddings.word_embeddings.weight"]
        self.positions = tensors[f"{start}embeddings.position_embeddings.weight"]
        self.kind = tensors[f"{start}embeddings.token_type_embeddings.weight"][0]
        self.first_norm = pair("embeddings.LayerNorm")
        self.layers = [self._layer(pair, number) for number in range(int(config["num_hidden_layers"]))]

    def _layer(self, pair: Any, number: int) -> Layer:
        import torch

        at = f"encoder.layer.{number}"
        parts = [pair(f"{at}.attention.self.{name}") for name in ("query", "key", "value")]
        joined = torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])
        return Layer(
            joined,
            pair(f"{at}.attention.output.dense"),
            pair(f"{at}.attention.output.LayerNorm"),
            pair(f"{at}.intermediate.dense"),
            pair(f"{at}.output.dense"),
            pair(f"{at}.output.LayerNorm"),
        )

    @property
    def width(self) -> int:
        """Values in a token's state."""
        return int(self.words.shape[1])

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Convert all tensors to a number format and move them to a device."""

        def moved(pair: tuple[Any, Any]) -> tuple[Any, Any]:
            return pair[0].to(device, dtype), pair[1].to(device, dtype)

        self.words, self.positions, self.kind = (
            one.to(device, dtype) for one in (self.words, self.positions, self.kind)
        )
        self.first_norm = moved(self.first_norm)
        for layer in self.layers:
            for name in Layer.__slots__:
                setattr(layer, name, moved(getattr(layer, name)))

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return token states (texts, tokens, width).

        Args:
            ids, mask: int64 (texts, tokens), padded on the right; the mask is 1 for a token, 0 for padding.
        """
        from torch.nn import functional as F

        rows, length = ids.shape
        if self.counts_from_pad:
            places = mask.cumsum(1) * mask + self.pad_id
            states = self.words[ids] + self.positions[places] + self.kind
        else:
            states = self.words[ids] + self.positions[:length] + self.kind
        width, product = self.width, self.product
        states = states.float() if self.in_float32 else states
        states = F.layer_norm(states, (width,), *self.first_norm, self.eps)
        seen = None if bool(mask.all()) else mask[:, None, None, :].bool()
        for layer in self.layers:
            parts = product(states, layer.joined).view(rows, length, 3, self.heads, width // self.heads)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
            mixed = mixed.transpose(1, 2).reshape(rows, length, width)
            states = F.layer_norm(product(mixed, layer.out) + states, (width,), *layer.out_norm, self.eps)
            inner = product(states, layer.wide, gelu=True)
            states = F.layer_norm(product(inner, layer.narrow) + states, (width,), *layer.norm, self.eps)
        made: torch.Tensor = states
        return made


def fits(config: Mapping[str, Any]) -> bool:
    """Return whether a ``config.json`` describes a network that ``Bert`` can run.

    >>> fits({"model_type": "xlm-roberta", "hidden_act": "gelu"}), fits({"model_type": "qwen3", "hidden_act": "silu"})
    (True, False)
    """
    return (
        config.get("model_type") in KINDS
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("quantization_config")
    )


def bert_of(model: Any) -> Bert | None:
    """Return a model of transformers as our network, on the same tensors; None where it is of another kind."""
    config = model.config.to_dict()
    try:
        return Bert(config, model.state_dict()) if fits(config) else None
    except (KeyError, StopIteration):  # it names its tensors otherwise
        return None


def read_tensors(folder: Path) -> dict[str, torch.Tensor] | None:
    """Return the tensors of a folder's safetensors files by name; None if it has no such files."""
    from safetensors.torch import load_file

    if (folder / WHOLE).is_file():
        files = [WHOLE]
    elif (folder / INDEX).is_file():
        listed = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(listed.values()))
    else:
        return None
    found: dict[str, torch.Tensor] = {}
    for name in files:
        found |= load_file(folder / name)
    return found
