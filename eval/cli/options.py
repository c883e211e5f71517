"""Options and progress of the commands."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from indexes.display import counted
from rag.cli.options import Shared, shared_options
from rag.cli.output import words
from rag.cli.progress import LINES_EVERY, span

if TYPE_CHECKING:
    from eval.datasets import Dataset
    from eval.measure.session import Session
    from eval.ticks import Tick
    from rag.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
DELAY = 2.0  # seconds before a bar appears

measures_option = click.option(
    "-m",
    "--measures",
    envvar="RAG_EVAL_MEASURES",
    metavar="LIST",
    help="Measures, separated by commas or spaces, such as 'NDCG@10,R@100'.  [env: RAG_EVAL_MEASURES]",
)
split_option = click.option(
    "--split", default="test", envvar="RAG_EVAL_SPLIT", help="Split of the dataset [test].  [env: RAG_EVAL_SPLIT]"
)
cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for embeddings and indexes [~/.cache/ragwright/eval].  [env: RAG_EVAL_CACHE]",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="RAG_EVAL_OUT",
    metavar="DIR",
    help="Folder for runs, one subfolder each [runs].  [env: RAG_EVAL_OUT]",
)
queries_option = click.option(
    "--queries",
    "limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Use only the first N queries, for a quick look.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace other runs with the same names in --out.")
KEEPING = (measures_option, out_option, overwrite_option, queries_option)  # for commands that save runs
json_option = click.option("--json", "as_json", is_flag=True, envvar="RAG_JSON", help="Print JSON.  [env: RAG_JSON]")
alpha_option = click.option(
    "--alpha",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Significance level of the corrected p value.",
)
toml_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File for the rag.toml lines; an existing file is not overwritten.",
)


def pipeline_option(text: str) -> Callable[[F], F]:
    """Return the option --pipeline with this help.

    >>> from click.testing import CliRunner
    >>> command = click.command(pipeline_option("Name and settings.")(lambda specs: click.echo(specs)))
    >>> print(CliRunner().invoke(command, ["--pipeline", "base", "--pipeline", "wide=window:5"]).output)
    ('base', 'wide=window:5')
    """
    return click.option("--pipeline", "specs", multiple=True, metavar="NAME=KEY:VALUE,...", help=text)


def sample_options(queries: int, documents: int, *, least: int = 1) -> Callable[[F], F]:
    """Return --queries (``limit``) and --documents with these defaults, for commands that use a part of a dataset.

    >>> from click.testing import CliRunner
    >>> command = click.command(sample_options(30, 150)(lambda **values: click.echo(values)))
    >>> print(CliRunner().invoke(command, ["--queries", "5"]).output)
    {'limit': 5, 'documents': 150}
    """

    def number(flag: str, name: str, default: int, low: int, what: str) -> Callable[[F], F]:
        text, kind = f"Number of {what} per dataset.", click.IntRange(min=low)
        return click.option(flag, name, default=default, show_default=True, type=kind, help=text)

    first = number("--queries", "limit", queries, least, "questions")
    last = number("--documents", "documents", documents, 10, "documents")
    return lambda function: first(last(function))


def dataset_argument(function: F) -> F:
    """Add DATASET, and --train, --dev, --test for one file per split. The command receives one text, ``dataset``.

    >>> from click.testing import CliRunner
    >>> command = click.command(dataset_argument(lambda dataset: click.echo(dataset)))
    >>> print(CliRunner().invoke(command, ["data/mine"]).output)
    data/mine
    >>> print(CliRunner().invoke(command, ["--train", "a.jsonl", "--test", "b.jsonl"]).output)
    train=a.jsonl,test=b.jsonl
    """
    return _with_dataset(function, required=True)


def optional_dataset(function: F) -> F:
    """Add the same options to a command that may do without them; ``dataset`` is then None.

    >>> from click.testing import CliRunner
    >>> command = click.command(optional_dataset(lambda dataset: click.echo(repr(dataset))))
    >>> print(CliRunner().invoke(command, []).output)
    None
    """
    return _with_dataset(function, required=False)


def _with_dataset(function: F, *, required: bool) -> F:
    @functools.wraps(function)
    def wrapper(*args: Any, dataset: str | None, **values: Any) -> Any:
        from eval.datasets.split_files import joined

        files = {split: values.pop(f"{split}_file") for split in ("train", "dev", "test")}
        if dataset is not None and "train_split" in values and files["train"] and not files["train"].is_file():
            values["train_split"] = str(files.pop("train"))  # "--train dev" named a split of DATASET before 0.2
        if any(files.values()) and dataset is not None:  # then the first text is the next argument
            if "target" in values and values["target"] is None:
                values["target"], dataset = Path(dataset), None
            elif "more" in values:
                values["more"], dataset = (dataset, *values["more"]), None
        named = required or dataset is not None or any(files.values())
        return function(*args, dataset=joined(dataset, files) if named else None, **values)

    for split in ("test", "dev", "train"):
        what = f"File of the {split} split, in place of DATASET."
        path = click.Path(path_type=Path, dir_okay=False)
        wrapper = click.option(f"--{split}", f"{split}_file", type=path, metavar="FILE", help=what)(wrapper)
    return click.argument("dataset", metavar="[DATASET]", required=False)(wrapper)  # type: ignore[return-value]


@dataclass
class MeasuringOptions:
    """The options that all measuring commands share.

    >>> options = {"cache": None, "limit": None, "out": Path("runs"), "overwrite": False}
    >>> MeasuringOptions(Shared(), "test", names="mrr@10 R@100", **options).measures()
    ['RR@10', 'R@100']

    Args:
        limit: number of questions to use, from the first; None: all.
        names: ``--measures``; None: the default.
        out: folder for runs; ``overwrite``: whether to replace other runs with the same names.
    """

    shared: Shared
    split: str
    cache: Path | None
    limit: int | None
    names: str | None
    out: Path
    overwrite: bool

    def read(self, path: str) -> Dataset:
        """Read a dataset, cut to the first ``limit`` questions."""
        return dataset_of(path, self.split, self.limit)

    def measures(self, default: str = "") -> list[str]:
        """Return the names of ``--measures``, else of ``default``, checked."""
        return measure_names(self.names or default)

    def load(self, changes: Mapping[str, object]) -> Settings:
        """Return the settings with the command's options and further changes applied."""
        return settings_with(self.shared, changes)

    def session(self, dataset: Dataset) -> Session:
        """Return a session over a dataset, with a progress bar for indexing."""
        from eval.measure.session import Session
        from rag.cli.progress import progress_bar

        return Session(dataset, cache=self.cache, progress=progress_bar)


