"""Train a cross-encoder with sentence-transformers: losses, dev lists, checkpoints and loss curve."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.finetune.reranker.dev import list_evaluator
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.reranker.rows import LABEL, QUESTION, TEXTS, CandidateList, Rows
from eval.finetune.training import together
from eval.finetune.training.loss_curve import Trained
from eval.finetune.training.trainer import (
    UNLOADABLE,
    Begin,
    TrainingFolder,
    beginning,
    fit,
    own_device,
    quiet,
    reason_of,
    trainer_arguments,
)
from eval.ticks import Tick
from indexes.errors import RerankerError, SettingsError
from indexes.files import beside

KIND = "reranker"
WHOLE_STEP = -1  # mini_batch_size of list losses: pass all pairs of a step


def start_model(folder: Path, name: str, target: Path, options: RerankerOptions) -> Path:
    """Write the start model: the base as a cross-encoder with one label, with a new head if it has none.

    Raises:
        RerankerError: the base cannot be loaded, or has several labels.
    """
    from transformers.trainer_utils import set_seed

    set_seed(options.seed)  # for the new head
    model = load_cross_encoder(folder, name, options)
    with beside(target) as part, quiet():
        model.save_pretrained(str(part), create_model_card=False)
    return target


def has_head(folder: Path) -> bool:
    """Return whether a folder has a cross-encoder, not an encoder without a head.

    >>> has_head(folder)
    False
    >>> _ = (folder / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    >>> has_head(folder)
    True
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or [])


def load_cross_encoder(folder: Path, name: str, options: RerankerOptions) -> Any:
    """Load the base as sentence-transformers' CrossEncoder in float32.

    Raises:
        RerankerError: the base cannot be loaded, or has several labels.
    """
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder
    from torch import nn

    device = own_device(options.device, error=RerankerError)
    own_head = has_head(folder)
    try:
        with quiet():
            model = CrossEncoder(
                str(folder),
                device=str(device),
                local_files_only=True,
                trust_remote_code=False,
                activation_fn=nn.Sigmoid(),
                **({} if own_head else {"num_labels": 1}),
            )
    except (*UNLOADABLE, SafetensorError) as error:
        raise RerankerError(
            f"'{name}' ({folder}) cannot be loaded as a cross-encoder ({reason_of(error)})",
            remedy="name the folder of an encoder or cross-encoder with config.json, weights and tokenizer",
        ) from error
    if model.num_labels != 1:
        raise RerankerError(
            f"'{name}' is a classifier with {model.num_labels} labels",
            remedy="name a model with one label, or an encoder",
        )
    model.float()
    return model


def train_reranker(
    start: Path,
    name: str,
    rows: Rows,
    dev: Sequence[CandidateList],
    place: TrainingFolder,
    options: RerankerOptions,
    *,
    scale: float | None = None,
    progress: Tick | None = None,
    begin: Begin | None = None,
) -> Trained:
    """Train, and save the checkpoint that is best on dev (see ``training.trainer.fit``).

    Args:
        start: folder written by ``start_model``, or a model trained before.
        rows: rows of all epochs (``rows.training_rows``).
        dev: lists to compare checkpoints on, each with its best share of the reranker; without lists, the last step is
            used.
        scale: ``rerank.scale`` for these lists.
        begin: where the first process begins, in a process that takes part.
    """
    from sentence_transformers.cross_encoder import CrossEncoderTrainer
    from torch import nn
    from transformers.trainer_utils import set_seed

    begin = begin or beginning(place, options.patience, measured=bool(dev))
    given = {"start": start, "name": name, "rows": rows, "dev": dev, "place": place, "options": options}
    together.hand_over(place.folder, KIND, given | {"scale": scale, "begin": begin})
    set_seed(options.seed)
    model = load_cross_encoder(start, name, options)
    if options.freeze_embeddings:
        for part in model.modules():
            if isinstance(part, nn.Embedding):
                part.requires_grad_(False)
    arguments = _arguments(rows, place.checkpoint_folder, options, measured=bool(dev))
    note = f"checkpoints are compared on {len(dev)} dev questions, each with its best share"
    return fit(
        CrossEncoderTrainer,
        model,
        arguments,
        _dataset(rows),
        _loss(model, rows, options),
        list_evaluator(dev, scale, bfloat16=arguments.bf16) if dev else None,
        place,
        max_tokens=options.max_tokens,
        patience=options.patience,
        notes=[note] if dev else [],
        curve_epochs=options.epochs,
        progress=progress,
        begin=begin,
    )


def _arguments(rows: Rows, checkpoints: Path, options: RerankerOptions, *, measured: bool) -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    batch = step_rows(options)
    steps = math.ceil(len(rows[QUESTION]) / batch)
    return trainer_arguments(
        CrossEncoderTrainingArguments,
        options,
        checkpoints,
        batch=batch,
        every=max(1, math.ceil(steps / options.evaluations)),
        log_at_most=20,
        error=RerankerError,
        measured=measured,
        num_train_epochs=1,  # the rows are already those of all epochs
    )


def step_rows(options: RerankerOptions) -> int:
    """Return the rows per step: lists, or pairs for BCE, whose lists are split.

    >>> step_rows(RerankerOptions(batch=4, negatives=5)), step_rows(RerankerOptions(batch=4, negatives=5, loss="bce"))
    (4, 24)
    """
    return options.batch * (1 + options.negatives) if options.loss == "bce" else options.batch


def _dataset(rows: Rows) -> Any:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return Dataset.from_dict(rows)


def _loss(model: Any, rows: Rows, options: RerankerOptions) -> Any:
    import torch
    from sentence_transformers.cross_encoder import losses

    from eval.finetune.reranker.losses import ByLength, Residual

    found: Any
    by_length: Any = ByLength(model)
    match options.loss:
        case "bce":
            labels = rows[LABEL]
            positive = sum(labels) or 1.0
            weight = torch.tensor(max(1.0, (len(labels) - positive) / positive))
            return losses.BinaryCrossEntropyLoss(model, pos_weight=weight.to(model.device))
        case "margin_mse":
            return losses.MarginMSELoss(model)
        case "listnet":
            found = losses.ListNetLoss(by_length, mini_batch_size=WHOLE_STEP)
        case "lambda":
            found = losses.LambdaLoss(by_length, mini_batch_size=WHOLE_STEP)
        case _:
            raise SettingsError(f"unknown loss {options.loss!r}", remedy="use bce, listnet, lambda or margin_mse")
    if len(rows[LABEL][0]) == len(rows[TEXTS][0]):
        return found
    return Residual(found)
