"""Recovery: what a run that was killed left half done is finished, or undone, before anything else happens."""

from __future__ import annotations

from indexes.manifest.documents import replace_document
from indexes.manifest.journal import Journal
from indexes.manifest.manifest import Manifest
from indexes.store.collection import Collection


def recover(store: Collection, manifest: Manifest, journal: Journal) -> int:
    """Finish or undo what a run that died was doing; cheap when there is nothing to do. No model is needed.

    A document that stands whole in the journal goes into the collection; any other unfinished one is removed, and the
    next run reads it again. Returns how many documents were touched.
    """
    unfinished = manifest.unfinished()
    for doc_id in unfinished:
        if journal.holds(doc_id):
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


def finish_what_died(store: Collection, manifest: Manifest) -> None:
    """``recover`` for who only reads: a run that was killed leaves no half document behind for a search.

    Where another process is writing just now (a server's collection), that is nobody's to mend.
    """
    if manifest.unfinished() and manifest.lock():
        try:
            journal = Journal(manifest.path)
            recover(store, manifest, journal)
            journal.close()
        finally:
            manifest.unlock()