def settings_with(shared: Shared, changes: Mapping[str, object]) -> Settings:
    """Return the settings with a command's options and further changes applied.

    >>> found = settings_with(Shared(arguments={"retrieval.top_k": 20}), {"retrieval.window": 5})
    >>> found.retrieval.top_k, found.retrieval.window
    (20, 5)
    """
    return replace(shared, arguments={**shared.arguments, **changes}).look().settings


def measuring(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Add ``options``, --split, --cache, --no-rerank and the shared options, passed as ``MeasuringOptions``.

    >>> from click.testing import CliRunner
    >>> command = click.command(measuring(queries_option)(lambda given: click.echo(f"{given.split} {given.limit}")))
    >>> print(CliRunner().invoke(command, ["--split", "dev", "--queries", "5"]).output)
    dev 5
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(
            shared: Shared,
            split: str,
            cache: Path | None,
            limit: int | None = None,
            measures: str | None = None,
            out: Path = Path("runs"),
            overwrite: bool = False,
            **own: Any,
        ) -> Any:
            return function(MeasuringOptions(shared, split, cache, limit, measures, out, overwrite), **own)

        wrapper = shared_options(wrapper)  # type: ignore[assignment]
        no_rerank = click.option("--no-rerank", is_flag=True, help="Do not rerank.")
        for option in reversed((*options, split_option, cache_option, no_rerank)):
            wrapper = option(wrapper)
        return wrapper  # type: ignore[return-value]

    return decorate


def refuse_existing(output: Path | None) -> None:
    """Refuse to overwrite the file for the rag.toml lines.

    >>> refuse_existing(None)
    >>> refuse_existing(Path("no-such.toml"))

    Raises:
        SettingsError: it exists.
    """
    from indexes.errors import SettingsError

    if output is not None and output.exists():
        raise SettingsError(f"{output} already exists", remedy="name another file, and merge the lines by hand")


def show_notes(notes: Iterable[str]) -> None:
    """Print each note to stderr.

    >>> from contextlib import redirect_stderr
    >>> with redirect_stderr(sys.stdout):
    ...     show_notes(["only the first 10 queries were asked"])
    note: only the first 10 queries were asked
    """
    for note in notes:
        words(f"note: {note}")


def give_toml(
    text: str, found: Any, output: Path | None, as_json: bool, check: Callable[[], None] = lambda: None
) -> None:
    r"""Print the result and its notes, and write the rag.toml lines to ``output``, if given.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(notes=[])
    >>> give_toml("[answer]\nabstain_below = 0.3\n", found, folder / "threshold.toml", as_json=False)
    [answer]
    abstain_below = 0.3
    >>> (folder / "threshold.toml").exists()
    True
    >>> from contextlib import redirect_stderr
    >>> with redirect_stderr(sys.stdout):
    ...     give_toml("# nothing is better\n", found, folder / "tuned.toml", as_json=False)  # doctest: +ELLIPSIS
    # nothing is better
    wrote ...tuned.toml: only remarks, no settings to change

    Args:
        check: raises if the lines must not be used.
    """
    from rag.cli.output import data, data_json

    show_notes(found.notes)
    if as_json:
        data_json(found.as_dict())
    check()
    if not as_json:
        data(text, end="")
    if output is not None:
        output.write_text(text, encoding="utf-8")
        useful = any(line and not line.startswith("#") for line in text.splitlines())
        todo = "put its lines into rag.toml" if useful else "only remarks, no settings to change"
        words(f"wrote {output}: {todo}")


def show_scores(head: str, results: list[tuple[str, Any]], as_json: bool) -> None:
    """Print the scores of runs or conditions as a table or JSON, with the judge's agreement and notes.

    >>> from eval.answers.scores import AnswerScores, means, score_answer
    >>> rows = [score_answer("q1", "Three months.", [["three months"]])]
    >>> show_scores("run", [("base", AnswerScores(rows, {"contains": 1.0, "f1": 0.8}))], as_json=False)
    run   contains      f1
    base    1.0000  0.8000
    """
    from eval.report.table import table
    from rag.cli.output import data, data_json

    if as_json:
        data_json([{head: name, **scores.as_dict()} for name, scores in results])
        return
    names = list(dict.fromkeys(name for _, scores in results for name in scores.mean))
    data(table([head, *names], [[name, *(scores.mean.get(n) for n in names)] for name, scores in results]))
    for name, scores in results:
        for measure, found in scores.agreement.items():
            words(
                f"{name}: the judge's {measure!r} and containment agree on {found['equal']:.2f} of {found['pairs']} "
                f"answers (kappa {found['kappa']:.2f})"
            )
        show_notes(f"{name}: {note}" for note in scores.notes)


def measure_names(text: str | None) -> list[str]:
    """Parse and check the names of ``--measures``; the default measures if None or empty.

    >>> measure_names("MRR@10, Recall@5")
    ['RR@10', 'R@5']
    """
    from eval.measure.metrics import DEFAULT_MEASURES, parse_measures

    names = text.replace(",", " ").split() if text else list(DEFAULT_MEASURES)
    return [str(measure) for measure in parse_measures(names)]


def dataset_of(path: str, split: str, limit: int | None = None) -> Dataset:
    r"""Read a dataset; with ``limit``, only its first queries (a different dataset, with another hash).

    >>> (folder / "qrels").mkdir()
    >>> _ = (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td1\t1\n")
    >>> _ = (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "When?"}\n{"_id": "q2", "text": "Where?"}\n')
    >>> dataset_of(str(folder), "test", limit=1).queries
    {'q1': 'When?'}
    """
    from eval.datasets import load_dataset
    from eval.datasets.questions import subset

    dataset = load_dataset(path, split)
    if limit is None or limit >= len(dataset.queries):
        return dataset
    cut = subset(dataset, list(dataset.queries)[:limit])
    cut.notes.append(f"only the first {counted(limit, 'query', of=len(dataset.queries), verb='were')} asked")
    return cut


@contextmanager
def ticker(label: str) -> Iterator[Tick | None]:
    """Show progress on stderr: a bar after two seconds; without a terminal, a line every 30 seconds."""
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
    due = time.monotonic()
    first: tuple[float, int] | None = None  # the pace is from here on: an index or a model came before it

    def tick(done: int, total: int) -> None:
        nonlocal due, first
        now = time.monotonic()
        first = first or (now, done)
        if now < due + LINES_EVERY:
            return
        due, (began, before) = now, first
        left = f", about {span((now - began) / (done - before) * (total - done))} left" if before < done < total else ""
        words(f"{label}: {done:,} of {total:,}{left}")

    return tick


def milliseconds(timings: Mapping[str, Mapping[str, float]], share: float = 0.5) -> float:
    """Return a quantile over the queries of the milliseconds of all stages; 0.0 without timings.

    >>> milliseconds({"q1": {"encode": 5.0, "search": 2.0}, "q2": {"search": 9.0}}, share=0.95)
    9.0
    """
    totals = sorted(sum(stages.values()) for stages in timings.values())
    return totals[min(len(totals) - 1, int(share * len(totals)))] if totals else 0.0
