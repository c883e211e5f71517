"""Options that the fine-tuning commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from indexes.errors import SettingsError

F = TypeVar("F", bound=Callable[..., Any])

finetune_out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="OUT",
    help="Folder of the run: checkpoints, model, proof. The same command continues an interrupted run.",
)
also_option = click.option(
    "--also",
    multiple=True,
    metavar="DIR",
    help="Another dataset to check for forgetting, besides the packaged probes; repeatable.",
)
train_split_option = click.option("--train-split", default="train", show_default=True, help="Split to train on.")
test_split_option = click.option("--split", default="test", show_default=True, help="Split to prove it on.")
dev_share_option = click.option(
    "--dev-share",
    default=0.15,
    show_default=True,
    type=click.FloatRange(0.02, 0.5),
    metavar="SHARE",
    help="Share of the training questions held out for early stopping and for choosing weights.",
)
dev_by_option = click.option(
    "--dev-by",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "document", "question"]),
    help="Dev's answers stand in documents that training never saw, or in any; auto: in any where at least 10 % of the "
    "test's relevant documents are relevant in training too.",
)
train_queries_option = click.option(
    "--train-queries", type=click.IntRange(min=1), metavar="N", help="Only the first N training questions."
)
seed_option = click.option("--seed", default=7, show_default=True, help="Of splitting, mining and training.")
teacher_option = click.option(
    "--teacher",
    metavar="SPEC",
    multiple=True,
    help="pipeline, file:PATH, cross_encoder:MODEL, embedder:PROVIDER[:MODEL] or server:URL#MODEL; repeatable.",
)
temperature_option = click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Of the teacher's scores, whose spread within a list is brought to 1.",
)
max_loss_option = click.option(
    "--max-loss",
    default=0.025,
    show_default=True,
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Relative loss elsewhere that is still good.",
)


def epochs_option(default: float) -> Callable[[F], F]:
    """--epochs, with a model kind's own default."""
    return click.option("--epochs", default=default, show_default=True, type=click.FloatRange(min=0, min_open=True))


def batch_option(default: int) -> Callable[[F], F]:
    """--batch: questions a step."""
    return click.option(
        "--batch", default=default, show_default=True, type=click.IntRange(min=2), help="Questions in a step."
    )


def lr_option(default: float) -> Callable[[F], F]:
    """--lr: the highest learning rate."""
    return click.option(
        "--lr", default=default, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Learning rate."
    )


def merge_option(default: str = "off") -> Callable[[F], F]:
    """--merge: "off", "auto" or a weight; read with ``merge_weight``."""
    return click.option(
        "--merge",
        default=default,
        show_default=True,
        metavar="auto|WEIGHT|off",
        help="Average with the base's weights: share of the tuned one, or auto: chosen on held-out questions.",
    )


def merge_weight(text: str) -> float | str | None:
    """None for "off", "auto", or the share of the tuned weights.

    Raises:
        SettingsError: it is none of them.
    """
    if text == "off":
        return None
    if text == "auto":
        return text
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 < weight <= 1:
        raise SettingsError(f"--merge {text!r} is no weight", remedy="give auto, off or a share such as 0.5")
    return weight


def finetune_options(function: F) -> F:
    """--out, --also, --train-split, --split, --dev-share, --train-queries, --seed, --max-loss."""
    for option in reversed(
        (
            finetune_out_option,
            also_option,
            train_split_option,
            test_split_option,
            dev_share_option,
            train_queries_option,
            seed_option,
            max_loss_option,
        )
    ):
        function = option(function)
    return function
