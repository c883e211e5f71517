"""A loss that trains a cross-encoder on what the first stage lacks. Import it inside functions: it needs torch."""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers.cross_encoder.losses import LambdaLoss, ListNetLoss
from torch import Tensor, nn


class Residual(nn.Module):
    """ListNet or LambdaLoss over the model's logits plus what the first stage adds to them.

    The order that is trained is the one that is used: the reranker's score and the fused one together. A fresh head
    then starts from the pipeline's own order and not from chance, and a few hundred questions go into what the pipeline
    does not know (as boosting does; compare Gao et al., CLEAR, arXiv 2004.13969, for a retriever beside BM25).

    Labels of a list are its labels, then the summands of its logits.
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
    """In the place of the loss's activation, which sees the logits of all lists in their order."""

    summands: Tensor

    def forward(self, logits: Tensor) -> Tensor:
        return logits + self.summands.to(logits.device, logits.dtype)
