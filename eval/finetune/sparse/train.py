"""Train with sentence-transformers' SparseEncoderTrainer and SpladeLoss.

The loss has in-batch and mined negatives (or, with a teacher, the KL divergence to its scores); the FLOPS regulariser
keeps texts sparse (Formal et al., arXiv 2109.10086; Paria et al., arXiv 2004.05665).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.finetune.embedder.rows import DevPool
from eval.finetune.embedder.train import arguments_of, datasets_of, dev_evaluator, load_as
from eval.finetune.sparse.options import SparseOptions
from eval.finetune.training.loss_curve import Trained
from eval.finetune.training.trainer import Rows, TrainingFolder, beginning, fit
from eval.ticks import Tick
from indexes.errors import EncoderError


def check_base(folder: Path, name: str) -> None:
    """Refuse a base without the head of a masked language model, before anything is scored.

    >>> check_base(Path("bert"), "bert")
    Traceback (most recent call last):
        ...
    indexes.errors.EncoderError: 'bert' (bert) is not a SPLADE model: it has no head that gives terms; name a SPLADE
     model, or a masked language model such as distilbert-base-uncased

    Raises:
        EncoderError: the base has no such head.
    """
    from indexes.encoders.splade import SPLADE, sparse_head

    head = sparse_head(folder)
    if head != SPLADE:
        found = f"its head is {head}" if head else "it has no head that gives terms"
        raise EncoderError(
            f"'{name}' ({folder}) is not a SPLADE model: {found}",
            remedy="name a SPLADE model, or a masked language model such as distilbert-base-uncased",
        )


def train(
    base: Path,
    name: str,
    rows: Mapping[str, Rows],
    pool: DevPool,
    place: TrainingFolder,
    options: SparseOptions,
    *,
    progress: Tick | None = None,
) -> Trained:
    """Train, and save the checkpoint that is best on dev (see ``training.trainer.fit``).

    Args:
        rows, pool: see the embedder's ``train``.

    Raises:
        EncoderError: the model cannot be loaded.
    """
    from sentence_transformers import SparseEncoderTrainer, SparseEncoderTrainingArguments
    from sentence_transformers.sparse_encoder.callbacks import SpladeRegularizerWeightSchedulerCallback
    from sentence_transformers.sparse_encoder.evaluation import SparseInformationRetrievalEvaluator
    from sentence_transformers.util import dot_score
    from transformers.trainer_utils import set_seed

    begin = beginning(place, options.patience, measured=True)
    set_seed(options.seed)
    model = load_base(base, name, options)
    arguments = arguments_of(model, rows, place.checkpoint_folder, options, kind=SparseEncoderTrainingArguments)
    losses = losses_of(model, rows, options)
    return fit(
        SparseEncoderTrainer,
        model,
        arguments,
        datasets_of(rows),
        losses,
        dev_evaluator(
            SparseInformationRetrievalEvaluator, ("dot", dot_score), pool, model.prompts, bfloat16=arguments.bf16
        ),
        place,
        max_tokens=options.max_tokens,
        patience=options.patience,
        notes=pool.notes,
        callbacks=[SpladeRegularizerWeightSchedulerCallback(loss) for loss in losses.values()],
        progress=progress,
        begin=begin,
    )


def load_base(folder: Path, name: str, options: SparseOptions) -> Any:
    """Load the base as a SparseEncoder.

    Raises:
        EncoderError: it cannot be loaded.
    """
    from sentence_transformers import SparseEncoder

    return load_as(
        SparseEncoder,
        folder,
        name,
        options.device,
        what="a sparse encoder",
        remedy="name the folder of a SPLADE model with config.json, weights and tokenizer",
    )


def losses_of(model: Any, rows: Mapping[str, Rows], options: SparseOptions) -> dict[str, Any]:
    """Return the loss of each kind of rows; with a teacher's scores (column "label"), the KL divergence to them."""
    from sentence_transformers.sparse_encoder.losses import (
        SparseDistillKLDivLoss,
        SparseMultipleNegativesRankingLoss,
        SpladeLoss,
    )

    def ranking(table: Rows) -> Any:
        if "label" in table:
            return SparseDistillKLDivLoss(model, temperature=options.temperature)
        return SparseMultipleNegativesRankingLoss(model)

    return {
        kind: SpladeLoss(
            model,
            ranking(table),
            document_regularizer_weight=options.document_flops,
            query_regularizer_weight=options.query_flops,
        )
        for kind, table in rows.items()
    }
