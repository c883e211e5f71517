"""Turns: questions and ingests share one model, and a question never waits for a whole ingest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from indexes.encoders.base import Around, Encoded, Encoder
from indexes.encoders.paired import PairedEncoder

SLICE = 8  # texts encoded before questions get a turn, at first
LARGEST = 512
SLICE_SECONDS = 0.2  # target for a slice: faster ones are doubled, slower ones halved


class Turns:
    """Allow one forward pass at a time; if questions and an ingest both wait, they take turns.

    >>> with Turns().question():
    ...     pass
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._busy = False
        self._questions = 0  # waiting
        self._after_ingest = True  # the last turn was not a question's

    @contextmanager
    def question(self) -> Iterator[None]:
        """Hold the model for a batch of questions."""
        with self._free:
            self._questions += 1
            try:
                self._free.wait_for(lambda: not self._busy)
            finally:
                self._questions -= 1
            self._busy, self._after_ingest = True, False
        yield from self._turn()

    @contextmanager
    def ingest(self) -> Iterator[None]:
        """Hold the model for a slice of an ingest; a waiting question goes first, unless one was just encoded."""
        with self._free:
            self._free.wait_for(lambda: not self._busy and not (self._questions and self._after_ingest))
            self._busy, self._after_ingest = True, True
        yield from self._turn()

    def _turn(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify_all()


class _Sliced:
    """Encode in slices of about ``SLICE_SECONDS``, each in its own turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._size = SLICE

    def __call__(self, texts: Sequence[str], encode: Callable[[list[str]], Encoded]) -> Encoded:
        """Encode texts sorted by length, as the model does; return the result in the texts' order."""
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        parts: list[Encoded] = []
        cut: list[int] = []
        start = 0
        while start < len(order) or not parts:
            places = order[start : start + self._size]
            with self._turns.ingest():
                began = time.monotonic()
                part = encode([texts[place] for place in places])
                self._adapt(len(places), time.monotonic() - began)
            parts.append(part)
            cut += [places[place] for place in part.truncated]
            start += len(places)
        back = np.argsort(np.array(order, dtype=np.int64))
        sparse = None
        if parts[0].sparse is not None:
            mixed = [vector for part in parts for vector in part.sparse or []]
            sparse = [mixed[place] for place in back]
        return Encoded(np.concatenate([part.dense for part in parts])[back], sparse, tuple(sorted(cut)))

    def _adapt(self, count: int, seconds: float) -> None:
        if seconds > 2 * SLICE_SECONDS:
            self._size = max(1, count // 2)
        elif seconds < SLICE_SECONDS / 2 and count == self._size:
            self._size = min(LARGEST, 2 * self._size)


class _DenseInTurns:
    """A dense model whose passes take turns."""

    def __init__(self, inner: Any, turns: Turns) -> None:
        self._inner, self._turns, self._sliced = inner, turns, _Sliced(turns)

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if query:
            with self._turns.question():
                return self._inner.embed(texts, query=True)  # type: ignore[no-any-return]
        return self._sliced(texts, lambda some: self._inner.embed(some, query=False))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)


class _InTurns(Around):
    """An encoder for both legs whose passes take turns."""

    def __init__(self, inner: Encoder, turns: Turns) -> None:
        super().__init__(inner)
        self._turns, self._sliced = turns, _Sliced(turns)

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return self._sliced(texts, self.inner.encode_documents)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        with self._turns.question():
            return self.inner.encode_queries(texts)


def in_turns(encoder: Encoder, turns: Turns) -> Encoder:
    """Return the encoder for an ingest beside questions, of the same kind, so that the stored vectors are the same.

    >>> from types import SimpleNamespace
    >>> encode = lambda texts: print(len(texts), "texts") or Encoded(np.ones((len(texts), 3), np.float32))
    >>> encoder = in_turns(SimpleNamespace(encode_documents=encode), Turns())
    >>> encoder.encode_documents(["It opens at 6."] * 10).dense.shape  # a question may come between the two
    8 texts
    2 texts
    (10, 3)
    """
    if isinstance(encoder, PairedEncoder):
        return PairedEncoder(_DenseInTurns(encoder.dense, turns), encoder.lexical)
    return _InTurns(encoder, turns)
