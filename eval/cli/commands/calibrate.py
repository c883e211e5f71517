"""rag-eval calibrate: fit the "not in these documents" threshold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.cli.options import (
    MeasuringOptions,
    give_toml,
    measuring,
    optional_dataset,
    queries_option,
    refuse_existing,
    show_notes,
    ticker,
    toml_option,
)
from eval.report.table import table
from indexes.display import counted
from rag.cli.options import Shared

if TYPE_CHECKING:
    from eval.tuning.calibrate import Calibration


EPILOG = """\b
Examples:
  rag-eval calibrate data/handbook --rate 0.05 --output threshold.toml
  rag-eval calibrate --answers layouts.jsonl --set llm.model=qwen2.5-coder-1.5b --output refusal.json
"""


@click.command(name="calibrate", epilog=EPILOG, short_help="Fit the 'not in these documents' threshold.")
@optional_dataset
@click.option(
    "--answers",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Fit a small model's refusals instead, on answers saved by 'rag-eval layouts'.",
)
@click.option("--layout", metavar="NAME", help="With --answers: layout to fit on [the one with the most answers].")
@click.option(
    "--rate",
    default=0.05,
    show_default=True,
    type=float,
    help="Share of unanswerable questions that may be answered; with --answers, of right answers that may be refused.",
)
@click.option(
    "--min-answered",
    "least",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Minimum share of answerable questions that are answered; a threshold with a lower share is refused.",
)
@toml_option
@measuring(queries_option)
def command(
    given: MeasuringOptions,
    dataset: str | None,
    answers: Path | None,
    layout: str | None,
    rate: float,
    least: float,
    output: Path | None,
) -> None:
    """Fit answer.abstain_below on DATASET's questions, and print the lines for rag.toml.

    answer.abstain_fingerprint records the models in use: with other models, the engine refuses the threshold.

    With --answers, the command fits a small model's refusals instead (answer.refusal_file), and needs no DATASET.

    The results of other rates are printed too. Exit code 2: too few answerable questions would be answered.
    """
    from eval.tuning.calibrate import calibrate, fit_threshold, to_toml
    from rag.cli.output import words

    refuse_existing(output)
    settings = given.shared.settings
    if answers is not None:
        _fit_answers(given.shared, answers, layout, rate, output)
        return
    if dataset is None:
        raise click.UsageError("Missing argument 'DATASET' (or --answers FILE).")
    read = given.read(dataset)
    fit_threshold([0.0] * len(read.queries), rate)  # refuse an impossible rate before the work
    with given.session(read) as session:
        retriever = session.retriever(settings)
        with ticker("calibrate") as tick:
            found = calibrate(retriever, read, rate=rate, progress=tick)
    words(trade_off(found))
    give_toml(to_toml(found), found, output, given.shared.json, check=lambda: found.check(least))


def trade_off(found: Calibration) -> str:
    """Return a table with one row per rate: the shares of both kinds of questions that are answered.

    >>> from eval.tuning.calibrate import fit
    >>> found = fit([(0.9, 0.1 + i / 400) for i in range(120)], rate=0.05)
    >>> print(trade_off(found))
    answered, held out:
    --rate       threshold  of 120 answerable  of 120 unanswerable
    0.01            0.3975               100%                   0%
    0.02            0.3950               100%                   5%
    0.05 (this)     0.3850               100%                   5%
    0.1             0.3700               100%                   5%
    0.2             0.3400               100%                  18%
    0.3             0.3100               100%                  29%
    0.5             0.2500               100%                  50%
    """
    rows = []
    for row in found.trade_off:
        this = " (this)" if row.rate == found.rate else ""
        rows.append([f"{row.rate:g}{this}", f"{row.below:.4f}", f"{row.answered:.0%}", f"{row.false_answers:.0%}"])
    counts = [f"of {found.answerable} answerable", f"of {found.unanswerable} unanswerable"]
    return "answered, held out:\n" + table(["--rate", "threshold", *counts], rows)


def _fit_answers(shared: Shared, answers: Path, layout: str | None, rate: float, output: Path | None) -> None:
    """Fit the refusals of one model and layout on the answers of a file, and write the weights."""
    import json
    from collections import Counter

    from eval.answers.layouts import read_answers
    from eval.tuning.refusals import fit_refusals
    from indexes.errors import SourceError
    from rag.cli.output import data, data_json, words

    kept = read_answers(answers)
    model = shared.settings.llm.model.rsplit("/", 1)[-1]
    mine = [row for row in kept if row.model == model]
    names = Counter(row.layout for row in mine if layout in (None, row.layout))
    if not names:
        listed = ", ".join(sorted({f"{row.model} in layout {row.layout}" for row in kept})) or "none"
        raise SourceError(
            f"{answers} has no answers of the model '{model}'" + (f" in layout '{layout}'" if layout else ""),
            remedy=f"choose another one with --set llm.model or --layout; the file has: {listed}",
        )
    chosen = names.most_common(1)[0][0]
    rows = [row for row in mine if row.layout == chosen]
    sets = ", ".join(f"{number} of {name}" for name, number in Counter(row.dataset for row in rows).items())
    found = fit_refusals(
        rows, rate=rate, fitted_on=f"{counted(len(rows), 'answer')} of {model} in layout {chosen} ({sets})"
    )
    held = found.held_out
    if shared.json:
        data_json(found.as_dict())
    else:
        data(json.dumps(found.model.as_dict(), indent=2, ensure_ascii=False))
    words(f"fitted on {found.model.fitted_on}")
    for name, area in found.alone.items():
        words(f"  {name} alone: area under the curve {'-' if area is None else f'{area:.2f}'}")
    words(
        f"held out: {held.right or 0:.2f} of {held.answerable} answerable questions answered rightly, "
        f"{held.false_refusals or 0:.2f} falsely refused; {held.refused or 0:.2f} of {held.unanswerable} unanswerable "
        "ones refused"
    )
    show_notes(found.notes)
    if output is not None:
        output.write_text(json.dumps(found.model.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        words(f"wrote {output}: set answer.refusal_file to it")
