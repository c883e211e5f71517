from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexes.encoders.batching import batch_done, token_batches, watching_batches


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000))
def test_every_text_once_and_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = token_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert batch
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(order, reverse=True)


def test_each_batch_is_reported_while_somebody_watches() -> None:
    counts: list[int] = []
    with watching_batches(counts.append):
        batch_done(3)
        batch_done(5)
    batch_done(7)
    assert counts == [3, 5]


def test_ties_keep_their_order_and_nothing_is_no_batch() -> None:
    assert token_batches([5, 7, 5, 7], 14) == [[1, 3], [0, 2]]
    assert token_batches([6, 7, 6, 7], 21) == [[1, 3, 0], [2]]
    assert token_batches([], 100) == []
    assert token_batches([900], 64) == [[0]]


def test_padding_is_bounded_for_a_few_texts_of_mixed_length() -> None:
    lengths = [8 + (i * 37) % 90 for i in range(48)]
    batches = token_batches(lengths, 4096)
    padded = sum(len(batch) * lengths[batch[0]] for batch in batches)
    assert padded / sum(lengths) < 1.25
    assert len(token_batches([10] * 500, 4096)) == 2  # equal lengths still fill the budget
