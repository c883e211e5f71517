"""Length-sorted batches under a token budget: little padding, flat memory. Encoders and rerankers share them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

SHORTEST_SHARE = 0.8  # of a batch's longest text: a shorter text starts a new batch ...
ENOUGH_SHARE = 1 / 16  # ... once the batch fills this share of the budget (256 of 4096: full speed on a CPU)

_watcher: ContextVar[Callable[[int], None] | None] = ContextVar("ragwright_batches", default=None)


@contextmanager
def watching_batches(watcher: Callable[[int], None]) -> Iterator[None]:
    """Call ``watcher`` with the number of texts of each batch that is encoded inside: a chunk may take minutes.

    >>> counts = []
    >>> with watching_batches(counts.append):
    ...     batch_done(32)
    >>> counts
    [32]
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def batch_done(texts: int) -> None:
    """Report an encoded batch to ``watching_batches``, if anybody is watching.

    >>> sizes = []
    >>> with watching_batches(sizes.append):
    ...     batch_done(32)
    ...     batch_done(9)
    >>> sizes
    [32, 9]
    """
    watcher = _watcher.get()
    if watcher is not None:
        watcher(texts)


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts into batches whose padded size (texts x longest text) is at most ``budget`` tokens.

    >>> token_batches([6, 40, 7, 38], budget=80)
    [[1, 3], [2, 0]]

    Texts are taken longest first (ties in the given order), so that a batch too large for the memory fails at once and
    not after an hour. A text longer than the budget is a batch by itself. A batch also ends where padding would cost
    more than another batch: without that rule 48 sentences of mixed length under a budget of 4096 cost 2.0 padded
    tokens per token, with it 1.14.

    Args:
        lengths: tokens of each text, special tokens included.
        budget: padded tokens in one forward pass.

    Returns:
        Positions in ``lengths``, each exactly once; ``[]`` for no texts.
    """
    batches: list[list[int]] = []
    widest = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        held = len(batches[-1]) * widest if batches else 0
        fits = held > 0 and held + widest <= budget
        wasteful = lengths[position] < SHORTEST_SHARE * widest and held >= ENOUGH_SHARE * budget
        if fits and not wasteful:
            batches[-1].append(position)
        else:
            batches.append([position])
            widest = max(lengths[position], 1)
    return batches
