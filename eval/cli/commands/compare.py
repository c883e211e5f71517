"""rag-eval compare: which of several runs is better, and whether these queries are enough to tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from eval.cli.options import alpha_option, dataset_of, json_option, measure_names, measures_option

if TYPE_CHECKING:
    from eval.comparing.mean_of_seeds import Repeats
    from eval.datasets import Dataset
    from eval.measure.runs import Run

SUFFIXES = {".md": "markdown", ".tex": "latex", ".json": "json", ".html": "html", ".htm": "html", ".txt": "terminal"}


EPILOG = """\b
Examples:
  rag-eval compare runs/base runs/rrf
  rag-eval compare labels=a/tuned,b/tuned student=c/tuned,d/tuned --margin 0.025
"""


@click.command(name="compare", epilog=EPILOG, short_help="Compare runs: differences, intervals, p values, verdicts.")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True)
@click.option("--dataset", "path", metavar="DATASET", help="Dataset with judgements [the runs' own].")
@click.option("--split", default=None, help="Split of --dataset [the runs' own, else test].")
@measures_option
@click.option(
    "--against",
    type=click.Choice(["first", "previous", "all"]),
    default="first",
    show_default=True,
    help="Compare each run with the first one or the one before it, or all pairs.",
)
@click.option("--baseline", metavar="NAME", help="Name of the run to treat as the first one.")
@alpha_option
@click.option(
    "--margin",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Relative loss that does not matter; a run that loses no more is reported as no worse.",
)
@click.option("--title", default="", help="Title of the report.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a report: .html, .md, .tex, .json or .txt; repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "latex", "json", "html"]),
    default="terminal",
    show_default=True,
    help="Format of the printed report.",
)
@click.option("--overwrite", is_flag=True, help="Replace an -o file that has the report of another comparison.")
@json_option
def command(
    folders: tuple[str, ...],
    path: str | None,
    split: str | None,
    measures: str | None,
    against: str,
    baseline: str | None,
    alpha: float,
    margin: float | None,
    title: str,
    outputs: tuple[Path, ...],
    form: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Compare RUNs of one dataset; the first one is the baseline, and the first measure decides the verdicts.

    NAME=RUN,RUN,... is one pipeline measured several times, such as models trained with different seeds; their mean
    counts.
    """
    from eval.comparing.compare import Against, compare
    from eval.report.forms import FORMS
    from indexes.errors import SettingsError
    from rag.cli.output import data, words

    if unknown := [str(output) for output in outputs if output.suffix.lower() not in SUFFIXES]:
        raise SettingsError(f"-o {unknown[0]} has an unknown suffix", remedy=f"use one of {', '.join(SUFFIXES)}")
    names = measure_names(measures)
    named = named_runs(folders)
    runs = load_runs(tuple(Path(folder) for _, members in named for folder in members))
    dataset = judgements(runs, path, split)
    comparison = compare(
        grouped(named, runs),
        dataset.qrels,
        names,
        against=cast("Against", against),
        baseline=baseline,
        alpha=alpha,
        margin=margin,
        title=title or f"{dataset.name} ({dataset.split})",
    )
    data(FORMS["json" if as_json else form](comparison).rstrip("\n"))
    reports = {output: FORMS[SUFFIXES[output.suffix.lower()]](comparison) for output in outputs}
    for output, text in reports.items():
        if not overwrite and output.exists() and output.read_bytes() != text.encode():
            raise SettingsError(
                f"{output} exists already and holds something else", remedy="name another file, or add --overwrite"
            )
    for output, text in reports.items():
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        words(f"wrote {output}")
    if (as_json or form != "terminal") and not outputs:
        for warning in comparison.warnings:
            words(f"warning: {warning}")


def named_runs(texts: tuple[str, ...]) -> list[tuple[str | None, list[str]]]:
    """Parse arguments into (None, [folder]) for a run, (name, folders) for NAME=RUN,RUN,...; existing paths are runs.

    >>> named_runs(("runs/base", "tuned=a,b"))
    [(None, ['runs/base']), ('tuned', ['a', 'b'])]
    """
    found: list[tuple[str | None, list[str]]] = []
    for text in texts:
        name, equals, members = text.partition("=")
        several = bool(equals and name) and not Path(text).exists()
        found.append((name, [part for part in members.split(",") if part]) if several else (None, [text]))
    return found


def grouped(named: list[tuple[str | None, list[str]]], runs: list[Run]) -> list[Run | Repeats]:
    """Return the runs in order, with those of one name combined to one ``Repeats``.

    >>> from eval.measure.runs import Run
    >>> named = [(None, ["runs/base"]), ("tuned", ["a/tuned", "b/tuned"])]
    >>> [type(one).__name__ for one in grouped(named, [Run("base", {}), Run("a", {}), Run("b", {})])]
    ['Run', 'Repeats']
    """
    from eval.comparing.mean_of_seeds import Repeats

    rest = iter(runs)
    found: list[Run | Repeats] = []
    for name, members in named:
        own = tuple(next(rest) for _ in members)
        found.append(own[0] if name is None else Repeats(name, own))
    return found


def load_runs(folders: tuple[Path, ...]) -> list[Run]:
    r"""Load the runs; those with the same name are renamed to their folders.

    >>> for name in ("a.trec", "b.trec"):
    ...     _ = (folder / name).write_text("q1 Q0 d1 1 0.9 mine\n")
    >>> [run.name for run in load_runs((folder / "a.trec", folder / "b.trec"))]
    ['a', 'b']
    """
    from eval.measure.runs import load_run

    runs = [load_run(folder) for folder in folders]
    names = [run.name for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if names.count(run.name) > 1:
            run.name = str(folder)
    return runs


def judgements(runs: list[Run], path: str | None, split: str | None) -> Dataset:
    """Load the dataset with the judgements: the given one, or the first one recorded in a run.

    >>> from eval.measure.runs import Run
    >>> judgements([Run("bare", {})], path=None, split=None)
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: these runs do not record their dataset; name it with --dataset

    Raises:
        SourceError: no dataset is given or recorded, or it has changed since the runs were made.
    """
    from eval.measure.evaluate import check_dataset
    from indexes.errors import SourceError

    source: Any = next((run for run in runs if run.dataset_path), None)
    if path is None and source is None:
        raise SourceError("these runs do not record their dataset", remedy="name it with --dataset")
    where = path or source.dataset_path
    part = split or (source.split if source is not None else "test")
    dataset = dataset_of(where, part)
    if source is not None and source.dataset and source.dataset != dataset.hash:
        if set(source.results) < set(dataset.queries):
            dataset = dataset_of(where, part, len(source.results))  # made with --queries N
        check_dataset(source, dataset)
    return dataset
