"""``rag ingest --reindex``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.display import agreed, counted
from rag.cli.options import Shared
from rag.cli.output import data, data_json, words
from rag.cli.progress import progress_bar

if TYPE_CHECKING:
    from indexes.reindexing.report import ReindexReport


def move(shared: Shared, *, keep_old: bool, dry_run: bool) -> None:
    """Move the collection to the configured model, and report it."""
    from indexes import reindex
    from indexes.ingest.report import Interrupted

    try:
        with progress_bar("document") as progress:
            report = reindex(
                shared.collection, settings=shared.settings, keep_old=keep_old, dry_run=dry_run, progress=progress
            )
    except Interrupted as stop:
        words(
            f"stopped: {counted(len(stop.report.files), 'document', verb='were')} moved; "
            "the old vectors are still used, and the next"
        )
        words("'rag ingest --reindex' continues from there")
        raise
    for note in report.notes:
        words(note)
    if report.truncated:
        words(
            f"{counted(report.truncated, 'sentence', verb='are')} longer than the new model "
            f"reads and {agreed(report.truncated, 'were')} cut; "
            "'rag ingest PATH' on their files splits them again"
        )
    data_json(report.as_dict()) if shared.json else data(_sentence_of(report))


def _sentence_of(report: ReindexReport) -> str:
    """Return one line: what was done, or would be."""
    name = f"collection '{report.collection}'"
    if not report.needed:
        away = "would be removed" if report.dry_run else "removed"
        rest = report.kept if report.dry_run else report.removed
        left = f"; older vectors {away}: {', '.join(rest)}" if rest else ""
        return f"nothing to do: {name} has the vectors of {report.new_model} already{left}"
    if report.dry_run:
        return (
            f"{name}: {counted(report.sentences, 'sentence')} of {counted(report.documents, 'document')} "
            f"would move from {report.old_model} "
            f"to {report.new_model}; nothing was done"
        )
    done = f", {report.documents_done} of them by an earlier run" if report.documents_done else ""
    kept = f"; the old vectors are kept in '{report.old}'" if report.old in report.kept else ""
    return (
        f"{name} has moved from {report.old_model} to {report.new_model}: {counted(report.sentences, 'sentence')} of "
        f"{counted(report.documents, 'document')}{done} in {report.seconds:.1f} s{kept}"
    )
