"""``rag ingest PATH...``"""

from __future__ import annotations

import json as json_module
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from indexes.display import agreed, counted, one_line
from indexes.errors import RagWrightError, SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, say_waiting, shown_path, words
from rag.cli.progress import progress_bar

if TYPE_CHECKING:
    from indexes.ingest.report import FileReport, IngestReport, Progress

SOME_SKIPPED = 3
REMARKS = 20  # lines of a kind that are shown; the report has all

EPILOG = """\b
Examples:
  rag ingest docs/ handbook.pdf
  rag ingest docs/ --prune --dry-run
  rag ingest docs/ --collection guide --profile offline --report report.jsonl
  rag ingest --reindex --keep-old --set encoder.model=BAAI/bge-m3
  rag ingest archive/ --workers 8 --set store.url=http://127.0.0.1:6333
  rag ingest /mnt/archive --cluster tls://scheduler.example:8786 --set store.url=http://qdrant.example:6333

Exit code: 0 all files were read, 3 some were skipped, 1 nothing could be done, 2 wrong usage, 130 interrupted.
Ctrl-C stops after the sentences that are being encoded, Ctrl-C again stops at once; what is stored is kept.
"""


@click.command("ingest", epilog=EPILOG, short_help="Read files and folders into a collection.")
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path())
@click.option("--prune", is_flag=True, help="Remove documents whose files are gone from these folders.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; only --reindex loads the model for it.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File for one JSON line per document, written as it is done.",
)
@click.option("--reindex", is_flag=True, help="Encode the stored sentences with the configured model, then switch.")
@click.option("--keep-old", is_flag=True, help="With --reindex: keep the old vectors for users of the old model.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that read and encode in parallel, into a Qdrant server (store.url).",
)
@click.option(
    "--cluster", metavar="ADDRESS", help="Scheduler of a Dask cluster that does the work, such as tls://host:8786."
)
@shared_options
def command(
    shared: Shared,
    paths: tuple[str, ...],
    prune: bool,
    dry_run: bool,
    report: Path | None,
    reindex: bool,
    keep_old: bool,
    workers: int | None,
    cluster: str | None,
) -> None:
    """Read files and folders into a collection. Unchanged files are skipped.

    If 'rag serve' runs for the same store, the server reads them.

    With --workers or --cluster the files are spread over processes or machines, each with the model in its memory.

    With --reindex no PATH is read: the stored sentences move to the configured model; searching remains possible
    meanwhile.
    """
    if reindex:
        if paths or prune or report is not None or workers or cluster:
            raise click.UsageError(
                "--reindex takes no PATH, no --prune, no --report and no workers: it works on what is stored."
            )
        from rag.cli.reindexing import move

        move(shared, keep_old=keep_old, dry_run=dry_run)
        return
    if not paths:
        raise click.UsageError("Missing argument 'PATH...'.")
    if keep_old:
        raise click.UsageError("--keep-old needs --reindex.")
    if workers and cluster:
        raise click.UsageError("--workers are processes of this machine, --cluster is others: give one of them.")
    spread_over = cluster or workers
    if spread_over is not None:
        from indexes.cluster.driver import check_workers

        check_workers(spread_over, shared.settings)
    if report is not None and not report.absolute().parent.is_dir():
        raise SettingsError(f"the folder of --report {str(report)!r} does not exist", remedy="create it first")
    if dry_run:
        from indexes import plan_index

        planned = plan_index(list(paths), collection=shared.collection, settings=shared.settings, prune=prune)
        tell(shared, planned, None, report)
        return
    from rag.cli.writing import ingest_through, writing_server

    server = writing_server(shared)  # of the embedded engine, so none where there are workers
    if server is not None:
        with server, progress_bar() as show:
            result, total = ingest_through(server, shared, paths, prune, show)
        tell(shared, result, total, report)
        sys.exit(SOME_SKIPPED if result.skipped else 0)
    from indexes import build_index
    from indexes.ingest.report import Interrupted

    growing = GrowingReport(report)
    try:
        with (
            progress_bar() as show,
            growing,
            build_index(
                list(paths),
                collection=shared.collection,
                settings=shared.settings,
                prune=prune,
                progress=growing.watched(show),
                workers=spread_over,
            ) as index,
        ):
            done_report, total = index.report, index.count
    except Interrupted as stop:
        if report is not None:
            _write_report(report, stop.report.files)
        done = stop.report.count("added") + stop.report.count("updated")
        words(f"stopped: {counted(done, 'file', verb='are')} stored; the next run continues from there")
        raise
    assert done_report is not None  # noqa: S101 - build_index always reports
    tell(shared, done_report, total, report)
    if total and sys.stdout.isatty() and not shared.json:
        words('now ask: rag "your question"', style={"dim": True})
    sys.exit(SOME_SKIPPED if done_report.skipped else 0)


