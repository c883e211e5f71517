"""``rag ingest PATH...``"""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, shown_path, words
from rag.cli.progress import progress_bar

if TYPE_CHECKING:
    from indexes.report import FileReport, IngestReport

SOME_SKIPPED = 3

EPILOG = """\b
Examples:
  rag ingest docs/ handbook.pdf
  rag ingest docs/ --collection guide --profile offline --report report.jsonl

Exit code: 0 all files were read, 3 some were skipped, 1 nothing could be done, 2 wrong usage.
"""


@click.command("ingest", epilog=EPILOG, short_help="Read files and folders into a collection.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write one JSON line a file."
)
@shared_options
def command(shared: Shared, paths: tuple[Path, ...], report: Path | None) -> None:
    """Read files and folders into a collection. What is there already and unchanged is left alone."""
    from indexes import build_index

    if report is not None and not report.absolute().parent.is_dir():
        raise SettingsError(f"--report {str(report)!r} lies in no folder", remedy="create the folder first")
    with (
        progress_bar() as progress,
        build_index(list(paths), collection=shared.collection, settings=shared.settings, progress=progress) as index,
    ):
        result, total = index.report, index.count
    assert result is not None  # noqa: S101 - build_index always reports
    if report is not None:
        write_report(report, result.files)
    for file in result.files:
        if file.status == "skipped":
            words(f"skipped {shown_path(file.path)}: {file.reason}")
        elif file.truncated:
            words(f"{shown_path(file.path)}: {file.truncated} sentences are longer than the model reads and were cut")
    if result.ignored:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(result.ignored.items()))
        words(f"left aside, since no reader is for them: {kinds}")
    if shared.json:
        data_json({"collection": shared.collection, "sentences": total, **result.as_dict()})
    else:
        data(summary(shared.collection, total, result))
    sys.exit(SOME_SKIPPED if result.skipped else 0)


def summary(collection: str, total: int, report: IngestReport) -> str:
    """One line: what was done, and what the collection holds now."""
    counts = ", ".join(
        f"{number} {status}"
        for status in ("added", "updated", "unchanged", "skipped")
        if (number := sum(file.status == status for file in report.files))
    )
    return (
        f"{counts or 'no files'}; {report.sentences_added} sentences written in {report.seconds:.1f} s; "
        f"collection '{collection}' holds {total} sentences"
    )


def write_report(path: Path, files: list[FileReport]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json_module.dumps(file.as_dict(), ensure_ascii=False) + "\n" for file in files)
