"""Training a cross-encoder: sentence-transformers' trainer and losses, dev lists, checkpoints and loss curve."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.finetune.embedder.train import Tick, Trained, _silence, _step_of
from eval.finetune.reranker.dev import list_evaluator, loss_curve
from eval.finetune.reranker.rows import LABEL, QUESTION, TEXTS, CandidateList, Loss, Rows
from eval.finetune.training.loss_curve import never_better
from eval.finetune.training.trainer_arguments import shared_arguments
from indexes.encoders.torch_runtime import choose_device, choose_dtype, quiet_loading
from indexes.errors import RerankerError, SettingsError

WITH_RESIDUAL: tuple[Loss, ...] = ("listnet", "lambda")  # losses over a list's logits, to which others can be added
WHOLE_STEP = -1  # pairs that a list loss hands over at once: all of them


@dataclass(frozen=True)
class RerankerTraining:
    """How a cross-encoder is trained.

    Args:
        loss: "listnet" (softmax over a list), "lambda" (LambdaLoss, NDCG-Loss2++), "bce" (each pair by itself), or
            "margin_mse" (differences of the teacher's scores). Without a teacher "margin_mse" cannot be used, and
            with one "lambda" cannot.
        epochs: passes over the questions, each with other negatives; at most, early stopping may end it sooner.
        batch: questions a step.
        negatives: texts beside the positive in a list.
        lr: the highest learning rate; it rises over ``warmup`` of the steps and falls linearly to 0.
        max_tokens: longest question + text pair in training; default: what the model reads.
        evaluations: of dev in the whole training; each makes a checkpoint.
        patience: evaluations without a better dev nDCG@10 after which training stops; 0: never.
        bonus: what a label adds to the teacher's score of a positive, in the teacher's standard deviations.
        residual: train on what the pipeline's own order lacks: its fused scores are part of the logits (listnet and
            lambda). None: for a base without a head; one that ranks by itself stays such a one.
        freeze_embeddings: leave the word embeddings as they are: half of a small model's weights, and the half that
            few questions only see parts of.
    """

    loss: Loss = "listnet"
    epochs: int = 2
    batch: int = 4
    negatives: int = 5
    lr: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_tokens: int | None = None
    evaluations: int = 4
    patience: int = 3
    bonus: float = 1.0
    residual: bool | None = None
    freeze_embeddings: bool = True
    seed: int = 7
    device: str = "auto"
    dtype: str = "auto"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def start_model(folder: Path, name: str, target: Path, training: RerankerTraining) -> Path:
    """Save what training starts from: the base as a cross-encoder of one label, with a fresh head where it has none.

    Raises:
        RerankerError: it cannot be loaded, or has several labels.
    """
    from transformers.trainer_utils import set_seed

    set_seed(training.seed)  # of the fresh head
    model = load_cross_encoder(folder, name, training)
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with _quiet():
        model.save_pretrained(str(part), create_model_card=False)
    shutil.rmtree(target, ignore_errors=True)
    part.replace(target)
    return target


def has_head(folder: Path) -> bool:
    """Whether a folder holds a cross-encoder already, and no encoder without a head."""
    import json

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or [])


def load_cross_encoder(folder: Path, name: str, training: RerankerTraining) -> Any:
    """The base as sentence-transformers' CrossEncoder in float32.

    Raises:
        RerankerError: it cannot be loaded, or has several labels.
    """
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder
    from torch import nn

    device = choose_device(training.device, error=RerankerError)
    own_head = has_head(folder)
    try:
        with _quiet():
            model = CrossEncoder(
                str(folder),
                device=str(device),
                local_files_only=True,
                activation_fn=nn.Sigmoid(),
                **({} if own_head else {"num_labels": 1}),
            )
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, SafetensorError) as exc:
        reason = (str(exc).strip().splitlines() or [""])[0][:200]
        raise RerankerError(
            f"'{name}' ({folder}) cannot be loaded as a cross-encoder ({type(exc).__name__}: {reason})",
            remedy="give the folder of an encoder or cross-encoder: config.json, weights and tokenizer",
        ) from exc
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
    folder: Path,
    target: Path,
    training: RerankerTraining,
    *,
    curve_file: str = "loss.csv",
    checkpoints: str = "checkpoints",
    scale: float | None = None,
    progress: Tick | None = None,
) -> Trained:
    """Train, keep the checkpoint that is best on dev, and save it to ``target`` (float32, safetensors).

    Args:
        start: folder that ``start_model`` wrote, or a model trained before.
        rows: of all epochs (``reranker_data.training_rows``).
        dev: lists that checkpoints are measured on, with the share of the reranker that suits each best; without any
            the last step is kept.
        scale: ``rerank.scale`` for them.
        folder: OUT; an interrupted call is continued from its checkpoints.
    """
    from sentence_transformers.cross_encoder import CrossEncoderTrainer
    from torch import nn
    from transformers import EarlyStoppingCallback
    from transformers.trainer_utils import get_last_checkpoint, set_seed

    set_seed(training.seed)
    model = load_cross_encoder(start, name, training)
    longest = model.max_seq_length
    model.max_seq_length = min(training.max_tokens or longest, longest)
    if training.freeze_embeddings:
        for part in model.modules():
            if isinstance(part, nn.Embedding):
                part.requires_grad_(False)
    arguments = _arguments(rows, folder / checkpoints, training, measured=bool(dev))
    curve = loss_curve(folder / curve_file, training.epochs, progress)
    callbacks: list[Any] = [curve]
    if training.patience and dev:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=training.patience))
    trainer = CrossEncoderTrainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(rows),
        loss=_loss(model, rows, training),
        evaluator=list_evaluator(dev, scale, bfloat16=arguments.bf16) if dev else None,
        callbacks=callbacks,
    )
    _silence(trainer)
    place = folder / checkpoints
    with _quiet():
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(place)) if place.is_dir() else None)
        model.max_seq_length = longest
        shutil.rmtree(target, ignore_errors=True)  # of a call that was killed while saving
        model.save_pretrained(str(target), create_model_card=False)
    devs = [row["dev"] for row in curve.rows if "dev" in row]
    return Trained(
        curve=curve.rows,
        best_step=_step_of(trainer.state.best_model_checkpoint) if dev else int(trainer.state.global_step),
        best_dev=float(trainer.state.best_metric or 0.0),
        first_dev=devs[0] if devs else 0.0,
        steps=int(trainer.state.global_step),
        notes=[
            *[f"checkpoints are compared on {len(dev)} dev questions, with the share that suits each best"] * bool(dev),
            *never_better(curve.rows),
        ],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bars, and its warnings of a head that is new on purpose and of checkpoints' clocks."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with quiet_loading():
            yield
    finally:
        logging.set_verbosity(verbosity)


def _arguments(rows: Rows, place: Path, training: RerankerTraining, *, measured: bool) -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    device = choose_device(training.device, error=RerankerError)
    dtype = choose_dtype(training.dtype, device, error=RerankerError)
    batch = step_rows(training)
    steps = math.ceil(len(rows[QUESTION]) / batch)
    every = max(1, math.ceil(steps / training.evaluations))
    return CrossEncoderTrainingArguments(
        output_dir=str(place),
        num_train_epochs=1,  # the rows are those of all epochs
        **shared_arguments(
            training, batch=batch, every=every, log_at_most=20, device=device, dtype=dtype, measured=measured
        ),
    )


def step_rows(training: RerankerTraining) -> int:
    """Rows of one step: lists, or pairs for BCE, whose lists are taken apart."""
    return training.batch * (1 + training.negatives) if training.loss == "bce" else training.batch


def _dataset(rows: Rows) -> Any:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return Dataset.from_dict(rows)


def _loss(model: Any, rows: Rows, training: RerankerTraining) -> Any:
    import torch
    from sentence_transformers.cross_encoder import losses

    from eval.finetune.reranker.losses import ByLength, Residual

    found: Any
    by_length: Any = ByLength(model)
    match training.loss:
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
            raise SettingsError(f"{training.loss!r} is no loss", remedy="use bce, listnet, lambda or margin_mse")
    if len(rows[LABEL][0]) == len(rows[TEXTS][0]):
        return found
    return Residual(found)
