"""The work on a bundle of files: read, split, encode, add to the collection, write a receipt.

It uses the pipeline of a run in one process, with a temporary manifest and journal. A worker adds points and deletes
none, with ids computed from document and position, so that processing a bundle twice, or in two workers at a time, has
the same result.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from indexes.cluster.items import Bundle, Item, Order, Receipt
from indexes.display import counted
from indexes.errors import FingerprintMismatchError, StoreError
from indexes.ingest.changed_files import ReadJob
from indexes.ingest.report import IngestReport
from indexes.manifest.manifest import Manifest
from indexes.settings.sections import IndexSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from indexes.encoders.base import Encoder, SparseVector
    from indexes.nodes.record import SentenceRecord
    from indexes.store.engine import Engine

RUN = "run"  # in a collection's record: mark of the run that is writing to it


class Additions(Collection):
    """The collection of a worker: it adds points, and records what the driver must delete."""

    def __init__(self, engine: Engine, name: str, run: str) -> None:
        super().__init__(engine, name)
        self._run = run
        self.surplus: list[str] = []
        self.stale: list[str] = []

    def put(
        self, records: Sequence[SentenceRecord], dense: NDArray[np.float32], sparse: Sequence[SparseVector] | None
    ) -> None:
        """Add points, unless the run is over.

        Raises:
            StoreError: the run is over, or another one has begun.
        """
        if self.record().get(RUN) != self._run:
            raise StoreError(
                f"another run has begun to write into collection {self.name!r}, or this one was stopped",
                remedy="let one run end before the next is started",
            )
        super().put(records, dense, sparse)

    def delete_points(self, ids: Sequence[str]) -> None:
        self.surplus += ids

    def delete_document(self, doc_id: str) -> int:
        self.stale.append(doc_id)
        return 0


class Worker:
    """Processes bundles, one after the other, in one process. The model is loaded once, on first use."""

    def __init__(self, order: Order) -> None:
        from indexes.ingest.reader_process import ReaderWorker

        self.order = order
        self._settings = IndexSettings.model_validate_json(order.settings)
        self._engine = open_engine(self._settings.store)
        self._reader = ReaderWorker(self._settings.read, self._settings.ingest)
        self._model: Any = None
        self._loading = threading.Lock()

    def encoder(self) -> Any:
        """Return the model with the interface of the cache, without a cache.

        Raises:
            EncoderError: it cannot be loaded here.
            FingerprintMismatchError: it is not the one that the collection was built with.
        """
        with self._loading:
            if self._model is None:
                from indexes.encoders import build_encoder
                from indexes.encoders.cache import cached

                model: Encoder = build_encoder(self._settings)
                if model.fingerprint.digest != self.order.digest:
                    raise FingerprintMismatchError(
                        f"the worker on {socket.gethostname()} loads another model than the one that fills collection "
                        f"{self.order.collection!r} ({model.fingerprint.model!r}, or other weights of it)",
                        remedy="put the same versions and the same model onto every machine",
                    )
                self._model = cached(model, None)
            return self._model

    def __call__(self, bundle: Bundle) -> Receipt:
        """Process a bundle.

        Raises:
            RagWrightError: the store or the model failed; the bundle may be handed out again.
        """
        from indexes.encoders.window_pooling import WindowPooler
        from indexes.ingest import pipeline
        from indexes.ingest.read_stage import Feed
        from indexes.ingest.store_stage import Writer
        from indexes.manifest.journal import Journal
        from indexes.manifest.roots import Roots
        from indexes.nodes import build_splitter

        settings, report = self._settings, IngestReport()
        store = Additions(self._engine, self.order.collection, self.order.run)
        manifest, journal = Manifest(":memory:"), Journal(None)
        try:
            for item in bundle:
                manifest.add_copies(item.copies)
            self._reader.launch()  # here: it ends with the thread that has started it
            feed = Feed(
                manifest,
                self.order.recipe,
                report,
                lambda: build_splitter(settings.split, self.encoder()),
                self._reader,
                Roots({root.path: root for item in bundle for root in item.roots}.values()),
                seconds=settings.ingest.file_timeout,
            )
            before = self._encoded()
            pipeline.run(
                feed.files(_jobs(bundle, report)),
                cache=self.encoder,
                writer=Writer(
                    store, manifest, journal, report, lambda: WindowPooler.of(self.encoder().lexical, settings)
                ),
                settings=settings,
                report=report,
                stop=pipeline.Stop(),
            )
            entries = tuple(manifest)
            for entry in entries:
                there = store.count(entry.doc_id)
                if there < entry.sentences:
                    raise StoreError(
                        f"{counted(entry.sentences, 'sentence')} of {entry.doc_id!r} "
                        f"were stored, and the server has {there}",
                        remedy="look at the server's log, and run it again",
                    )
            encoded = self._encoded() - before
            return Receipt(
                entries, report, tuple(store.surplus), tuple(store.stale), manifest.faults() or None, encoded
            )
        finally:
            journal.close()
            manifest.close()

    def _encoded(self) -> int:
        return 0 if self._model is None else int(self._model.stats.encoded)

    def close(self) -> None:
        """End the reader's process and the connection."""
        self._reader.close()
        self._engine.close()


def _jobs(bundle: Bundle, report: IngestReport) -> Iterator[ReadJob]:
    for item in bundle:
        if _can_be_reached(item, report):
            yield ReadJob(item.found, item.content, list(item.known))


def _can_be_reached(item: Item, report: IngestReport) -> bool:
    """Return whether a path exists on this machine too; if not, the report gets a line."""
    if os.path.exists(item.found.path):  # noqa: PTH110 - the name may be no UTF-8
        return True
    source = item.found.source
    report.skip(
        source,
        f"{source} is not there on {socket.gethostname()}; it has vanished, or that machine does not reach the same "
        "folder under the same path",
    )
    return False
