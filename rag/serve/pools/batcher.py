"""BatchedEncoder: questions of several requests are encoded together, and their vectors are kept."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.display import counted
from indexes.encoders.base import Around, Encoded, Encoder, SparseVector
from rag.serve.errors import Problem
from rag.serve.pools.batches import batches
from rag.serve.pools.turns import Turns, in_turns

WAIT_SECONDS = 0.003  # for more questions after the first
BATCH = 64
REMEMBERED = 512  # question vectors kept
QUEUE = 256


@dataclass(frozen=True, slots=True)
class _Row:
    dense: NDArray[np.float32]
    sparse: SparseVector | None
    truncated: bool


class BatchedEncoder(Around):
    """An ``Encoder`` whose ``encode_queries`` collects the questions of all threads into one forward pass.

    >>> from types import SimpleNamespace
    >>> encode = lambda texts: Encoded(np.eye(len(texts), 3, dtype=np.float32))
    >>> encoder = BatchedEncoder(SimpleNamespace(lexical=None, encode_queries=encode), wait=0)
    >>> [encoder.encode_queries(["When?"]).dense.shape for _ in range(2)], encoder.passes  # it is remembered
    ([(1, 3), (1, 3)], 1)
    >>> encoder.close()

    Args:
        encoder: the model.
        wait: seconds to wait for more questions; 0 does not wait.
        batch: maximum questions per pass.
        remembered: number of question vectors to keep.
        on_batch: called with the size of each batch.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        wait: float = WAIT_SECONDS,
        batch: int = BATCH,
        remembered: int = REMEMBERED,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(encoder)
        self._wait, self._batch, self._limit = wait, batch, remembered
        self._on_batch = on_batch
        self._known: OrderedDict[str, _Row] = OrderedDict()
        self._lock = threading.Lock()
        self.turns = Turns()
        self._queue: queue.Queue[tuple[str, Future[_Row]] | None] = queue.Queue(QUEUE)
        self._thread: threading.Thread | None = None
        self.passes = 0
        self.running = 0  # questions in the current pass

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return self.writing().encode_documents(texts)

    def writing(self) -> Encoder:
        """Return the same model for a writing job, which lets questions go first."""
        return in_turns(self.inner, self.turns)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Encode questions; thread-safe.

        Raises:
            Problem: "busy", the queue is full.
        """
        if not texts:
            return self.inner.encode_queries(texts)
        rows = [self._row(text) for text in texts]
        found = [row if isinstance(row, _Row) else row.result() for row in rows]
        sparse = None if self.lexical is None else [row.sparse for row in found if row.sparse is not None]
        cut = tuple(place for place, row in enumerate(found) if row.truncated)
        return Encoded(np.stack([row.dense for row in found]), sparse, cut)

    def close(self) -> None:
        """End the batching thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout=10)

    def _row(self, text: str) -> _Row | Future[_Row]:
        with self._lock:
            if (row := self._known.get(text)) is not None:
                self._known.move_to_end(text)
                return row
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ragwright-encode", daemon=True)
                self._thread.start()
        future: Future[_Row] = Future()
        try:
            self._queue.put_nowait((text, future))
        except queue.Full:
            raise Problem(
                "busy", f"{counted(QUEUE, 'question', verb='are')} waiting to be encoded", "try again", retry_after=1
            ) from None
        return future

    def _work(self) -> None:
        for items in batches(self._queue, self._batch, self._wait):
            self._encode(items)

    def _encode(self, items: list[tuple[str, Future[_Row]]]) -> None:
        texts = list(dict.fromkeys(text for text, _ in items))
        if self._on_batch is not None:
            self._on_batch(len(texts))
        try:
            rows = dict(zip(texts, self._pass(texts), strict=True))
        except BaseException as error:  # noqa: BLE001 - a bad text must not fail the others
            if len(texts) == 1:
                for _, future in items:
                    future.set_exception(error)
                return
            for item in items:
                self._encode([item])
            return
        with self._lock:
            self._known.update(rows)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        for text, future in items:
            future.set_result(rows[text])

    def _pass(self, texts: list[str]) -> list[_Row]:
        with self.turns.question():
            self.passes += 1
            self.running = len(texts)
            try:
                encoded = self.inner.encode_queries(texts)
            finally:
                self.running = 0
        sparse: Sequence[SparseVector | None] = encoded.sparse or [None] * len(texts)
        cut = set(encoded.truncated)
        return [_Row(encoded.dense[place], sparse[place], place in cut) for place in range(len(texts))]
