"""rag-eval tune: choose fusion, window and reranker depth on training questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.cli.options import (
    MeasuringOptions,
    dataset_argument,
    dataset_of,
    give_toml,
    measuring,
    queries_option,
    refuse_existing,
    ticker,
    toml_option,
)
from indexes.display import counted

if TYPE_CHECKING:
    from eval.datasets import Dataset


EPILOG = """\b
Examples:
  rag-eval tune data/handbook --profile offline --output tuned.toml
  rag-eval tune data/handbook --profile offline --holdout 0.5
"""


@click.command(name="tune", epilog=EPILOG, short_help="Choose fusion, window and reranker depth on training questions.")
@dataset_argument
@click.option("--train-split", default="train", show_default=True, help="Split to choose on.")
@click.option(
    "--holdout",
    type=click.FloatRange(0.1, 0.9),
    metavar="SHARE",
    help="Divide --split instead: share of its questions for the test.",
)
@click.option("--drop-shared", is_flag=True, help="Remove test questions from the training questions.")
@click.option("-m", "--measure", default="nDCG@10", help="Measure to maximise [NDCG@10].")
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(min=2), help="Number of folds of the cross-validation."
)
@toml_option
@measuring(queries_option)
def command(
    given: MeasuringOptions,
    dataset: str,
    train_split: str,
    holdout: float | None,
    drop_shared: bool,
    measure: str,
    folds: int,
    output: Path | None,
) -> None:
    """Choose settings for DATASET on its training questions, and print them as a profile for rag.toml.

    Fusion and its weights are always tuned; the depth if there is a reranker, and the window if the reranker reads it.
    The result is cross-validated on the training questions, and measured on the test questions, which must differ.
    """
    from eval.datasets.questions import without
    from eval.measure.evaluate import run_pipeline
    from eval.measure.metrics import parse_measures
    from eval.tuning.tune import DEPTH, FUSION, WINDOW, check_apart, split_queries, to_toml, tune

    refuse_existing(output)
    (wanted,) = parse_measures([measure])
    base = given.shared.settings
    if holdout is not None:
        train, test = split_queries(given.read(dataset), holdout)
    else:
        test, train = given.read(dataset), _training(dataset, train_split, given.limit)
    before = len(train.queries)
    if drop_shared:
        train = without(train, [test])
    check_apart(train, test)
    axes = [FUSION]
    reads_window = wanted.kind == "Window"
    if base.rerank.provider != "none":
        axes.append(DEPTH)
        reads_window = reads_window or base.rerank.read == "window"
    if reads_window:
        axes.append(WINDOW)
    with ExitStack() as opened:
        sessions = {  # the splits of a folder share documents; separate files may not
            part.corpus_hash: opened.enter_context(given.session(part))
            for part in {part.corpus_hash: part for part in (test, train)}.values()
        }

        def values(part: Dataset) -> Callable[[Mapping[str, Any]], Mapping[str, float]]:
            def measured(changes: Mapping[str, Any]) -> Mapping[str, float]:
                retriever = sessions[part.corpus_hash].retriever(given.load(changes))
                with ticker("tune") as tick:
                    run = run_pipeline(retriever, part, name="tune", cache=given.cache, progress=tick)
                scores = run.score(part.qrels, [wanted])
                return dict.fromkeys(part.qrels, 0.0) | scores.per_query[str(wanted)]

            return measured

        found = tune(values(train), values(test), axes, train, test, measure=str(wanted), folds=folds)
    if len(train.queries) < before:
        found.notes.append(
            f"{counted(before - len(train.queries), 'training question', verb='are')} "
            "also test questions and are left out"
        )
    if not reads_window:
        found.notes.append("the window does not change this ranking, so it was not tuned")
    give_toml(to_toml(found, base.profile), found, output, given.shared.json)


def _training(path: str, split: str, limit: int | None) -> Dataset:
    """Read the split to choose on; the error for a folder without it names alternatives."""
    from eval.datasets.load import splits_of
    from eval.datasets.split_files import find_split
    from indexes.errors import SourceError

    splits = splits_of(Path(path).expanduser())
    if splits and find_split(splits, split) is None:
        raise SourceError(
            f"{path} has no split {split!r} to choose on, only {', '.join(splits)}",
            remedy="name another one with --train-split, or divide the questions of one with --holdout 0.5",
        )
    return dataset_of(path, split, limit)