def tell(shared: Shared, result: IngestReport, total: int | None, report: Path | None) -> None:
    """Write remarks to stderr, the result to stdout, and a line per file into ``report``.

    >>> from types import SimpleNamespace
    >>> from indexes.ingest.report import FileReport, IngestReport
    >>> report = IngestReport([FileReport("guide.md", "added", sentences=12)], sentences_added=12, seconds=0.5)
    >>> tell(SimpleNamespace(json=False, collection="guide"), report, 12, None)
    1 added; 12 sentences written in 0.5 s; collection 'guide' holds 12 sentences
    """
    if report is not None:
        _write_report(report, result.files)
    remarks: dict[str, list[str]] = {}
    for file in result.files:
        path = shown_path(file.path)
        if file.status == "skipped":
            remarks.setdefault("skipped", []).append(f"skipped {path}: {_short(file)}")
        elif file.status == "moved":
            remarks.setdefault("moved", []).append(f"moved {path}, which {file.reason}")
        elif file.status == "removed":
            remarks.setdefault("removed", []).append(f"{'would be ' * result.dry_run}removed, its file is gone: {path}")
        elif result.dry_run and file.status != "unchanged":
            remarks.setdefault(file.status, []).append(f"would be {file.status}: {path}")
        if file.truncated:
            cut = (
                f"{path}: {counted(file.truncated, 'sentence', verb='are')} longer than the "
                f"model reads and {agreed(file.truncated, 'were')} cut"
            )
            remarks.setdefault("with sentences that were cut", []).append(cut)
        for text in file.notes:
            remarks.setdefault("with remarks", []).append(f"{path}: {text}")
    for kind, lines in remarks.items():
        for text in lines[:REMARKS]:
            words(one_line(text))
        if len(lines) > REMARKS:
            words(f"... and {len(lines) - REMARKS} more {kind}; --report FILE lists all")
    if result.erased is not None:
        say_waiting(result.erased.waiting, shared.collection)
    if result.ignored:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(result.ignored.items()))
        words(one_line(f"ignored, as there is no reader for them: {kinds}"))
    if result.graph is not None:
        words("graph " + result.graph.shown(shared.settings.retrieval.recall, shared.settings.retrieval.ef))
    for why in filter(None, (result.no_graph, result.no_passages)):
        words(f"warning: {why}")
    if shared.json:
        data_json({"collection": shared.collection, "sentences": total, **result.as_dict()})
    else:
        data(summary(shared.collection, total, result))


def _short(file: FileReport) -> str:
    """Return why a file was skipped, without its path, which is shown before it."""
    reason = file.reason or "no reason given"
    for start in (f"'{file.path}' ", f"{file.path} ", f"{file.path}: "):
        if reason.startswith(start):
            return reason.removeprefix(start)
    return reason


class GrowingReport:
    """The file of ``--report`` during the run: a line per file as soon as it is done, so that a killed run leaves a
    report. At its end a run writes the file again, with what has changed since.

    >>> from indexes.ingest.report import FileReport, Progress
    >>> report, read = folder / "report.jsonl", [FileReport("guide.md", "added", sentences=12)]
    >>> with GrowingReport(report) as growing:
    ...     growing.watched(lambda progress: None)(Progress(1, 2, 12, files=read))
    ...     len(report.read_text().splitlines())  # before the run has ended
    1
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._written = path, 0
        self._stream: IO[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> GrowingReport:
        if self._path is not None:
            with _report_errors(self._path, "nothing was ingested"):
                self._stream = self._path.open("w", encoding="utf-8")
        return self

    def watched(self, show: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """Return ``show`` with the writing of lines added."""

        def both(progress: Progress) -> None:
            show(progress)
            with self._lock:
                if self._stream is not None:
                    fresh = list(progress.files[self._written :])
                    self._written += len(fresh)
                    self._stream.writelines(_line(file) for file in fresh)
                    self._stream.flush()

        return both

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._stream is not None:
                self._stream.close()
                self._stream = None


def summary(collection: str, total: int | None, report: IngestReport) -> str:
    """Return one line: what was done, and what the collection holds now.

    >>> from indexes.ingest.report import FileReport, IngestReport
    >>> report = IngestReport([FileReport("guide.md", "added", sentences=12)], sentences_added=12, seconds=0.5)
    >>> summary("guide", 12, report)
    "1 added; 12 sentences written in 0.5 s; collection 'guide' holds 12 sentences"
    """
    from indexes.ingest.report import STATUSES

    counts = ", ".join(f"{number} {status}" for status in STATUSES if (number := report.count(status)))
    counts = counts or "no readable files"
    if total is None:
        return f"{counts}; nothing was done, this is what a run would do"
    return (
        f"{counts}; {counted(report.sentences_added, 'sentence')} written in {report.seconds:.1f} s; "
        f"collection '{collection}' holds {counted(total, 'sentence')}"
    )


def _write_report(path: Path, files: list[FileReport]) -> None:
    """Write a JSON line per file."""
    with _report_errors(path, "what was ingested is stored"), path.open("w", encoding="utf-8") as stream:
        stream.writelines(map(_line, files))


def _line(file: FileReport) -> str:
    return json_module.dumps(file.as_dict(), ensure_ascii=False) + "\n"


@contextmanager
def _report_errors(path: Path, state: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RagWrightError(
            f"the report {str(path)!r} cannot be written ({error.strerror}); {state}",
            remedy="name another file with --report and run it again",
        ) from error
