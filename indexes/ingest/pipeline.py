"""The pipeline: file -> Document -> sentences -> one forward pass -> points in Qdrant.

Three threads with bounded queues between them: one reads (in a child process) and splits, the calling one encodes, one
stores. Chunks of sentences cross document borders, so that small files do not make small batches. A document is
acknowledged (``done`` in the manifest) after all its points are stored and flushed.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from indexes import memory
from indexes.encoders.batching import watching_batches
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.ingest.encode_stage import passage_size
from indexes.ingest.events import End, Event, Records
from indexes.ingest.faulty_texts import FaultyTexts
from indexes.ingest.report import IngestReport
from indexes.ingest.store_stage import Chunk, Writer
from indexes.nodes.passages import PassageBorders
from indexes.settings.sections import IndexSettings

CHUNK_CHARS = 400_000  # maximum text of a chunk
EVENTS_AHEAD = 32  # batches of records that reading may be ahead of encoding, besides the current chunk
POLL = 0.1  # seconds between two checks whether the run is over

_OVER = object()


class Stop:
    """Handles Ctrl-C: the first stops the run after its chunk, the second at once.

    >>> with Stop(lambda: print("stopping after this chunk")) as stop:
    ...     signal.raise_signal(signal.SIGINT)
    ...     stop.requested
    stopping after this chunk
    True
    """

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self._on_stop = on_stop
        self._installed = False

    def __enter__(self) -> Stop:
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _handle(self, number: int, frame: Any) -> None:
        self.requested = True
        self._restore()
        self._on_stop()

    def _restore(self) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False


class _Side:
    """A thread whose error is raised in the thread that waits for it."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._target = target
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # noqa: BLE001 - raised again by ``check``, in the thread that waits
            self.error = error

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)


def run(
    events: Iterator[Event],
    *,
    cache: Callable[[], CachedEncoder | CachedPaired],
    writer: Writer,
    settings: IndexSettings,
    report: IngestReport,
    stop: Stop,
    notify: Callable[[], None] = lambda: None,
    skip_files: bool = True,
) -> None:
    """Store everything in ``events`` in the collection, and add the seconds of each stage to ``report.stages``.

    Args:
        events: iterated in a separate thread.
        cache: called for the first sentence, so that a run without sentences needs no model.
        skip_files: skip files with a text that the model cannot encode; False: such a text ends the run.

    Raises:
        Errors of reading, encoding and storing. Acknowledged documents stay.
    """
    over = threading.Event()
    read: queue.Queue[Any] = queue.Queue(EVENTS_AHEAD)
    encoded: queue.Queue[Any] = queue.Queue(1)
    stages = report.stages

    def feed() -> None:
        started, waited = time.perf_counter(), 0.0
        try:
            for event in events:
                before = time.perf_counter()
                if not _put(read, event, over):
                    return
                waited += time.perf_counter() - before
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()
            _add(stages, "read", time.perf_counter() - started - waited)

    feeder = _Side("ragwright-read", feed)
    storer = _Side("ragwright-store", lambda: _store(encoded, writer, stages, over))
    collector, steady = contextlib.ExitStack(), False
    texts = FaultyTexts(skip=skip_files)
    try:
        for chunk in _chunks(_taken(read, feeder), settings, cache):
            if stop.requested:
                break
            texts.drop(chunk)
            model = cache() if chunk.pairs else None
            started = time.perf_counter()
            vectors = None
            before = report.passed
            with watching_batches(_counted(report, len(chunk.pairs), notify)):
                if model is not None and (ready := texts.encode(model, chunk, settings)) is not None:
                    vectors, chunk.places = ready.encoded, ready.places
            _add(stages, "encode", time.perf_counter() - started)
            if model is not None and not steady:
                collector.enter_context(memory.steady())  # after the model was loaded
                steady = True
            started = time.perf_counter()
            while not _put(encoded, (chunk, vectors), over, once=True):
                storer.check()
                if not storer.running:
                    break
            _add(stages, "waiting for the store", time.perf_counter() - started)
            storer.check()
            report.passed = before + len(chunk.pairs)
            memory.give_back()
            notify()
        while storer.running and not _put(encoded, _OVER, over, once=True):
            pass
        storer.join()
        storer.check()
        notify()
    finally:
        collector.close()
        over.set()
        feeder.join(10)
        storer.join(30)


def _counted(report: IngestReport, most: int, notify: Callable[[], None]) -> Callable[[int], None]:
    """Return what counts the texts of a chunk in ``report.passed`` while they are encoded.

    Args:
        most: sentences of the chunk; with passages or places, more texts are encoded than that.
    """
    before, done = report.passed, 0

    def count(texts: int) -> None:
        nonlocal done
        done = min(most, done + texts)
        report.passed = before + done
        notify()

    return count


def _chunks(
    events: Iterable[Event], settings: IndexSettings, cache: Callable[[], CachedEncoder | CachedPaired]
) -> Iterator[Chunk]:
    """Yield full chunks; none ends within a passage, whose vectors must not depend on the rest of the run."""
    sentences = settings.ingest.chunk_sentences
    borders: PassageBorders | None = None
    chunk = Chunk()
    for event in events:
        if isinstance(event, End):
            chunk.ends.append((len(chunk.pairs), event))
            if len(chunk.ends) >= sentences:  # files without sentences
                yield chunk
                chunk = Chunk()
            continue
        assert isinstance(event, Records)  # noqa: S101
        if settings.split.passage and borders is None:
            borders = PassageBorders(passage_size(settings, cache().max_tokens))
        for record in event.records:
            full = len(chunk.pairs) >= sentences or chunk.chars >= CHUNK_CHARS
            begins = borders is None or borders.begins(record)
            if full and begins:
                yield chunk
                chunk = Chunk()
            chunk.pairs.append((event.task, record))
            chunk.chars += len(record.text)
            if borders is None and (len(chunk.pairs) >= sentences or chunk.chars >= CHUNK_CHARS):
                yield chunk
                chunk = Chunk()
    if chunk.pairs or chunk.ends:
        yield chunk


def _taken(read: queue.Queue[Any], feeder: _Side) -> Iterator[Event]:
    while True:
        try:
            yield read.get(timeout=POLL)
        except queue.Empty:
            if feeder.running:
                continue
            while not read.empty():
                yield read.get_nowait()
            feeder.check()
            return


def _store(encoded: queue.Queue[Any], writer: Writer, stages: dict[str, float], over: threading.Event) -> None:
    while True:
        try:
            item = encoded.get(timeout=POLL)
        except queue.Empty:
            if over.is_set():
                return
            continue
        if item is _OVER or over.is_set():
            return
        started = time.perf_counter()
        writer.write(*item)
        _add(stages, "store", time.perf_counter() - started)


def _put(target: queue.Queue[Any], item: Any, over: threading.Event, *, once: bool = False) -> bool:
    """Put an item when there is room; False if the run is over or, with ``once``, if there is no room at once."""
    while not over.is_set():
        with contextlib.suppress(queue.Full):
            target.put(item, timeout=POLL)
            return True
        if once:
            return False
    return False


def _add(stages: dict[str, float], name: str, seconds: float) -> None:
    stages[name] = stages.get(name, 0.0) + seconds
