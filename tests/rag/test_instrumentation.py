"""What LlamaIndex's instrumentation sees of our engine, chat and retriever, in every form; and that async is async."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from pydantic import Field, PrivateAttr

from indexes import Index
from rag import Settings, build_chat_engine, build_query_engine, build_retriever
from rag.rerankers import Reranker, RerankScores

LENS = "When was the lens of the lamp cut?"
ANSWER = "The lens was cut in 1887 by the Barbier workshop [1]."
ONCE = ("Query", "Retrieval", "Embedding", "ReRank", "Synthesize", "LLMChat")


class AsFound(Reranker):
    """Leaves the order as it is."""

    @property
    def name(self) -> str:
        return "as found"

    @property
    def fingerprint(self) -> str:
        return "f" * 16

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        raw = -np.arange(len(texts), dtype=np.float32)
        return RerankScores(raw, 1 / (1 + np.exp(-raw)))


class Counting(BaseEventHandler):
    counts: Counter[str] = Field(default_factory=Counter)
    spans: set[str] = Field(default_factory=set)

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.counts[event.class_name()] += 1
        self.spans.add(str(event.span_id))


class Spans(BaseSpanHandler[SimpleSpan]):
    parents: dict[str, str | None] = Field(default_factory=dict)
    ended: set[str] = Field(default_factory=set)

    def new_span(self, id_: str, *args: Any, parent_span_id: str | None = None, **kwargs: Any) -> None:
        self.parents[id_] = parent_span_id

    def prepare_to_exit_span(self, id_: str, *args: Any, **kwargs: Any) -> None:
        self.ended.add(id_)

    def prepare_to_drop_span(self, id_: str, *args: Any, **kwargs: Any) -> None:
        self.ended.add(id_)

    def names(self) -> set[str]:
        return {id_.partition("-")[0] for id_ in self.parents}


@pytest.fixture
def heard() -> Iterator[tuple[Counting, Spans]]:
    root, events, spans = get_dispatcher(), Counting(), Spans()
    root.add_event_handler(events)
    root.add_span_handler(spans)
    yield events, spans
    root.event_handlers.remove(events)
    root.span_handlers.remove(spans)


async def _drained(pieces: Any) -> str:
    return "".join([piece async for piece in pieces])


def ask(form: str, engine: Any) -> str:
    chat = build_chat_engine(engine.retriever.index, **CHAT) if form.startswith("chat") else None
    if chat is not None:
        chat.engine = engine

    async def streamed() -> str:
        if chat is not None:
            return await _drained((await chat.astream_chat(LENS)).async_response_gen())
        return await _drained((await engine.astream(LENS)).atokens())

    async def asked_stream() -> str:
        engine.streaming = True
        return await _drained((await engine.aquery(LENS)).response_gen)

    def query_stream() -> str:
        engine.streaming = True
        return "".join(engine.query(LENS).response_gen)

    forms: dict[str, Any] = {
        "query": lambda: str(engine.query(LENS)),
        "aquery": lambda: str(asyncio.run(engine.aquery(LENS))),
        "answer": lambda: str(engine.answer(LENS)),
        "aanswer": lambda: str(asyncio.run(engine.aanswer(LENS))),
        "stream": lambda: "".join(engine.stream(LENS).tokens()),
        "astream": lambda: asyncio.run(streamed()),
        "streaming query": query_stream,
        "streaming aquery": lambda: asyncio.run(asked_stream()),
        "chat": lambda: str(chat and chat.chat(LENS)),
        "chat async": lambda: str(chat and asyncio.run(chat.achat(LENS))),
        "chat stream": lambda: "".join(chat.stream_chat(LENS).response_gen if chat else []),
        "chat astream": lambda: asyncio.run(streamed()),
    }
    return str(forms[form]())


CHAT: dict[str, Any] = {}
FORMS = ("query", "aquery", "answer", "aanswer", "stream", "astream", "streaming query", "streaming aquery")


@pytest.mark.parametrize("form", [*FORMS, "chat", "chat async", "chat stream", "chat astream"])
def test_every_form_reports_each_stage_once(
    form: str, index: Index, settings: Settings, scripted: Any, heard: tuple[Counting, Spans]
) -> None:
    events, spans = heard
    CHAT["settings"] = settings
    engine = build_query_engine(index, settings=settings, llm=scripted(ANSWER), rerank=AsFound())
    assert "1887" in ask(form, engine)
    for name in ONCE:
        starts, ends = f"{name}StartEvent", f"{name}EndEvent"
        assert (events.counts[starts], events.counts[ends]) == (1, 1), (name, events.counts)
    assert "HybridRetriever.search_by" in spans.names()
    assert set(spans.parents) == spans.ended
    assert events.spans <= set(spans.parents) | {"None"}
    roots = [id_ for id_, parent in spans.parents.items() if parent is None]
    assert len(roots) == 1


def test_where_nobody_listens_no_node_is_built(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("rag.retrieval.candidate.Candidate.to_node")
    assert build_retriever(index, settings=settings, rerank=False).search(LENS).candidates


def test_a_retriever_reports_itself(index: Index, settings: Settings, heard: tuple[Counting, Spans]) -> None:
    events, _ = heard
    retriever = build_retriever(index, settings=settings, rerank=AsFound())
    retriever.retrieve(LENS)
    asyncio.run(retriever.aretrieve(LENS))
    retriever.search(LENS)
    for name in ("Retrieval", "Embedding", "ReRank"):
        assert events.counts[f"{name}StartEvent"] == events.counts[f"{name}EndEvent"] == 3


def test_a_failing_stream_ends_its_span(
    index: Index, settings: Settings, scripted: Any, heard: tuple[Counting, Spans]
) -> None:
    events, spans = heard
    engine = build_query_engine(index, settings=settings, llm=scripted("It was <BREAK>"), rerank=False)
    stream = engine.stream(LENS)
    assert "1887" in "".join(stream.tokens())
    left = engine.stream(LENS).tokens()
    next(left)
    left.close()  # type: ignore[attr-defined]
    assert set(spans.parents) == spans.ended
    assert events.counts["QueryStartEvent"] == 2 and events.counts["QueryEndEvent"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_the_callback_manager_is_honoured(form: str, index: Index, settings: Settings, scripted: Any) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    engine = build_query_engine(
        index,
        settings=settings,
        llm=scripted(ANSWER),
        rerank=AsFound(),
        callback_manager=CallbackManager([debug]),
    )
    assert "1887" in ask(form, engine)
    for kind in ("QUERY", "RETRIEVE", "EMBEDDING", "RERANKING", "SYNTHESIZE"):
        assert len(debug.get_event_pairs(CBEventType[kind])) == 1, kind


class Meeting(LLM):
    """Answers when as many questions wait for it as were told: each waits on the event loop, or all would hang."""

    wanted: int
    _waiting: int = PrivateAttr(default=0)
    _all: Any = PrivateAttr(default=None)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=4096, num_output=256, model_name="meeting")

    async def achat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        await self._met()
        return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER))

    async def _met(self) -> None:
        self._all = self._all or asyncio.Event()
        self._waiting += 1
        if self._waiting == self.wanted:
            self._all.set()
        await asyncio.wait_for(self._all.wait(), 60)

    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        await self._met()

        async def pieces() -> Any:
            yield ChatResponse(message=ChatMessage(role="assistant", content=ANSWER), delta=ANSWER)

        return pieces()

    def _never(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a blocking call")

    chat = stream_chat = complete = stream_complete = _never

    async def acomplete(self, *args: Any, **kwargs: Any) -> Any:
        return self._never()

    async def astream_complete(self, *args: Any, **kwargs: Any) -> Any:
        return self._never()


def test_requests_to_the_model_are_awaited_and_hold_no_thread(index: Index, settings: Settings) -> None:
    many = 6
    engine = build_query_engine(index, settings=settings, llm=Meeting(wanted=many), rerank=False)

    async def together() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        half = many // 2
        streams = [await engine.astream(LENS) for _ in range(half)]
        asked = [engine.aquery(LENS) for _ in range(half)]
        return await asyncio.gather(*asked, *(_drained(stream.atokens()) for stream in streams))

    assert all("1887" in str(answer) for answer in asyncio.run(together()))


def test_hyde_is_awaited_too(index: Index, settings: Settings) -> None:
    many = 6
    retriever = build_retriever(index, settings=settings, llm=Meeting(wanted=many), hyde="on", rerank=False)

    async def together() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        return await asyncio.gather(*[retriever.asearch(f"{LENS} {number}") for number in range(many)])

    assert all(result.trace.hypothetical == [ANSWER] for result in asyncio.run(together()))


def test_an_llm_without_async_client_is_asked_in_a_thread(index: Index, settings: Settings, scripted: Any) -> None:
    asked_in: list[threading.Thread] = []

    class Blocks(type(scripted())):  # type: ignore[misc]
        def stream_complete(self, *args: Any, **kwargs: Any) -> Any:
            asked_in.append(threading.current_thread())
            return super().stream_complete(*args, **kwargs)

    engine = build_query_engine(index, settings=settings, llm=Blocks(replies=[ANSWER]), rerank=False)
    assert "1887" in str(asyncio.run(engine.aquery(LENS)))
    assert asked_in and threading.main_thread() not in asked_in


def test_a_foreign_reranker_is_reported_by_itself_alone(
    index: Index, settings: Settings, heard: tuple[Counting, Spans]
) -> None:
    class Same(BaseNodePostprocessor):
        def _postprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
            return nodes

    events, spans = heard
    build_retriever(index, settings=settings, rerank=Same()).retrieve(LENS)
    assert events.counts["ReRankStartEvent"] == 0
    assert "Same._postprocess_nodes" in spans.names()
