"""``rag verify``"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from indexes.display import counted
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, shown_path, words

WORDS = {
    "missing": "{part} in the collection",
    "extra": "{some} in the collection instead of {expected}",
    "other": "the sentences are not those that were stored",
    "unknown": "{sentences} of a document that is not in the manifest",
    "unfinished": "a run was killed while it wrote this document",
    "texts": "its texts are not those that were stored",
    "vectors": "its vectors are not those that were stored",
}

EPILOG = """\b
Examples:
  rag verify
  rag verify --deep
  rag verify --collection guide --repair --json

--repair rebuilds damaged files from their intact parts, and reads missing documents again, which may load the model.
Exit code: 0 collection and manifest agree (perhaps after the repair), 1 they differ.
"""


@click.command("verify", epilog=EPILOG, short_help="Check that a collection is complete and intact, and repair it.")
@click.option("--repair", is_flag=True, help="Repair damaged files, remove what is wrong, and read it again.")
@click.option("--deep", is_flag=True, help="Also compare texts and vectors with their checksums.")
@shared_options
def command(shared: Shared, repair: bool, deep: bool) -> None:
    """Compare a collection with its manifest, point by point. No model is loaded."""
    from indexes import open_index

    mended = mend(shared) if repair else []
    for sentence in mended:
        words(sentence)
    again: list[str] = []
    with open_index(shared.collection, settings=shared.settings, check_model=False) as index:
        places = index.places()
        result = index.verify(repair=repair, deep=deep)
        if repair:
            lost = {places[doc_id] for doc_id in result.read_again if doc_id in places}
            again = sorted(place for place in lost if Path(place).exists())
        if again:
            index.add(again)
            result.read_again = [doc_id for doc_id in result.read_again if places.get(doc_id) not in again]
    if shared.json:
        data_json({"collection": shared.collection, **result.as_dict(), "mended": mended, "read": again})
    else:
        for difference in result.differences:
            there, expected = difference.found, difference.expected
            what = WORDS[difference.problem].format(
                part=counted(there, "sentence", of=expected, verb="are"),
                some=counted(there, "sentence", verb="are"),
                sentences=counted(there, "sentence"),
                expected=expected,
            )
            data(f"{shown_path(difference.doc_id)}: {what}")
        found = counted(len(result.differences), "difference") if result.differences else "no differences"
        repaired = f", {result.repaired} mended" if repair and result.differences else ""
        data(
            f"{shared.collection}: {counted(result.documents, 'document')}, "
            f"{counted(result.points, 'point')}, {found}{repaired}"
        )
    if again:
        words(f"read again: {counted(len(again), 'file')}")
    if result.adopted:
        words(
            f"the new manifest now lists {counted(result.adopted, 'document')}; the next 'rag ingest' reads their files"
        )
    if deep and result.unchecked:
        words(f"{counted(result.unchecked, 'document', verb='have')} no checksums yet: an earlier version stored them")
    if result.read_again:
        words("run 'rag ingest' on the same folders again to read what was removed")
    elif not result.sound:
        words(f"mend it with: rag verify --repair --collection {shared.collection}")
    sys.exit(0 if result.sound else 1)


def mend(shared: Shared) -> list[str]:
    """Repair the files of the collection; return a sentence for each."""
    from indexes.manifest.repair import mend_files
    from indexes.store.client import open_engine

    with closing(open_engine(shared.settings.store)) as engine:
        return mend_files(engine, shared.collection, shared.settings.store)
