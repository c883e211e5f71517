"""Losses for embedders: contrastive with in-batch negatives, and distillation of a teacher's ranking of each list.

Distillation is the KL divergence from the teacher's distribution over a candidate list to the student's (Lin et al.,
arXiv 2010.11386). Since teachers have different scales (logits, cosines, fused scores), their scores are divided by
their mean spread within a list before the temperature is applied. Import this module inside functions: it needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from sentence_transformers.base.losses.merged_forward import column_merging_disabled
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    DistillKLDivLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.util import pairwise_cos_sim
from torch import Tensor, nn

from eval.finetune.embedder.options import EmbedderOptions
from indexes.errors import SettingsError


class Contrastive(MultipleNegativesRankingLoss):
    """MultipleNegativesRankingLoss with a separate forward pass per column.

    The library pads questions to the length of the documents to save kernel launches on a GPU; on a CPU, padding costs
    as much as text.
    """

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        with column_merging_disabled():
            return super().forward(sentence_features, labels)


class CachedContrastive(CachedMultipleNegativesRankingLoss):
    """The same loss with GradCache, which stores gradients, not activations: less memory, one more forward pass."""

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        with column_merging_disabled():
            return super().forward(sentence_features, labels)


class Distillation(nn.Module):
    """KL divergence to the teacher over each question's list, plus a share of the contrastive loss.

    Args:
        model: the student.
        scale: factor of cosines in both losses (1 / temperature of the student).
        temperature: temperature of the teacher's scores, which have a spread of 1 (``unit_scores``).
        contrastive: share of the contrastive loss, 0 to 1.

    Labels have the shape (questions, list length): the positive's score first, NaN without a teacher's score.
    """

    def __init__(self, model: Any, *, scale: float, temperature: float, contrastive: float) -> None:
        super().__init__()
        self.model = model
        self.scale = scale
        self.temperature = temperature
        self.share = contrastive
        self.ranking = MultipleNegativesRankingLoss(model, scale=scale)

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        rows = [self.model(features)["sentence_embedding"] for features in sentence_features]
        loss = kl_divergence(rows, labels, scale=self.scale, temperature=self.temperature)
        if self.share == 0:
            return loss
        return (1 - self.share) * loss + self.share * self.ranking.compute_loss_from_embeddings(rows, labels)

    def get_config_dict(self) -> dict[str, Any]:
        return {"scale": self.scale, "temperature": self.temperature, "contrastive": self.share}


def kl_divergence(rows: Sequence[Tensor], labels: Tensor, *, scale: float, temperature: float) -> Tensor:
    """Return the mean over the questions of KL(teacher || student) over their lists.

    Args:
        rows: embeddings, shape (questions, dim), of the questions, then of each column of the lists.
        labels: the teacher's scores, shape (questions, columns), NaN for missing scores.
    """
    units = [torch.nn.functional.normalize(row.float(), dim=-1) for row in rows]
    cosines = torch.stack([(units[0] * column).sum(-1) for column in units[1:]], dim=1)
    there = ~torch.isnan(labels)
    teacher = torch.where(there, labels.float() / temperature, float("-inf"))
    student = torch.where(there, cosines * scale, float("-inf"))
    wanted = torch.softmax(teacher, dim=1)
    log_wanted, log_given = torch.log_softmax(teacher, dim=1), torch.log_softmax(student, dim=1)
    # Without a score both logarithms are -inf, and their difference is NaN: count it as 0.
    each = torch.where(there, wanted * (log_wanted - log_given), 0.0)
    return each.sum(1).mean()


def losses_of(model: Any, rows: Mapping[str, Mapping[str, Any]], options: EmbedderOptions) -> dict[str, Any]:
    """Return the loss of each kind of rows.

    Raises:
        SettingsError: the model has fewer dimensions than requested.
    """
    found: dict[str, Any] = {}
    for kind, table in rows.items():
        loss: Any
        if "label" in table and options.loss == "kl":
            # Cosine, as an index compares; for models that normalise, it is the dot product.
            loss = DistillKLDivLoss(model, similarity_fct=pairwise_cos_sim, temperature=options.temperature)
        elif "label" in table:
            loss = Distillation(
                model, scale=options.scale, temperature=options.temperature, contrastive=options.contrastive
            )
        elif options.mini_batch:
            loss = CachedContrastive(model, scale=options.scale, mini_batch_size=options.mini_batch)
        else:
            loss = Contrastive(model, scale=options.scale)
        found[kind] = loss
    if options.matryoshka:
        full = model.get_embedding_dimension()
        if bad := [dim for dim in options.matryoshka if not 0 < dim <= full]:
            raise SettingsError(
                f"the model has {full} dimensions, fewer than {bad[0]}", remedy=f"use dimensions up to {full}"
            )
        dims = sorted({full, *options.matryoshka}, reverse=True)
        found = {kind: MatryoshkaLoss(model, loss, dims) for kind, loss in found.items()}
    return found
