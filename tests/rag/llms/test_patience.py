"""A busy server is asked again for long runs; a reader is not kept waiting, and what has begun is not repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ChatResponseGen
from llama_index.core.llms import MockLLM

from rag.llms import guarded, patience, patient
from rag.llms.patience import TRIES, pause_of, persist_stream


class Busy(Exception):
    def __init__(self, status: int, retry_after: str = "") -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = httpx.Response(status, headers={"retry-after": retry_after} if retry_after else {})


class Server(MockLLM):
    """Raises what is listed, one a call, then answers."""

    faults: list[Any] = []

    def __init__(self, *faults: Exception) -> None:
        super().__init__()
        self.faults = list(faults)

    def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        if self.faults:
            raise self.faults.pop(0)
        return ChatResponse(message=ChatMessage(role="assistant", content="yes"), delta="yes")

    def stream_chat(self, messages: Any, **kwargs: Any) -> ChatResponseGen:
        def pieces() -> ChatResponseGen:  # as a client's stream: nothing is sent before the first is asked for
            yield self.chat(messages)

        return pieces()


ASKED = [ChatMessage(role="user", content="?")]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", made.append)
    return made


def test_a_long_run_waits_as_long_as_the_server_asks(pauses: list[float]) -> None:
    llm = patient(Server(Busy(429, "7"), Busy(503)))
    assert llm.chat(ASKED).message.content == "yes"
    assert pauses == [7.0, 1.0]
    stream = patient(Server(Busy(503))).stream_chat(ASKED)
    assert "".join(str(piece.delta) for piece in stream) == "yes"


def test_a_reader_is_told_at_once(pauses: list[float]) -> None:
    with pytest.raises(Busy):
        guarded(Server(Busy(429, "1"))).chat(ASKED)
    assert pauses == []


def test_other_faults_too_long_a_pause_and_too_many_tries_are_raised(pauses: list[float]) -> None:
    for fault in (Busy(400), Busy(429, "3600"), ConnectionError("down")):
        with pytest.raises(type(fault)):
            patient(Server(fault)).chat(ASKED)
    assert pauses == []
    with pytest.raises(Busy):
        patient(Server(*[Busy(503)] * TRIES)).chat(ASKED)
    assert len(pauses) == TRIES - 1


def test_a_fault_within_another_is_seen() -> None:
    try:
        try:
            raise Busy(429, "2")
        except Busy as error:
            raise RuntimeError("the client's own") from error
    except RuntimeError as error:
        assert pause_of(error, 0) == 2.0


def test_what_has_begun_to_speak_is_not_asked_again(pauses: list[float]) -> None:
    begun = []

    def begin() -> Iterator[str]:
        begun.append(1)
        yield "half an"
        raise Busy(503)

    stream = persist_stream(begin, TRIES)
    assert next(stream) == "half an"
    with pytest.raises(Busy):
        next(stream)
    assert len(begun) == 1 and pauses == []
    assert list(persist_stream(lambda: iter(()), TRIES)) == []
