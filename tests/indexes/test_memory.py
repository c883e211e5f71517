"""What the process holds."""

from __future__ import annotations

import gc

from indexes.memory import give_back, steady


def test_the_collector_leaves_out_what_was_there_and_takes_it_up_again() -> None:
    assert gc.get_freeze_count() == 0
    with steady():
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0


def test_what_the_user_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        there = gc.get_freeze_count()
        with steady():
            assert gc.get_freeze_count() <= there
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


def test_giving_back_can_be_asked_for_at_any_time() -> None:
    held = [bytes(100_000) for _ in range(100)]
    del held[::2]
    give_back()
    assert all(len(item) == 100_000 for item in held)
