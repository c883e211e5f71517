"""The driver of a run with several workers: it hands out bundles, commits their receipts, and deletes stale points.

Only the driver writes the manifest. A document is ``writing`` there from before its bundle is handed out until its
receipt is committed, so that the next run removes and rereads what a killed driver left
(``indexes.manifest.recovery``). Workers only add points, with ids computed from document and position: a bundle that is
processed twice, because a worker died or its answer was lost, gives the same result.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import TypeAlias

from indexes.cluster.items import Bundle, Done, Item, Lost, Order, Receipt, bundles
from indexes.cluster.work import RUN
from indexes.errors import SettingsError, TextError
from indexes.ingest.changed_files import ReadJob
from indexes.ingest.events import Desk, Read, Spread
from indexes.manifest.manifest import IN_FLIGHT, Entry
from indexes.manifest.recovery import remove_members
from indexes.settings.sections import IndexSettings
from indexes.store.upkeep import bulk

# The seam to Dask or another system: hand out bundles, and return the result of each, in any order.
Distribute: TypeAlias = Callable[[Iterable[Bundle], Order], Iterator[Done]]


def check_workers(workers: int | str, settings: IndexSettings, *, own_model: bool = False) -> None:
    """Reject settings that do not work with several processes.

    >>> check_workers(4, IndexSettings(store={"url": "http://127.0.0.1:6333"}))
    >>> check_workers(4, IndexSettings())
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: many workers cannot write into the embedded engine: a collection of it belongs to
    one process at a time; set store.url to a Qdrant server or cluster, or leave --workers and --cluster out

    Args:
        own_model: whether an encoder was passed in, which exists only in this process.

    Raises:
        SettingsError: no server is configured, an encoder was passed in, or ``workers`` is unusable.
    """
    if not settings.store.url or settings.store.url == ":memory:":
        raise SettingsError(
            "many workers cannot write into the embedded engine: a collection of it belongs to one process at a time",
            remedy="set store.url to a Qdrant server or cluster, or leave --workers and --cluster out",
        )
    if own_model:
        raise SettingsError(
            "an encoder was handed in, and workers load their own model by the settings",
            remedy="name the model with encoder.provider and encoder.model, or leave the workers out",
        )
    if isinstance(workers, int) and workers < 1:
        raise SettingsError(f"workers is {workers}", remedy="give 1 or more, or the address of a Dask scheduler")
    if isinstance(workers, str):
        from indexes.cluster.on_dask import check_address

        check_address(workers)


def spread_over(workers: int | str, settings: IndexSettings) -> Spread:
    """Return the ``spread`` argument of ``indexes.ingest.run.ingest`` that lets workers read the files.

    Args:
        workers: a number of processes on this machine, or the address of a Dask scheduler ("tls://host:8786").
    """
    from indexes.cluster.on_dask import distribute, open_workers

    @contextmanager
    def open_() -> Iterator[Distribute]:
        with open_workers(workers, settings.ingest) as there:
            yield partial(distribute, workers=there)

    return partial(driving, open_=open_)


@contextmanager
def driving(desk: Desk, *, open_: Callable[[], AbstractContextManager[Distribute]]) -> Iterator[Read]:
    """Provide the function that reads jobs with workers, which are started for the first job.

    Args:
        open_: starts the workers.
    """
    with ExitStack() as stack:
        yield _Driver(desk, open_, stack).read


class _Driver:
    def __init__(self, desk: Desk, open_: Callable[[], AbstractContextManager[Distribute]], stack: ExitStack) -> None:
        self._desk, self._open, self._stack = desk, open_, stack
        self._distribute: Distribute | None = None
        self._order = Order(
            secrets.token_hex(8),
            desk.store.name,
            desk.encoder_digest,
            desk.recipe,
            desk.settings.model_dump_json(include=set(IndexSettings.model_fields)),
        )

    def read(self, jobs: Iterator[ReadJob]) -> None:
        """Let workers read, encode and store these files; return when all receipts are committed.

        Raises:
            RagWrightError: the store, the model or the cluster failed; committed documents stay.
        """
        first = next(jobs, None)
        if first is None or self._desk.stopped():
            return
        lost = self._round(bundles(self._items(chain([first], jobs))))
        # One file of a bundle ended the workers or cannot be encoded: try each file by itself.
        for (item,), why in self._round((item,) for bundle, _ in lost for item in bundle):
            self._give_up(item, why)

    def _started(self) -> Distribute:
        if self._distribute is None:
            store = self._desk.store
            distribute = self._stack.enter_context(self._open())
            store.set_record(**{RUN: self._order.run})
            self._stack.callback(lambda: store.set_record(**{RUN: None}))  # who is still at work stops before it writes
            bulk.begin(store)
            self._stack.callback(bulk.end, store)
            self._distribute = distribute
        return self._distribute

    def _round(self, given: Iterable[Bundle]) -> list[tuple[Bundle, Lost | TextError]]:
        lost: list[tuple[Bundle, Lost | TextError]] = []
        distribute = self._started()
        for bundle, done in distribute(self._noted(given), self._order):
            if isinstance(done, Receipt):
                self._commit(bundle, done)
            elif isinstance(done, (Lost, TextError)):
                lost.append((bundle, done))
            else:
                raise done
            self._desk.notify()
        refused = next((why for _, why in lost if isinstance(why, TextError)), None)
        if refused is not None and not self._desk.report.passed:
            raise refused  # no text was encoded: the model is at fault
        return lost

    def _items(self, jobs: Iterator[ReadJob]) -> Iterator[Item]:
        roots, manifest = self._desk.roots, self._desk.manifest
        for job in jobs:
            if self._desk.stopped():
                return
            source = job.found.source
            copies = tuple(copy for copy in manifest.copies(source) if copy.content == job.content)
            lies_in = {roots.root_of(path) for path in (source, *(copy.path for copy in copies))}
            place = roots.place(source)
            yield Item(job.found, place.doc_id, job.content, tuple(job.known), tuple(lies_in), copies)

    def _noted(self, given: Iterable[Bundle]) -> Iterator[Bundle]:
        """Yield each bundle after recording in the manifest that its documents are about to be written."""
        for bundle in given:
            if self._desk.stopped():
                return
            flying = [
                Entry(item.doc_id, item.found.source, item.content, IN_FLIGHT, item.found.size, item.found.mtime_ns)
                for item in bundle
            ]
            known = [entry.doc_id for item in bundle for entry in item.known]
            self._desk.manifest.begin(flying, removing=known, erase=False)
            yield bundle

    def _commit(self, bundle: Bundle, receipt: Receipt) -> None:
        """Commit a bundle that is in the collection: delete stale points, then acknowledge."""
        store, manifest, report = self._desk.store, self._desk.manifest, self._desk.report
        new = {entry.doc_id: entry for entry in receipt.entries}
        stale = set(receipt.stale)
        known = {entry.doc_id: entry for item in bundle for entry in item.known}
        # For an unreadable file the old points stay.
        kept = [entry for doc_id, entry in known.items() if doc_id not in new and doc_id not in stale]
        written = [*new.values(), *kept]
        manifest.begin(written, stale, receipt.faults)
        store.delete_points(receipt.surplus)
        for doc_id in stale:
            store.delete_document(doc_id)
        store.flush()
        over = {item.doc_id for item in bundle} - {entry.doc_id for entry in written}
        rows = [(entry.doc_id, entry.sentences, entry.truncated, entry.points, entry.sums) for entry in written]
        manifest.finish_many(rows, removed=stale | over)
        report.files += receipt.report.files
        for kind, number in receipt.report.ignored.items():
            report.ignored[kind] = report.ignored.get(kind, 0) + number
        for stage, seconds in receipt.report.stages.items():
            report.stages[stage] = report.stages.get(stage, 0.0) + seconds
        report.sentences_added += receipt.report.sentences_added
        report.truncated += receipt.report.truncated
        report.passed += receipt.report.passed
        report.encoded += receipt.encoded

    def _give_up(self, item: Item, why: Lost | TextError) -> None:
        """Report a file that cannot be stored and remove it, as it is unknown how much of it was written."""
        store, manifest = self._desk.store, self._desk.manifest
        known = [entry.doc_id for entry in item.known]
        for doc_id in (item.doc_id, *known):
            store.delete_document(doc_id)
        remove_members(store, [item.doc_id])
        store.flush()
        manifest.forget([item.doc_id, *known])
        source = item.found.source
        if isinstance(why, TextError):
            reason = f"'{source}' holds a text that cannot be encoded ({why.what}); {why.remedy}"
        else:
            reason = f"'{source}' was given up, for {why.why}; leave it out, or give the workers more memory"
        self._desk.report.skip(source, reason)
