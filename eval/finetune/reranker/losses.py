"""Parts of list losses for cross-encoders: batches of similar length, and training on what the first stage lacks.

Import this module inside functions: it needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from sentence_transformers.cross_encoder.losses import LambdaLoss, ListNetLoss
from torch import Tensor, nn

CPU_TOKENS, GPU_TOKENS = 1024, 8192  # per forward pass, with padding; on a CPU, what fits into its caches


class ByLength(nn.Module):
    """Wrap the cross-encoder for a list loss: it reads all pairs of a step, batched by similar length.

    The library takes pairs in the order of their lists, and pads each batch to its longest pair: with windows of a few
    words to 512 tokens, most of the computation is padding or exceeds the processor's caches. ``python -m eval.bench
    lists`` compares both. Scores are returned in the order of the pairs.

    Args:
        model: sentence-transformers' ``CrossEncoder``; use the loss with ``mini_batch_size=-1``, so that it passes a
            whole step.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @property
    def num_labels(self) -> int:
        return int(self.model.num_labels)

    @property
    def device(self) -> torch.device:
        found: torch.device = self.model.device
        return found

    def preprocess(self, pairs: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.model.preprocess(pairs, **options)
        return found

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        mask = features["attention_mask"]
        most = CPU_TOKENS if mask.device.type == "cpu" else GPU_TOKENS
        lengths = mask.sum(1)
        order = lengths.argsort(stable=True)
        scores = []
        for rows in _passes(lengths[order].tolist(), most):
            chosen = order[rows]
            read = mask[chosen].any(0)  # columns with more than padding, on either side
            part = {
                name: value[chosen][:, read] if isinstance(value, Tensor) and value.shape == mask.shape else value
                for name, value in features.items()
            }
            scores.append(self.model(part)["scores"].view(-1))
        return {"scores": torch.cat(scores)[order.argsort()]}


def _passes(lengths: list[int], most: int) -> Iterator[slice]:
    """Yield slices of ascending lengths with at most ``most`` tokens when padded, and at least one pair."""
    start = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or (end + 1 - start) * lengths[end] > most:
            yield slice(start, end)
            start = end


class Residual(nn.Module):
    """ListNet or LambdaLoss over the model's logits plus the scaled scores of the first stage.

    It trains the order that is used: that of the sum of the reranker's and the fused score. A new head then starts from
    the pipeline's order instead of a random one, and a few hundred questions teach what the pipeline lacks (as in
    boosting; compare Gao et al., CLEAR, arXiv 2004.13969, for a retriever beside BM25).

    The labels of a list are followed by the numbers to add to its logits.
    """

    def __init__(self, loss: ListNetLoss | LambdaLoss) -> None:
        super().__init__()
        self.loss = loss
        self.shift = _Shift()
        loss.activation_fn = self.shift

    def forward(
        self, inputs: list[Any], labels: list[Tensor], prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        halves = [row.split(len(texts)) for row, texts in zip(labels, inputs[1], strict=True)]
        self.shift.summands = torch.cat([added for _, added in halves])
        return self.loss(inputs, [own for own, _ in halves], prompt=prompt, task=task)

    def get_config_dict(self) -> dict[str, Any]:
        return {"loss": type(self.loss).__name__}


class _Shift(nn.Module):
    """Replace the loss's activation, which gets the logits of all lists in order."""

    summands: Tensor

    def forward(self, logits: Tensor) -> Tensor:
        return logits + self.summands.to(logits.device, logits.dtype)
