"""``rag verify``"""

from __future__ import annotations

import sys

import click

from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, shown_path, words

WORDS = {
    "missing": "{found} of {expected} sentences are there",
    "extra": "{found} sentences are there instead of {expected}",
    "other": "other sentences are there than were stored",
    "unknown": "{found} sentences of a document that the manifest does not know",
    "unfinished": "a run was killed while it wrote this document",
}

EPILOG = """\b
Examples:
  rag verify
  rag verify --collection guide --repair --json

Exit code: 0 collection and manifest agree (or do now), 1 they differ.
"""


@click.command("verify", epilog=EPILOG, short_help="Compare a collection with what was stored, and mend it.")
@click.option("--repair", is_flag=True, help="Remove what is incomplete or unknown; the next ingest reads it again.")
@shared_options
def command(shared: Shared, repair: bool) -> None:
    """Compare a collection with its manifest, point by point. No model is loaded."""
    from indexes import open_index

    with open_index(shared.collection, settings=shared.settings, check_model=False) as index:
        result = index.verify(repair=repair)
    if shared.json:
        data_json({"collection": shared.collection, **result.as_dict()})
    else:
        for difference in result.differences:
            what = WORDS[difference.problem].format(found=difference.found, expected=difference.expected)
            data(f"{shown_path(difference.doc_id)}: {what}")
        found = f"{len(result.differences)} differences" if result.differences else "no differences"
        mended = f", {result.repaired} mended" if repair and result.differences else ""
        data(f"{shared.collection}: {result.documents} documents, {result.points} points, {found}{mended}")
    if result.read_again:
        words("run 'rag ingest' on the same folders again: what was removed is read anew")
    elif not result.sound:
        words(f"mend it with: rag verify --repair --collection {shared.collection}")
    sys.exit(0 if result.sound else 1)
