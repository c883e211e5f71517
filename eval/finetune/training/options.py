"""Options as dataclass fields that carry help, default and bounds; command lines are generated from them.

Nothing here depends on a command line: ``eval.cli.commands.finetune.options`` reads the fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Any

from indexes.errors import SettingsError
from indexes.plain import Plain

KEY = "option"  # key in a field's metadata
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # weights of the tuned model to compare in a merge
QUERIES, DOCUMENTS = 200, 1000  # size of each sample that weights are compared on


@dataclass(frozen=True)
class Option:
    """How a command line presents a field.

    >>> Option("Learning rate.", above=0, everyday=True).measured  # "": the default was not measured
    ''

    Args:
        flag: the option, such as "--list" or "--refit/--no-refit"; default: the field's name.
        low, high: inclusive bounds of a number; above: an exclusive lower bound.
        parse: converts the option's text to the field's value.
        shown: text for the default, if it differs from the default's own text.
        everyday: whether it appears in the short help; the others appear in ``--help-all``.
        measured: datasets on which this default was measured (see the guide's page on fine-tuning), and the results of
            other values if they were compared; empty for options without a default.
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
    """Return a field that is also an option; it is required if ``default`` is MISSING. ``rest``: see ``Option``.

    >>> from dataclasses import fields
    >>> @dataclass
    ... class Mine:
    ...     epochs: int = option(2, "Number of epochs.", low=1)
    >>> Mine().epochs, fields(Mine)[0].metadata[KEY].help
    (2, 'Number of epochs.')
    """
    metadata = {KEY: Option(help, **rest)}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Training(Plain):
    """Options of all trainings; commands take device and dtype from the settings.

    ``accumulate``: number of batches whose gradients make one step.

    >>> training = Training(epochs=2, batch=32, lr=1e-4)
    >>> training.seed, training.warmup, training.device
    (7, 0.1, 'auto')
    """

    epochs: float
    batch: int
    lr: float
    warmup: float = option(
        0.1,
        "Share of the steps over which the learning rate rises to --lr.",
        low=0,
        high=0.9,
        measured="scifact, cmrc2018, xquad_en, trecqa_rerank",
    )
    weight_decay: float = 0.01
    seed: int = option(
        7,
        "Random seed for splitting, mining and training.",
        everyday=True,
        measured="7, 8 and 9 were compared on scifact, trecqa_rerank: trainings differ by up to 3 %",
    )
    device: str = "auto"
    dtype: str = "auto"
    accumulate: int = 1


def merge_option(measured: str) -> Any:
    """Return the field of ``--merge``.

    >>> merge_option("scifact").metadata[KEY].parse("auto"), merge_option("scifact").default
    ('auto', None)
    """
    return option(
        None,
        "Weight of the tuned model in an average with the base; auto: chosen on held-out questions; off: no average.",
        metavar="auto|WEIGHT|off",
        parse=merge_weight,
        shown="off",
        everyday=True,
        measured=measured,
    )


def soup_option(measured: str) -> Any:
    """Return the field of ``--soup``.

    >>> soup_option("scifact").default, soup_option("scifact").metadata[KEY].high
    (1, 16)
    """
    return option(
        1,
        "Number of trainings with different seeds whose weights are averaged.",
        low=1,
        high=16,
        metavar="N",
        everyday=True,
        measured=measured,
    )


def accumulate_option(measured: str = "scifact, cmrc2018, xquad_en, trecqa_rerank") -> Any:
    """Return the field of ``--accumulate``.

    >>> accumulate_option().default, accumulate_option("scifact").metadata[KEY].measured
    (1, 'scifact')
    """
    return option(
        1,
        "Number of batches per step: needs the memory of one batch, but adds no in-batch negatives.",
        low=1,
        everyday=True,
        measured=measured,
    )


def patience_option(measured: str) -> Any:
    """Return the field of ``--patience``.

    >>> patience_option("scifact").default
    3
    """
    what = "Number of evaluations without a better dev NDCG@10 after which training stops; 0: never."
    return option(3, what, low=0, measured=measured)


def text_tokens_option(measured: str) -> Any:
    """Return the field of ``--max-tokens`` for texts.

    >>> text_tokens_option("scifact").default, text_tokens_option("scifact").metadata[KEY].parse(0)
    (128, None)
    """
    return option(
        128,
        "Maximum tokens per text in training; 0: the model's limit.",
        low=0,
        metavar="N",
        parse=lambda number: number or None,
        everyday=True,
        measured=measured,
    )


def skip_option(measured: str) -> Any:
    """Return the field of ``--skip``.

    >>> skip_option("scifact").metadata[KEY].help
    'Number of top ranks from which no negatives are taken.'
    """
    return option(0, "Number of top ranks from which no negatives are taken.", low=0, measured=measured)


def margin_option(default: float | None, more: str, measured: str) -> Any:
    """Return the field of ``--margin``; ``more`` completes its help.

    >>> margin = margin_option(0.05, " turns the guard off.", "scifact").metadata[KEY]
    >>> margin.help, margin.parse(-1), margin.parse(0.1)
    ("Share by which a negative's fused score must be below the positive's; -1 turns the guard off.", None, 0.1)
    """
    return option(
        default,
        f"Share by which a negative's fused score must be below the positive's; -1{more}",
        low=-1,
        high=1,
        parse=lambda value: value if value >= 0 else None,
        shown=-1.0 if default is None else default,
        measured=measured,
    )


def merge_weight(text: str) -> float | str | None:
    """Parse ``--merge``: None for "off", "auto", or the weight of the tuned model, above 0 and at most 1.

    Raises:
        SettingsError: the text is none of these.

    >>> merge_weight("off"), merge_weight("auto"), merge_weight("0.5")
    (None, 'auto', 0.5)
    """
    if text in ("off", "auto"):
        return None if text == "off" else text
    weight = number(text)
    if weight is None or not 0 < weight <= 1:
        raise SettingsError(f"--merge {text!r} is not a weight", remedy="give auto, off or a share such as 0.5")
    return weight


def number(text: str) -> float | None:
    """Return a text as a number, None if it is not one.

    >>> number("0.5"), number("half")
    (0.5, None)
    """
    try:
        return float(text)
    except ValueError:
        return None
