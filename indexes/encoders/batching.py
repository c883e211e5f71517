"""Length-sorted batches under a token budget: little padding, flat memory. Encoders and rerankers share them."""

from __future__ import annotations

from collections.abc import Sequence


def token_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts so that the padded size (texts x longest text) of every group stays within ``budget`` tokens.

    The order is by length, longest first and ties in their given order, so that a batch that is too large for the
    memory fails at once and not after an hour. A text that is alone longer than the budget is a batch of its own.

    Args:
        lengths: tokens of each text, special tokens included.
        budget: padded tokens in one forward pass.

    Returns:
        Positions into ``lengths``, every one exactly once; ``[]`` for no texts.
    """
    batches: list[list[int]] = []
    widest = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * widest <= budget:
            batches[-1].append(position)
        else:
            batches.append([position])
            widest = max(lengths[position], 1)
    return batches
