"""A client that leaves stops its model at once: while it reads the prompt, and while it writes without a full stop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from llama_index.core.llms import MockLLM

from eval.bench.serving.served import LATE, LONG, STOPPED, Sleeper
from rag.serve.errors import Problem
from rag.serve.keys import OWNER
from rag.serve.library import Library
from rag.serve.requests import Question
from rag.serve.service import Service
from rag.serve.telemetry.metrics import Metrics
from tests.rag.serve.conftest import Kept


def service_with(library: Library, llm: Any) -> Service:
    kept = Kept(library, library.settings)
    kept.llm = llm
    service = Service(kept, Metrics())
    service.state = "ready"
    return service


async def leave(service: Service, words: str) -> None:
    """Ask, wait until the model is at work, and leave."""
    events = service.ask(OWNER, Question("garden", f"Say {words} about the gate."), first=60, whole=60)
    async for event in events:
        if event.kind == "sources":
            break
    await asyncio.sleep(0.2)
    await events.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [LATE, LONG])
def test_the_model_stops_within_a_second(library: Library, words: str) -> None:
    service = service_with(library, Sleeper(seconds=0.0))
    STOPPED.clear()

    async def main() -> float:
        await leave(service, words)
        left = time.monotonic()
        while not STOPPED and time.monotonic() - left < 5:
            await asyncio.sleep(0.01)
        return time.monotonic() - left

    assert asyncio.run(main()) < 1
    assert STOPPED and service.model_pool.running == 0


def test_a_model_that_blocks_its_thread_stops_at_its_next_word(library: Library) -> None:
    closed: list[float] = []

    class Blocking(MockLLM):
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            def words() -> Any:
                try:
                    for piece in super(Blocking, self).stream_chat(messages):
                        time.sleep(0.05)
                        yield piece
                finally:
                    closed.append(time.monotonic())

            return words()

    service = service_with(library, Blocking(max_tokens=400))

    async def main() -> float:
        await leave(service, "much")
        left = time.monotonic()
        while not closed and time.monotonic() - left < 5:
            await asyncio.sleep(0.01)
        return time.monotonic() - left

    assert asyncio.run(main()) < 1


def test_who_cannot_be_answered_in_time_is_refused_at_once_and_the_next_is_answered(library: Library) -> None:
    """Expected wait beyond the deadline: 429 with Retry-After, not 504 after it."""
    service = service_with(library, Sleeper(seconds=0.2))
    service.model_pool.guess(40)

    async def one(number: int) -> str:
        try:
            events = service.ask(OWNER, Question("garden", f"Who keeps gate {number}?"), first=120, whole=120)
            kinds = [event.kind async for event in events]
            return kinds[-1]
        except Problem as problem:
            assert problem.retry_after
            return problem.code

    async def main() -> list[str]:
        return await asyncio.gather(*(one(number) for number in range(9)))

    found = asyncio.run(main())
    assert set(found) == {"done", "busy"} and found.count("done") >= 1, found


def test_a_stream_that_waits_says_so_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from rag.serve.asking import answers as module

    monkeypatch.setattr(module, "KEEP_ALIVE", 0.1)
    service = service_with(library, Sleeper(seconds=0.5))

    async def main() -> list[str]:
        events = service.ask(OWNER, Question("garden", "When does the gate close?"), first=60, whole=60)
        return [f"{event.kind} {event.text}" async for event in events]

    assert asyncio.run(main()).count("status answering") >= 2


@pytest.mark.parametrize("blocks", [False, True])
def test_a_model_that_is_too_slow_leaves_the_answer_to_the_documents(library: Library, blocks: bool) -> None:
    """What was found is not lost: the model is stopped at the first word's deadline, and a note says so."""

    class Slow(MockLLM):
        def stream_chat(self, messages: Any, **options: Any) -> Any:
            def words() -> Any:
                time.sleep(1.5)
                yield from super(Slow, self).stream_chat(messages)

            return words()

    service = service_with(library, Slow() if blocks else Sleeper(seconds=30.0))

    async def main() -> list[Any]:
        events = service.ask(OWNER, Question("garden", "When does the gate close?"), first=0.8, whole=60)
        return [event async for event in events]

    started = time.monotonic()
    found = asyncio.run(main())
    assert time.monotonic() - started < 8
    metadata = found[-1].response.metadata
    assert found[-1].kind == "done" and metadata["status"] == "extractive"
    assert "closes at dusk" in "".join(event.text for event in found if event.kind == "text")
    assert "wrote no sentence" in metadata["notes"][-1] and "llm_failed" in metadata["note_kinds"]
