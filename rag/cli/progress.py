"""A progress bar on stderr for what takes longer than two seconds, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexes.report import Progress

DELAY = 2.0  # seconds before the bar shows
INTERVAL = 0.1  # seconds between two drawings


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """What to pass as ``progress=``; None when nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    due = time.monotonic() + DELAY

    def show(progress: Progress) -> None:
        # tqdm draws when its count moves; within one long file only the sentences do.
        nonlocal bar, due
        if time.monotonic() < due:
            return
        if bar is None:
            bar = tqdm(unit="file", file=sys.stderr, leave=False, dynamic_ncols=True)
        bar.total, bar.n = progress.files_total, progress.files_done
        bar.set_postfix_str(f"{progress.sentences_done} sentences", refresh=False)
        bar.refresh()
        due = time.monotonic() + INTERVAL

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
