"""A progress bar on stderr for what takes longer than two seconds, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexes.report import Progress

DELAY = 2.0  # seconds before the bar shows


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """What to pass as ``progress=``; None when nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bar: tqdm[Any] = tqdm(total=0, unit="file", file=sys.stderr, delay=DELAY, leave=False, dynamic_ncols=True)

    def show(progress: Progress) -> None:
        bar.total = progress.files_total
        bar.set_postfix_str(f"{progress.sentences_done} sentences", refresh=False)
        bar.update(progress.files_done - bar.n)

    try:
        yield show
    finally:
        bar.close()
