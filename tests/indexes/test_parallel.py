"""Work side by side: bounded, in order, and stopped by the first failure."""

from __future__ import annotations

import threading
import time

import pytest

from indexes.parallel import in_order, parallel_of


class Counted:
    """Work that says how much of it goes on at once; the first item takes longest."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.begun: list[int] = []
        self.lock = threading.Lock()

    def __call__(self, item: int) -> int:
        with self.lock:
            self.begun.append(item)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05 if item == 0 else 0.005)
        with self.lock:
            self.now -= 1
        if item == 7:
            raise ValueError("seven")
        return item * item


def test_results_come_in_the_order_of_the_items_and_no_more_than_asked_are_at_work() -> None:
    work = Counted()
    items = [item for item in range(30) if item != 7]
    assert list(in_order(work, items, 4)) == [item * item for item in items]
    assert work.most == 4
    one = Counted()
    assert list(in_order(one, items[:5], 1)) == [item * item for item in items[:5]] and one.most == 1


def test_a_failure_is_raised_at_its_place_and_what_has_not_begun_does_not_begin() -> None:
    work, found = Counted(), []
    with pytest.raises(ValueError, match="seven"):
        for result in in_order(work, range(1000), 4):
            found.append(result)
    assert found == [item * item for item in range(7)]
    assert len(work.begun) <= 7 + 2 * 4 + 1
    before = list(work.begun)
    time.sleep(0.05)
    assert work.begun == before


def test_who_stops_reading_stops_the_work() -> None:
    work = Counted()
    for result in in_order(work, iter(range(1000)), 4):
        assert result == 0
        break
    time.sleep(0.05)
    assert len(work.begun) <= 9


def test_with_one_everything_is_done_in_this_thread_when_it_is_asked_for() -> None:
    seen: list[int] = []

    def work(item: int) -> str:
        seen.append(item)
        return threading.current_thread().name

    results = in_order(work, [1, 2], 1)
    assert next(results) == threading.current_thread().name and seen == [1]


def test_how_many_requests_a_server_gets() -> None:
    assert parallel_of(None, "ollama", 16, {"OLLAMA_NUM_PARALLEL": "4"}) == 4
    assert parallel_of(None, "ollama", 16, {"OLLAMA_NUM_PARALLEL": "many"}) == 1
    assert parallel_of(3, "ollama", 16, {"OLLAMA_NUM_PARALLEL": "4"}) == 3
    assert parallel_of(None, "openai", 16, {}) == 16 and parallel_of(2, "openai", 16, {}) == 2
    assert parallel_of(9, "minilm", 16, {}) == 1
