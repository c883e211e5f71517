"""Options that the fine-tuning commands share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eval.cli.options import cache_option, ticker
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from rag.cli.options import Shared

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
soup_option = click.option(
    "--soup",
    default=1,
    show_default=True,
    type=click.IntRange(1, 16),
    metavar="N",
    help="Train N times, with seeds one after the other, and average the weights.",
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


_RUN = (finetune_out_option, also_option, seed_option, max_loss_option, cache_option)
# The parameter of an option -> what the functions behind the commands call it.
_SPLITS = {name: name for name in ("train_split", "dev_share", "dev_by", "train_queries")} | {"split": "test_split"}


@dataclass(frozen=True)
class RunOptions:
    """What every fine-tuning command is asked for, and how its dataset is divided where it takes one.

    Args:
        splits: of ``make_splits``: train_split, test_split, dev_share, dev_by, train_queries; {} without a dataset.
    """

    out: Path
    also: tuple[str, ...]
    seed: int
    max_loss: float
    cache: Path | None
    splits: dict[str, Any]

    def arguments(self, shared: Shared) -> dict[str, Any]:
        """The arguments that ``finetune_embedder`` and the others share."""
        from rag.cli.output import words

        return {
            "out": self.out,
            "also": self.also,
            "max_loss": self.max_loss,
            "cache": self.cache,
            **self.splits,
            "settings": shared.settings,
            "stage": ticker,
            "say": words,
            "command": " ".join(["rag-eval", *sys.argv[1:]]),
        }


def run_options(*, splits: bool = True, train_queries: bool = True) -> Callable[[F], F]:
    """--out, --also, --seed, --max-loss and --cache; the command gets them as ``run``, a ``RunOptions``.

    Args:
        splits: --train-split, --split, --dev-share and --dev-by too; train_queries: and --train-queries.
    """
    more = (train_split_option, test_split_option, dev_share_option, dev_by_option) if splits else ()
    limit = (train_queries_option,) if splits and train_queries else ()

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(
            *arguments: Any,
            out: Path,
            also: tuple[str, ...],
            seed: int,
            max_loss: float,
            cache: Path | None,
            **options: Any,
        ) -> Any:
            divided = {name: options.pop(option) for option, name in _SPLITS.items() if option in options}
            return function(*arguments, run=RunOptions(out, also, seed, max_loss, cache, divided), **options)

        for option in reversed((*_RUN[:2], *more, *limit, *_RUN[2:])):
            wrapper = option(wrapper)
        return wrapper  # type: ignore[return-value]

    return decorate
