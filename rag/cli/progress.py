"""Show the progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from indexes.display import counted, plural_of
from rag.cli.output import shown_path, words
from rag.cli.page import cut, width_of

if TYPE_CHECKING:
    from indexes.ingest.report import Progress

DELAY = 2.0  # seconds before the bar shows
INTERVAL = 0.1  # seconds between two redraws
LINES_EVERY = 30.0  # seconds between two lines without a terminal


def rate(progress: Progress) -> str:
    """Return the sentences done, their rate and the time left, such as "1,204 sentences, 151 a second, 2:10 left".

    Sentences are counted, not files, so that it moves within a large file too.

    >>> from indexes.ingest.report import Progress
    >>> rate(Progress(1, 4, 1200, seconds=10.0))
    '1,200 sentences, 120 a second, about 0:30 left'
    """
    done = max(progress.encoded, progress.sentences_done)
    text = counted(done, "sentence")
    if not done:
        if progress.read:
            text = f"{counted(progress.read, 'sentence')} read, loading the model or encoding the first of them,"
            return f"{text} {span(progress.seconds)}"
        return f"{text} in {span(progress.seconds)}" if progress.seconds >= 1 else text
    if not progress.seconds:
        return text
    speed = done / progress.seconds
    if 60 * speed < 1:  # the model was loaded for minutes: neither the rate nor what is left can be told
        return f"{text} in {span(progress.seconds)}"
    text += f", {speed:.0f} a second" if speed >= 1 else f", {60 * speed:.0f} a minute"
    left = None
    if progress.expected is not None:
        left = max(0, progress.expected - done) / speed
    elif progress.files_done and progress.files_total > progress.files_done and not progress.encoded:
        left = progress.seconds / progress.files_done * (progress.files_total - progress.files_done)
    if left is not None and left >= 1:
        text += f", about {span(left)} left"
    return text


def span(seconds: float) -> str:
    """Format seconds.

    >>> span(42), span(725), span(3725)
    ('0:42', '12:05', '1:02:05')
    """
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def line(progress: Progress, unit: str) -> str:
    """Return a line such as "12 of 40 files, 1,204 sentences, 151 a second, about 2:10 left; now guide.pdf".

    >>> from indexes.ingest.report import Progress
    >>> line(Progress(1, 4, 1200, seconds=10.0, current="guide.pdf"), "file")
    '1 of 4 files, 1,200 sentences, 120 a second, about 0:30 left; now guide.pdf'
    """
    files = counted(progress.files_done, unit, of=progress.files_total)
    now = f"; now {shown_path(progress.current)}" if progress.current else ""
    return f"{files if progress.files_total else f'looking for {plural_of(unit)}'}, {rate(progress)}{now}"


@contextmanager
def progress_bar(unit: str = "file") -> Iterator[Callable[[Progress], None]]:
    """Yield the function to pass as ``progress=``; ``unit`` is what is counted."""
    with closing(_Bar(unit) if sys.stderr.isatty() else _Lines(unit)) as show:
        yield show


class _Shown:
    """Show the state of a run when it changes and every second: a model may take minutes for a chunk."""

    stopping = "stopping after this chunk; interrupt again to stop at once"
    every = LINES_EVERY

    def __init__(self, unit: str, first: float) -> None:
        self._unit, self._due = unit, time.monotonic() + first
        self._lock, self._over = threading.Lock(), threading.Event()
        self._last: tuple[Progress, float] | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.stopping:
            words(self.stopping)
        with self._lock:
            self._last = progress, time.monotonic()
            self._show(progress)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, daemon=True)
                self._thread.start()

    def _show(self, progress: Progress) -> None:
        if time.monotonic() >= self._due:
            self._draw(progress)
            self._due = time.monotonic() + self.every

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            with self._lock:
                if self._last is not None and not self._over.is_set():
                    progress, at = self._last
                    self._show(replace(progress, seconds=progress.seconds + time.monotonic() - at))

    def _draw(self, progress: Progress) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._over.set()


class _Lines(_Shown):
    """Show a line every ``LINES_EVERY`` seconds, for logs."""

    def __init__(self, unit: str) -> None:
        super().__init__(unit, LINES_EVERY)

    def _draw(self, progress: Progress) -> None:
        words(line(progress, self._unit))


class _Bar(_Shown):
    """Redraw one line: files, a bar by sentences, the rate, the time left, and the current file."""

    stopping = "\nstopping after this chunk; Ctrl-C again stops at once"

    def __init__(self, unit: str) -> None:
        super().__init__(unit, DELAY)
        self.every = INTERVAL
        self._bar: Any = None

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = _bar(leave=False, bar_format="{desc} |{bar:16}| {unit}")
        done = max(progress.encoded, progress.sentences_done)
        if progress.expected:  # by sentences: files are of very different sizes
            total, at = max(progress.expected, done), done
        else:
            total, at = progress.files_total, progress.files_done
        self._bar.total, self._bar.n = total or None, at
        unit = self._unit if progress.files_total == 1 else plural_of(self._unit)
        files = f"{progress.files_done:,}/{progress.files_total:,} {unit}" if progress.files_total else "looking"
        self._bar.set_description_str(files, refresh=False)
        text = rate(progress)
        room = (width_of(sys.stderr) or 80) - len(files) - len(text) - 24
        if progress.current and room >= 12:
            text += f"  {cut(shown_path(progress.current.rsplit('/', 1)[-1]), room)}"
        self._bar.unit = text  # a postfix would begin with a comma
        self._bar.refresh()

    def close(self) -> None:
        with self._lock:
            super().close()
            if self._bar is not None:
                self._bar.close()


def _bar(**options: Any) -> Any:
    from tqdm import tqdm

    return tqdm(file=sys.stderr, dynamic_ncols=True, **options)


class Waiting:
    """A line on a terminal that says what is awaited and for how long; it is removed at the end.

    >>> with Waiting("searching") as waiting:
    ...     waiting.now("reading the passages")
    """

    def __init__(self, what: str, *, delay: float = 1.0) -> None:
        self._what, self._delay = what, delay
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Waiting:
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def now(self, what: str) -> None:
        """Change the text."""
        self._what = what

    def end(self) -> None:
        """Remove the line."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __exit__(self, *_: object) -> None:
        self.end()

    def _run(self) -> None:
        started, shown = time.monotonic(), False
        pause = self._delay
        while not self._over.wait(pause):
            seconds = round(time.monotonic() - started)
            click.echo(
                f"\r\x1b[K{click.style(f'{self._what} … {seconds} s', dim=True)}", err=True, nl=False, color=True
            )
            shown, pause = True, 1.0
        if shown:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)
