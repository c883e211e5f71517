"""Queues take turns, refuse what has no room, and forget who left; batches hold several questions."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from indexes.encoders.base import Encoded, Fingerprint
from rag.rerankers.base import Reranker, RerankScores
from rag.serve.errors import Problem
from rag.serve.pools.batched_reranker import BatchedReranker
from rag.serve.pools.batcher import BatchedEncoder
from rag.serve.pools.batches import batches
from rag.serve.pools.fair import FairPool
from rag.serve.pools.shared import SharedResults


class ManyScorer(Reranker):
    """Counts the calls; a text's length is its score, and "bad" breaks whatever call it is in."""

    @property
    def name(self) -> str:
        return "many"

    @property
    def fingerprint(self) -> str:
        return "f"

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        return self.score_many([(query, texts)])[0]

    def score_many(self, questions: Sequence[tuple[str, Sequence[str]]]) -> list[RerankScores]:
        time.sleep(0.05)
        if any(query == "bad" for query, _ in questions):
            raise ValueError("bad")
        raws = [np.array([len(text) for text in texts], np.float32) for _, texts in questions]
        return [RerankScores(raw, raw / 100) for raw in raws]


def test_several_requests_are_reranked_in_one_call() -> None:
    reranker = BatchedReranker(ManyScorer())
    found: dict[str, Any] = {}

    def ask(query: str) -> None:
        try:
            found[query] = list(reranker.score(query, [query, query * 2]).raw)
        except ValueError as error:
            found[query] = str(error)

    first = threading.Thread(target=ask, args=("a",))
    first.start()
    time.sleep(0.02)
    others = [threading.Thread(target=ask, args=(query,)) for query in ("bb", "ccc", "bad", "dddd")]
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join()
    reranker.close()
    assert found == {"a": [1, 2], "bb": [2, 4], "ccc": [3, 6], "dddd": [4, 8], "bad": "bad"}
    assert reranker.calls <= 6  # one alone, four together, and those four again, since one of them is bad


def test_callers_take_turns() -> None:
    order: list[str] = []

    async def main() -> None:
        pool = FairPool("search", 1, 50)
        first = asyncio.ensure_future(pool.run("a", lambda: time.sleep(0.1)))
        await asyncio.sleep(0.01)
        work = [pool.run("batch", lambda i=i: order.append(f"batch{i}")) for i in range(4)]  # type: ignore[misc]
        work.append(pool.run("user", lambda: order.append("user")))
        await asyncio.gather(first, *work)
        pool.close()

    asyncio.run(main())
    assert order.index("user") == 1 and len(order) == 5


