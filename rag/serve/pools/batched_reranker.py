"""BatchedReranker: the pairs of several requests share the reranker's batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol, cast

from llama_index.core.bridge.pydantic import PrivateAttr

from rag.rerankers.base import Reranker, RerankScores
from rag.serve.pools.batches import batches

QUESTIONS = 4  # per call of the model


class _ScoresMany(Protocol):
    """A reranker that scores several questions at once."""

    def score_many(self, questions: Sequence[tuple[str, Sequence[str]]]) -> list[RerankScores]: ...


_Item = tuple[str, Sequence[str], "Future[RerankScores]"]


class BatchedReranker(Reranker):
    """A reranker whose ``score`` is thread-safe; waiting questions go through the model in one call.

    The first question is scored at once; those that arrive meanwhile are scored together after it.

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> of = lambda texts: RerankScores(np.ones(len(texts), np.float32), np.ones(len(texts), np.float32))
    >>> model = SimpleNamespace(top_n=None, read="window", score_many=lambda asked: [of(texts) for _, texts in asked])
    >>> reranker = BatchedReranker(model)
    >>> len(reranker.score("When?", ["It opens at 6.", "Fees."])), reranker.calls
    (2, 1)
    >>> reranker.close()

    Args:
        inner: the model, which must have ``score_many``.
    """

    _inner: Any = PrivateAttr()
    _queue: Any = PrivateAttr()
    _thread: Any = PrivateAttr(default=None)
    _lock: Any = PrivateAttr()
    _calls: int = PrivateAttr(default=0)

    def __init__(self, inner: Reranker) -> None:
        super().__init__(top_n=inner.top_n, read=inner.read)
        self._inner, self._queue, self._lock = inner, queue.Queue(), threading.Lock()

    @property
    def name(self) -> str:
        return str(self._inner.name)

    @property
    def fingerprint(self) -> str:
        return str(self._inner.fingerprint)

    @property
    def calls(self) -> int:
        """How often the model has run."""
        return self._calls

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ragwright-rerank-model", daemon=True)
                self._thread.start()
        future: Future[RerankScores] = Future()
        self._queue.put((query, list(texts), future))
        return future.result()

    def close(self) -> None:
        """End the thread; waiting questions are still answered."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout=10)

    def _work(self) -> None:
        for items in batches(self._queue, QUESTIONS):
            self._score(items)

    def _score(self, items: Sequence[_Item]) -> None:
        self._calls += 1
        try:
            model = cast(_ScoresMany, self._inner)
            found = model.score_many([(query, texts) for query, texts, _ in items])
        except BaseException as error:  # noqa: BLE001 - a bad question must not fail the others
            if len(items) == 1:
                items[0][2].set_exception(error)
                return
            for item in items:
                self._score([item])
            return
        for (_, _, future), scores in zip(items, found, strict=True):
            future.set_result(scores)
