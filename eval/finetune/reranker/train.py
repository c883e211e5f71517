"""Training a cross-encoder: sentence-transformers' trainer and losses, dev lists, checkpoints and loss curve."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
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
    place_of,
    quiet,
    reason_of,
    trainer_arguments,
)
from eval.ticks import Tick
from indexes.errors import RerankerError, SettingsError
from indexes.files import beside

KIND = "reranker"
WHOLE_STEP = -1  # pairs that a list loss hands over at once: all of them


def start_model(folder: Path, name: str, target: Path, options: RerankerOptions) -> Path:
    """Save what training starts from: the base as a cross-encoder of one label, with a fresh head where it has none.

    Raises:
        RerankerError: it cannot be loaded, or has several labels.
    """
    from transformers.trainer_utils import set_seed

    set_seed(options.seed)  # of the fresh head
    model = load_cross_encoder(folder, name, options)
    with beside(target) as part, quiet():
        model.save_pretrained(str(part), create_model_card=False)
    return target


def has_head(folder: Path) -> bool:
    """Whether a folder holds a cross-encoder already, and no encoder without a head."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or [])


def load_cross_encoder(folder: Path, name: str, options: RerankerOptions) -> Any:
    """The base as sentence-transformers' CrossEncoder in float32.

    Raises:
        RerankerError: it cannot be loaded, or has several labels.
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
            remedy="give the folder of an encoder or cross-encoder: config.json, weights and tokenizer",
        ) from error
    if model.num_labels != 1:
        raise RerankerError(
            f"'{name}' is a classifier with {model.num_labels} labels",
            remedy="give a model with 1 label, or an encoder",
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
    """Train, keep the checkpoint that is best on dev, and save it (see ``training.trainer.fit``).

    Args:
        start: folder that ``start_model`` wrote, or a model trained before.
        rows: of all epochs (``rows.training_rows``).
        dev: lists that checkpoints are measured on, with the share of the reranker that suits each best; without any
            the last step is kept.
        scale: ``rerank.scale`` for them.
        begin: in a process that takes part: where the first one begins.
    """
    from sentence_transformers.cross_encoder import CrossEncoderTrainer
    from torch import nn
    from transformers.trainer_utils import set_seed

    begin = begin or beginning(place, options.patience, measured=bool(dev))
    together.hand_over(place.folder, KIND, _job(start, name, rows, dev, place, options, scale, begin))
    set_seed(options.seed)
    model = load_cross_encoder(start, name, options)
    if options.freeze_embeddings:
        for part in model.modules():
            if isinstance(part, nn.Embedding):
                part.requires_grad_(False)
    arguments = _arguments(rows, place.checkpoint_folder, options, measured=bool(dev))
    note = f"checkpoints are compared on {len(dev)} dev questions, with the share that suits each best"
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


def _job(
    start: Path,
    name: str,
    rows: Rows,
    dev: Sequence[CandidateList],
    place: TrainingFolder,
    options: RerankerOptions,
    scale: float | None,
    begin: Begin,
) -> dict[str, Any]:
    """The arguments of ``train_reranker`` as plain values, for the other processes."""
    parts = {"place": asdict(place), "options": asdict(options), "begin": asdict(begin)}
    lists = [asdict(one) for one in dev]
    return {"start": str(start), "name": name, "rows": rows, "dev": lists, "scale": scale, **parts}


def take_part(**job: Any) -> None:
    """``train_reranker`` in a process that takes part in it; arguments as ``_job`` gives them."""
    train_reranker(
        Path(job["start"]),
        job["name"],
        job["rows"],
        [CandidateList(**one) for one in job["dev"]],
        place_of(job["place"]),
        RerankerOptions(**together.plain(job["options"])),
        scale=job["scale"],
        begin=Begin(**job["begin"]),
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
        num_train_epochs=1,  # the rows are those of all epochs
    )


def step_rows(options: RerankerOptions) -> int:
    """Rows of one step: lists, or pairs for BCE, whose lists are taken apart."""
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
            raise SettingsError(f"{options.loss!r} is not a loss", remedy="use bce, listnet, lambda or margin_mse")
    if len(rows[LABEL][0]) == len(rows[TEXTS][0]):
        return found
    return Residual(found)
