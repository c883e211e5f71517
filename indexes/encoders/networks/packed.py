"""BERT's matrices in a layout for single questions.

A question has about a dozen tokens, so its time is that of reading the weights, plus the overhead of library calls.
"packed" converts the matrices once to oneDNN's layout, which otherwise happens in every call, and fuses gelu with the
product. "half" reads half of the bytes: weights of 16 bits, converted once, with sums in float32. "int8" reads a
quarter: weights of 8 bits with a scale per output channel, and states rounded to 8 bits on the fly.
"""

from __future__ import annotations

import copy
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from indexes.encoders.networks.bert import Bert, Layer

if TYPE_CHECKING:
    import torch

Runtime = Literal["torch", "packed", "half", "int8"]
MATRICES = ("joined", "out", "wide", "narrow")  # matrices of a layer
LARGEST = 127  # largest 8-bit value
WORTH = 1_000_000  # weights; in smaller networks the calls dominate the time


def weights_in_layers(network: Bert) -> int:
    """Return the number of weights in the matrices that a packed network converts."""
    return sum(int(getattr(layer, name)[0].numel()) for layer in network.layers for name in MATRICES)


def packed(network: Bert, runtime: Runtime) -> Bert:
    """Return a network with the same tensors and its matrices converted for single questions; "torch": unchanged.

    Raises:
        RuntimeError, NotImplementedError, AttributeError: this build of torch lacks the kernels.
    """
    if runtime == "torch":
        return network
    pack = PACK[runtime]
    made = copy.copy(network)
    made.layers = []
    for layer in network.layers:
        parts = {name: getattr(layer, name) for name in Layer.__slots__}
        made.layers.append(Layer(**parts | {name: pack(*parts[name]) for name in MATRICES}))
    if runtime == "packed":
        made.product = _product
        return made
    import torch

    ops = torch.ops.quantized
    made.product = partial(_dynamic, ops.linear_dynamic_fp16 if runtime == "half" else ops.linear_dynamic)
    made.in_float32 = True
    made.first_norm = _floats(network.first_norm)
    for layer in made.layers:
        layer.out_norm, layer.norm = _floats(layer.out_norm), _floats(layer.norm)
    return made


def _floats(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    return pair[0].float(), pair[1].float()


def _laid_out(weight: torch.Tensor, bias: torch.Tensor) -> tuple[Any, Any]:
    import torch

    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()), bias


def _product(states: torch.Tensor, matrix: tuple[Any, Any], *, gelu: bool = False) -> torch.Tensor:
    import torch

    how: tuple[Any, ...] = ("gelu", [], "none") if gelu else ("none", [], "")
    made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, *matrix, *how)
    return made


def _rounded(weight: torch.Tensor, bias: torch.Tensor) -> Any:
    import torch

    weight = weight.float()
    scales = (weight.abs().amax(1) / LARGEST).clamp(min=1e-12).double()
    zeros = torch.zeros_like(scales, dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantize_per_channel")  # a later torch will have it elsewhere
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(rounded, bias.float())


def _halved(weight: torch.Tensor, bias: torch.Tensor) -> Any:
    import torch

    return torch.ops.quantized.linear_prepack_fp16(weight.float(), bias.float())


def _dynamic(product: Any, states: torch.Tensor, matrix: Any, *, gelu: bool = False) -> torch.Tensor:
    import torch

    made: torch.Tensor = product(states, matrix)
    return torch.nn.functional.gelu(made) if gelu else made


PACK = {"packed": _laid_out, "half": _halved, "int8": _rounded}