def test_a_full_queue_and_a_hopeless_wait_are_refused_at_once() -> None:
    async def main() -> tuple[Problem, Problem]:
        pool = FairPool("llm", 1, 1)
        await pool.run("a", lambda: time.sleep(0.1))  # a measurement
        running = asyncio.ensure_future(pool.run("a", lambda: time.sleep(0.3)))
        await asyncio.sleep(0.01)
        waiting = asyncio.ensure_future(pool.run("a", lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as full:
            pool.check_room()
        waiting.cancel()
        with pytest.raises(Problem) as hopeless:
            pool.check_room(deadline=0.001)
        await running
        pool.close()
        return full.value, hopeless.value

    for problem in asyncio.run(main()):
        assert problem.code == "busy" and 1 <= int(problem.headers("api")["Retry-After"]) <= 30


def test_who_left_is_not_computed_and_who_waited_too_long_is_told() -> None:
    ran: list[str] = []

    async def main() -> None:
        pool = FairPool("search", 1, 9, guess=0.01)
        running = asyncio.ensure_future(pool.run("a", lambda: time.sleep(0.2)))
        await asyncio.sleep(0.01)
        left = asyncio.ensure_future(pool.run("b", lambda: ran.append("left")))
        late = asyncio.ensure_future(pool.run("c", lambda: ran.append("late"), deadline=0.05))
        await asyncio.sleep(0.01)
        left.cancel()
        await running
        with pytest.raises(Problem) as caught:
            await late
        assert caught.value.code == "deadline"
        pool.close()

    asyncio.run(main())
    assert ran == []


def test_what_would_start_in_time_but_not_end_in_time_is_refused_too() -> None:
    async def main() -> Problem:
        pool = FairPool("llm", 1, 9, guess=20.0)  # nothing was measured yet
        running = asyncio.ensure_future(pool.run("a", lambda: time.sleep(0.05), deadline=30))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            pool.check_room(deadline=30)  # would begin after 20 s
        pool.check_room(deadline=45)
        await running
        pool.close()
        return caught.value

    assert asyncio.run(main()).code == "busy"


def test_pieces_that_share_a_processor_are_judged_by_how_many_there_are() -> None:
    """Eight at once that last 0.4 s each take 0.05 s of it: one more is in time for 1 s, twenty more are not."""

    async def main() -> float:
        pool = FairPool("search", 64, 64, guess=5.0)
        await asyncio.gather(*(pool.run("a", lambda: time.sleep(0.4)) for _ in range(8)))
        pool.check_room(deadline=1.0)
        running = [asyncio.ensure_future(pool.run("a", lambda: time.sleep(0.3))) for _ in range(30)]
        await asyncio.sleep(0)
        with pytest.raises(Problem):
            pool.check_room(deadline=1.0)
        wait = pool.expected_wait()
        await asyncio.gather(*running)
        pool.close()
        return wait

    assert asyncio.run(main()) == 0.0  # there is room to begin; but not to end in time


def test_a_coroutine_ends_with_its_caller_and_makes_room_for_the_next() -> None:
    seen: list[str] = []

    async def write() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            seen.append("closed")

    async def main() -> str:
        pool = FairPool("llm", 1, 9, guess=0.01)
        left = asyncio.ensure_future(pool.run_async("a", write))
        await asyncio.sleep(0.02)
        left.cancel()

        async def next_one() -> str:
            seen.append("next")
            return "done"

        found = await asyncio.wait_for(pool.run_async("b", next_one), 2)
        pool.close()
        return found

    assert asyncio.run(main()) == "done" and seen == ["closed", "next"]


def test_shared_results_survive_one_caller_and_faults_are_not_kept() -> None:
    calls: list[int] = []

    async def main() -> None:
        shared = SharedResults(seconds=5)

        async def compute() -> int:
            calls.append(1)
            await asyncio.sleep(0.05)
            return 7

        first = asyncio.ensure_future(shared.get("x", compute))
        second = asyncio.ensure_future(shared.get("x", compute))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == 7 and await shared.get("x", compute) == 7 and len(calls) == 1
        shared.forget()
        assert await shared.get("x", compute) == 7 and len(calls) == 2

        async def fail() -> int:
            calls.append(1)
            raise ValueError("no")

        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                await shared.get("y", fail)

    asyncio.run(main())
    assert len(calls) == 4


class Slow:
    """A named fake encoder: counts its passes, and refuses one text."""

    dim, max_tokens, lexical = 2, 100, None
    fingerprint = Fingerprint("fake", "", 2, "mean")

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        self.batches.append(len(texts))
        if "bad" in texts:
            raise ValueError("bad")
        return Encoded(np.array([[len(text), 1.0] for text in texts], np.float32))

    encode_documents = encode_queries


def test_questions_of_several_threads_go_together_and_one_bad_text_fails_alone() -> None:
    inner = Slow()
    batched = BatchedEncoder(inner, wait=0.2)  # type: ignore[arg-type]
    results: dict[str, Any] = {}

    def ask(text: str) -> None:
        try:
            results[text] = batched.encode_queries([text]).dense[0][0]
        except ValueError as error:
            results[text] = str(error)

    threads = [threading.Thread(target=ask, args=(text,)) for text in ("a", "bb", "ccc", "bad")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inner.batches[0] == 4
    assert results == {"a": 1, "bb": 2, "ccc": 3, "bad": "bad"}
    passes = batched.passes
    assert batched.encode_queries(["bb"]).dense[0][0] == 2 and batched.passes == passes  # remembered
    batched.close()


class Timed(Slow):
    """Takes 10 ms a text; its vectors tell the text's length."""

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        time.sleep(0.01 * len(texts))
        rows = np.array([[len(text), 1] for text in texts], np.float32).reshape(len(texts), 2)
        return Encoded(rows, None, tuple(place for place, text in enumerate(texts) if len(text) > 90))


def test_a_question_does_not_wait_for_a_whole_ingest() -> None:
    encoder = BatchedEncoder(Timed())
    texts = ["x" * (number % 97) for number in range(300)]  # three seconds
    found: list[Encoded] = []
    ingest = threading.Thread(target=lambda: found.append(encoder.writing().encode_documents(texts)))
    ingest.start()
    time.sleep(0.1)
    waits = []
    for number in range(4):
        started = time.monotonic()
        encoder.encode_queries([f"question {number}"])
        waits.append(time.monotonic() - started)
    assert ingest.is_alive() and max(waits) < 1.5, waits
    ingest.join()
    encoder.close()
    assert found[0].dense[:, 0].tolist() == [len(text) for text in texts]
    assert found[0].truncated == tuple(place for place, text in enumerate(texts) if len(text) > 90)


def test_the_encoder_of_a_job_is_of_the_same_kind() -> None:
    """What an ingest stores must not depend on who runs it: a paired encoder counts words apart from the headings."""
    from indexes.encoders.bm25 import Bm25
    from indexes.encoders.paired import PairedEncoder

    class Dense:
        model, dim, max_tokens, weights, pooling = "d", 2, 9, "w", "cls"
        prompts: dict[str, str] = {}

        def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
            return Encoded(np.ones((len(texts), 2), np.float32))

    paired = PairedEncoder(Dense(), Bm25())
    writing = BatchedEncoder(paired).writing()
    assert isinstance(writing, PairedEncoder) and writing.fingerprint == paired.fingerprint
    assert isinstance(writing.encode_documents([]).dense, np.ndarray)
    served = writing.encode_documents(["a b", "c"], ["b", "c"])
    alone = paired.encode_documents(["a b", "c"], ["b", "c"])
    assert served.sparse is not None and alone.sparse is not None
    assert [list(row.indices) for row in served.sparse] == [list(row.indices) for row in alone.sparse]


def test_a_batch_is_what_waits_up_to_its_size_and_none_ends_it_after_its_items() -> None:
    waiting: queue.Queue[int | None] = queue.Queue()
    for item in (1, 2, 3, 4, 5, None, 6):
        waiting.put(item)
    assert list(batches(waiting, 3)) == [[1, 2, 3], [4, 5]]
    assert waiting.get_nowait() == 6
