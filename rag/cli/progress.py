"""A progress bar on stderr for what takes longer than two seconds, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rag.cli.output import words

if TYPE_CHECKING:
    from indexes.ingest.report import Progress

DELAY = 2.0  # seconds before the bar shows
INTERVAL = 0.1  # seconds between two drawings


def rate(progress: Progress) -> str:
    """ "1,204 sentences, 151 a second, 2:10 left"; the time left is told by the files done so far."""
    text = f"{progress.sentences_done:,} sentences"
    if progress.seconds and progress.sentences_done:
        text += f", {progress.sentences_done / progress.seconds:.0f} a second"
    if progress.files_done and progress.files_total > progress.files_done:
        left = round(progress.seconds / progress.files_done * (progress.files_total - progress.files_done))
        text += f", {left // 60}:{left % 60:02} left"
    return text


@contextmanager
def progress_bar(unit: str = "file") -> Iterator[Callable[[Progress], None] | None]:
    """What to pass as ``progress=``; None when nobody watches. ``unit``: what is counted."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    due = time.monotonic() + DELAY

    def show(progress: Progress) -> None:
        # tqdm draws when its count moves; within one long file only the sentences do.
        nonlocal bar, due
        if progress.stopping:
            words("\nstopping after this chunk; Ctrl-C again stops at once")
        if time.monotonic() < due:
            return
        if bar is None:
            bar = tqdm(
                unit=unit,
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
                bar_format=f"{{n_fmt}}/{{total_fmt}} {unit}s {{bar}} {{postfix}}",
            )
        bar.total, bar.n = progress.files_total, progress.files_done
        bar.set_postfix_str(rate(progress), refresh=False)
        bar.refresh()
        due = time.monotonic() + INTERVAL

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
