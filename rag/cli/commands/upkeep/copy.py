"""``rag copy COLLECTION``"""

from __future__ import annotations

import sys

import click

from indexes.display import counted
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, shown_path, words
from rag.cli.progress import progress_bar

EPILOG = """\b
Examples:
  rag copy guide --to /backup/ragwright
  rag copy guide --to http://127.0.0.1:6333
  rag copy guide --set store.url=http://127.0.0.1:6333 --to ~/.local/share/ragwright

Run it again to continue an interrupted copy, or to update one. The same command copies back.
Exit code: 0 the copy is complete, 1 it differs from its manifest or could not be made, 130 interrupted.
"""


@click.command("copy", epilog=EPILOG, short_help="Copy a collection to another folder or server.")
@click.argument("name", metavar="COLLECTION")
@click.option("--to", "to", required=True, metavar="URL|PATH", help="Qdrant server, or folder for the embedded engine.")
@shared_options
def command(shared: Shared, name: str, to: str) -> None:
    """Copy a collection's points, record and manifest, and verify the copy. No model is loaded."""
    from indexes import copy_collection

    try:
        with progress_bar("document") as show:
            report = copy_collection(name, to=to, settings=shared.settings, progress=show)
    except KeyboardInterrupt:
        words("stopped: what was copied is kept, and the same command continues from there")
        raise
    for note in report.notes:
        words(note)
    if shared.json:
        data_json(report.as_dict())
    else:
        place = report.target if "://" in report.target else shown_path(report.target)
        same = report.documents - report.copied
        parts = [f"{counted(report.copied, 'document')} with {counted(report.sentences_copied, 'sentence')} written"]
        parts += [f"{same} unchanged"] if same else []
        parts += [f"{report.removed} removed"] if report.removed else []
        data(
            f"{name}: {', '.join(parts)}; {place} holds {counted(report.sentences, 'sentence')}, "
            f"{verdict(report.differences)}"
        )
    sys.exit(1 if report.differences else 0)


def verdict(differences: int) -> str:
    """Return the result of the verification in words.

    >>> verdict(0), verdict(3)
    ('verified', '3 documents differ from the manifest')
    """
    return f"{counted(differences, 'document', verb='differ')} from the manifest" if differences else "verified"
