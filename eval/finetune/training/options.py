"""Options written once: fields of dataclasses that carry help, default and bounds; command lines are made of them.

Nothing here knows a command line: ``eval.cli.commands.finetune.options`` reads what stands in the fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Any

from indexes.errors import SettingsError
from indexes.plain import Plain

KEY = "option"  # of a field's metadata
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a tuned model in a merge
QUERIES, DOCUMENTS = 200, 1000  # of each sample that weights are compared on


@dataclass(frozen=True)
class Option:
    """What a command line shows of a field.

    Args:
        flag: as it is written, such as "--list" or "--refit/--no-refit"; default: the field's name.
        low, high: bounds of a number; above: a bound that is not reached itself.
        parse: turns what was written into the field's value.
        shown: what stands for the default, where that is not the default's own text.
        everyday: in the short help; the others are shown with all options.
        measured: collections whose measured runs (the guide's Fine-tuning) had this default, and what other values did
            where some were compared; empty for what has no default.
    """

    help: str
    flag: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    shown: Any = None
    everyday: bool = False
    measured: str = ""


def option(default: Any, help: str = "", **rest: Any) -> Any:
    """A field that is an option too; ``default`` MISSING: it must be given. ``rest`` as for ``Option``."""
    metadata = {KEY: Option(help, **rest)}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Training(Plain):
    """What every kind of training is asked for; device and dtype are taken from the settings by the commands.

    ``accumulate``: batches whose gradients are one step.
    """

    epochs: float
    batch: int
    lr: float
    warmup: float = option(
        0.1,
        "Share of the steps over which the learning rate rises.",
        low=0,
        high=0.9,
        measured="scifact, cmrc2018, xquad_en, trecqa_rerank",
    )
    weight_decay: float = 0.01
    seed: int = option(
        7,
        "Random seed of splitting, mining and training.",
        everyday=True,
        measured="7, 8 and 9 were compared on scifact, trecqa_rerank: one training moves by 3 %",
    )
    device: str = "auto"
    dtype: str = "auto"
    accumulate: int = 1


def merge_option(measured: str) -> Any:
    return option(
        None,
        "Average with the base's weights: share of the tuned one, or auto: chosen on held-out questions.",
        metavar="auto|WEIGHT|off",
        parse=merge_weight,
        shown="off",
        everyday=True,
        measured=measured,
    )


def soup_option(measured: str) -> Any:
    return option(
        1,
        "Train N times, with seeds one after the other, and average the weights.",
        low=1,
        high=16,
        metavar="N",
        everyday=True,
        measured=measured,
    )


def accumulate_option(measured: str = "scifact, cmrc2018, xquad_en, trecqa_rerank") -> Any:
    return option(
        1,
        "Batches whose gradients make one step: the memory of one batch, and no more in-batch negatives.",
        low=1,
        everyday=True,
        measured=measured,
    )


def skip_option(measured: str) -> Any:
    return option(0, "Best ranks that give no negative.", low=0, measured=measured)


def margin_option(default: float | None, more: str, measured: str) -> Any:
    return option(
        default,
        f"A negative's fused score lies below the positive's by this share; -1{more}",
        low=-1,
        high=1,
        parse=lambda value: value if value >= 0 else None,
        shown=-1.0 if default is None else default,
        measured=measured,
    )


def merge_weight(text: str) -> float | str | None:
    """None for "off", "auto", or the share of the tuned weights.

    Raises:
        SettingsError: it is none of them.
    """
    if text in ("off", "auto"):
        return None if text == "off" else text
    weight = number(text)
    if weight is None or not 0 < weight <= 1:
        raise SettingsError(f"--merge {text!r} is not a weight", remedy="give auto, off or a share such as 0.5")
    return weight


def number(text: str) -> float | None:
    """The number that a text is, if it is one."""
    try:
        return float(text)
    except ValueError:
        return None
