"""Recovery: finish or undo the work of a killed run before anything else happens.

Opening a collection imports this module; what writes documents is imported where a run was killed, which saves a tenth
of the start of ``rag status``.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from indexes.manifest.manifest import Manifest
from indexes.store.collection import Collection

if TYPE_CHECKING:
    from indexes.manifest.journal import Journal


def recover(store: Collection, manifest: Manifest, journal: Journal) -> int:
    """Finish or undo the work of a killed run and return the number of documents concerned. Needs no model.

    A document that is complete in the journal is written to the collection; any other unfinished one is removed, and
    the next run reads it again. Cheap if there is nothing to do.
    """
    unfinished = manifest.unfinished()
    remove_members(store, manifest.in_flight())
    for doc_id in unfinished:
        if journal.holds(doc_id):
            from indexes.manifest.documents import replace_document

            ids = replace_document(store, doc_id, journal.parts(doc_id))
            store.flush()
            row = (doc_id, ids.count, journal.truncated(doc_id), ids.digest, str(ids.sums))
            manifest.finish_many([row])
        else:
            store.delete_document(doc_id)
            store.flush()
            manifest.forget(doc_id)
    journal.clear()
    return len(unfinished)


def remove_members(store: Collection, files: Iterable[str]) -> None:
    """Remove what workers stored of the members of these archives, whose documents no manifest knows yet.

    >>> from types import SimpleNamespace
    >>> sizes = [("docs/a.zip!/x.md", 3), ("docs/b.zip!/y.md", 2), ("docs/a.zip", 1)]
    >>> store = SimpleNamespace(sizes=lambda: sizes, delete_document=print)
    >>> remove_members(store, ["docs/a.zip"])
    docs/a.zip!/x.md

    Args:
        files: their ids.
    """
    wanted = set(files)
    if not wanted:
        return
    for doc_id, _ in store.sizes():
        file, mark, _ = doc_id.partition("!/")
        if mark and file in wanted:
            store.delete_document(doc_id)


def finish_what_died(store: Collection, manifest: Manifest) -> None:
    """Recover before reading, so that a search never sees half a document of a killed run.

    Does nothing while another process is writing (to a server's collection).
    """
    if manifest.unfinished() and manifest.lock():
        try:
            finish(store, manifest)
        finally:
            manifest.unlock()


def finish(store: Collection, manifest: Manifest) -> None:
    """Run ``recover`` with the manifest's own journal, for a caller that is the writer."""
    from indexes.manifest.journal import Journal

    with closing(Journal(manifest.path)) as journal:
        recover(store, manifest, journal)
