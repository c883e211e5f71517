"""Options and progress that the commands share."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rag.cli.output import words
from rag.cli.progress import LINES_EVERY, span

if TYPE_CHECKING:
    from eval.datasets import Dataset
    from rag.cli.options import Shared
    from rag.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
DELAY = 2.0  # seconds before a bar shows

measures_option = click.option(
    "-m",
    "--measures",
    envvar="RAG_EVAL_MEASURES",
    metavar="LIST",
    help="Such as 'nDCG@10,R@100'; commas or blanks between.  [env: RAG_EVAL_MEASURES]",
)
split_option = click.option(
    "--split", default="test", envvar="RAG_EVAL_SPLIT", help="Split of the dataset [test].  [env: RAG_EVAL_SPLIT]"
)
cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where embeddings and indexes are kept [~/.cache/ragwright/eval].  [env: RAG_EVAL_CACHE]",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="RAG_EVAL_OUT",
    metavar="DIR",
    help="Folder that gets one folder a run [runs].  [env: RAG_EVAL_OUT]",
)
queries_option = click.option(
    "--queries", "limit", type=click.IntRange(min=1), metavar="N", help="Only the first N queries, for a quick look."
)


def dataset_argument(function: F) -> F:
    """DATASET, or a file for each split: --train, --dev, --test. The command gets ``dataset``, one text for either."""

    @functools.wraps(function)
    def wrapper(*args: Any, dataset: str | None, **values: Any) -> Any:
        from eval.datasets.split_files import joined

        files = {split: values.pop(f"{split}_file") for split in ("train", "dev", "test")}
        if dataset is not None and "train_split" in values and files["train"] and not files["train"].is_file():
            values["train_split"] = str(files.pop("train"))  # "--train dev" named a split of DATASET before 0.2
        if any(files.values()) and dataset is not None:  # then what stands first is the next argument
            if "target" in values and values["target"] is None:
                values["target"], dataset = Path(dataset), None
            elif "more" in values:
                values["more"], dataset = (dataset, *values["more"]), None
        return function(*args, dataset=joined(dataset, files), **values)

    for split in ("test", "dev", "train"):
        what = f"File of the {split} split, instead of DATASET."
        path = click.Path(path_type=Path, dir_okay=False)
        wrapper = click.option(f"--{split}", f"{split}_file", type=path, metavar="FILE", help=what)(wrapper)
    return click.argument("dataset", metavar="[DATASET]", required=False)(wrapper)  # type: ignore[return-value]


def measuring_options(function: F) -> F:
    """--measures, --split, --cache, --out, --overwrite, --queries and --no-rerank."""
    no_rerank = click.option("--no-rerank", is_flag=True, help="Leave the reranker out.")
    overwrite = click.option("--overwrite", is_flag=True, help="Replace other runs of the same names in --out.")
    for option in (no_rerank, queries_option, overwrite, out_option, cache_option, split_option, measures_option):
        function = option(function)
    return function


def measure_names(text: str | None) -> list[str]:
    """The names of ``--measures``, checked; the default ones where there are none."""
    from eval.measure.metrics import DEFAULT_MEASURES, parse_measures

    names = text.replace(",", " ").split() if text else list(DEFAULT_MEASURES)
    return [str(measure) for measure in parse_measures(names)]


def dataset_of(path: str, split: str, limit: int | None = None) -> Dataset:
    """The dataset, cut to its first ``limit`` queries where asked (and then another one, with a hash of its own)."""
    from dataclasses import replace

    from eval.datasets import load_dataset

    dataset = load_dataset(path, split)
    if limit is None or limit >= len(dataset.queries):
        return dataset
    kept = list(dataset.queries)[:limit]
    note = f"only the first {limit} of {len(dataset.queries)} queries were asked"
    return replace(
        dataset,
        queries={query: dataset.queries[query] for query in kept},
        qrels={query: dataset.qrels[query] for query in kept},
        candidates={query: dataset.candidates[query] for query in kept if query in dataset.candidates},
        notes=[*dataset.notes, note],
    )


def settings_loader(shared: Shared) -> Callable[[Mapping[str, object]], Settings]:
    """A function from further changes to the settings: the command's own options, then those."""
    from indexes.settings.loader import load
    from rag.settings import Settings

    def with_changes(changes: Mapping[str, object]) -> Settings:
        arguments = {**shared.arguments, **changes}
        return load(Settings, path=shared.config, profile=shared.profile, arguments=arguments).settings

    return with_changes


@contextmanager
def ticker(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Progress on stderr: a bar after two seconds, without a terminal a line every 30."""
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    due = time.monotonic() + DELAY

    def tick(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() >= due:
            bar = tqdm(total=total, desc=label, file=sys.stderr, leave=False, dynamic_ncols=True)
        if bar is not None:
            bar.update(done - bar.n)

    try:
        yield tick
    finally:
        if bar is not None:
            bar.close()


def _lines(label: str) -> Callable[[int, int], None]:
    due = started = time.monotonic()

    def tick(done: int, total: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now < due + LINES_EVERY:
            return
        due = now
        left = f", about {span((now - started) / done * (total - done))} left" if done and total > done else ""
        words(f"{label}: {done:,} of {total:,}{left}")

    return tick


def milliseconds(timings: Mapping[str, Mapping[str, float]], share: float = 0.5) -> float:
    """A quantile over the queries of the milliseconds a question took in all its stages; 0 without timings."""
    totals = sorted(sum(stages.values()) for stages in timings.values())
    return totals[min(len(totals) - 1, int(share * len(totals)))] if totals else 0.0
