"""Chat completions: the answer whole, or as a stream of events in the order that chat programs need."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag.answer.language import detect_language
from rag.retrieval.candidate import Passage
from rag.retrieval.filter_text import parse_filters
from rag.serve.errors import problem_of
from rag.serve.incoming import until_disconnected
from rag.serve.keys import Key
from rag.serve.openai.messages import ChatRequest, read_chat
from rag.serve.openai.sources import (
    citation_names,
    public_citation,
    source_of,
    sources_text,
    told_besides,
    url_citations,
)
from rag.serve.requests import Question
from rag.serve.service import Service

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
EVENT_STREAM = "text/event-stream; charset=utf-8"
SYSTEM_CHARS = 4000  # of a client's system message: the passages need the context
NO_MODEL = "no language model is configured, so the passages themselves are the answer"


async def answer_chat(request: Request, service: Service, key: Key, body: dict[str, Any]) -> Response:
    """``POST /v1/chat/completions``.

    Raises:
        Problem: refused before anything was sent.
    """
    chat = read_chat(body)
    service.check_ready()
    await service.find_collection(key, chat.collection)
    request.state.collection = chat.collection
    head = Head(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), chat.model)
    if chat.task:
        return await until_disconnected(request, _task(request, service, key, chat, head), service.metrics, "chat")
    question = await _question(service, chat)
    if chat.search_only:
        return await _passages(request, service, key, chat, question, head)
    settings = service.settings.serve
    events = service.ask(key, question, first=settings.first_word_seconds, whole=settings.answer_seconds)
    if chat.stream:
        # The first event is asked for here, so that a refusal is an HTTP status and not a broken stream.
        first = await anext(events)
        return StreamingResponse(
            _stream(request, service, chat, head, events, first), media_type=EVENT_STREAM, headers=STREAM_HEADERS
        )
    return await until_disconnected(request, _whole(request, service, chat, head, events), service.metrics, "chat")


class Head:
    """What all chunks of one completion have in common."""

    def __init__(self, identity: str, created: int, model: str) -> None:
        self.identity, self.created, self.model = identity, created, model

    def chunk(self, delta: dict[str, Any] | None, finish: str | None = None, **extra: Any) -> dict[str, Any]:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {**self._common("chat.completion.chunk"), "choices": choices, **extra}

    def whole(self, message: dict[str, Any], finish: str, usage: dict[str, int], **extra: Any) -> dict[str, Any]:
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return {**self._common("chat.completion"), "choices": [choice], "usage": usage, **extra}

    def _common(self, kind: str) -> dict[str, Any]:
        return {"id": self.identity, "object": kind, "created": self.created, "model": self.model}


async def _question(service: Service, chat: ChatRequest) -> Question:
    system, most = chat.system, min(SYSTEM_CHARS, service.settings.llm.context_window // 3)
    if len(system) > most:
        system = system[:most]
        chat.notes.append(f"the system message was cut to its first {most:,} characters")
    filters: Any = parse_filters(chat.filter_texts) if chat.filter_texts else None
    if chat.conditions.items:
        filters = await service.document_filter(chat.collection, chat.conditions.to_filter)
    return Question(
        chat.collection,
        chat.question,
        filters=filters,
        top_k=chat.top_k,
        window=chat.window,
        rerank=chat.rerank,
        hyde=chat.hyde,
        history=chat.history,
        instructions=system,
        model_options=chat.model_options,
        trace=chat.trace,
    )


# -- streamed ----------------------------------------------------------------------------------------------------


def _line(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'), default=str)}\n\n"


async def _stream(
    request: Request, service: Service, chat: ChatRequest, head: Head, events: AsyncIterator[Any], first: Any
) -> AsyncIterator[str]:
    passages: list[Passage] = []
    finished = False
    try:
        yield _line(head.chunk({"role": "assistant", "content": ""}))
        if first.kind == "status":
            yield f": {first.text}\n\n"
        async for event in events:
            if event.kind == "status":
                yield f": {event.text}\n\n"
            elif event.kind == "sources":
                passages = event.passages
                for passage in passages if chat.events else []:
                    source = source_of(passage, chat.collection)
                    yield _line(head.chunk({}, event={"type": "source", "data": source}))
            elif event.kind == "text" and event.text:
                yield _line(head.chunk({"content": event.text}))
            elif event.kind == "done":
                details = _details(request, chat, event.response)
                request.state.answer_status = details["status"]
                if service.settings.serve.sources_in_text:
                    tail = sources_text(passages, _cited(details), detect_language(chat.question))
                    if tail:
                        yield _line(head.chunk({"content": tail}))
                yield _line(head.chunk({}, _finish(event.response), ragwright=details))
                if chat.include_usage:
                    yield _line(head.chunk(None, usage=_usage(event.response)))
                finished = True
                yield "data: [DONE]\n\n"
    except Exception as error:  # noqa: BLE001 - the stream has begun: the fault is an event of it
        finished = True
        yield _line(problem_of(error).body("openai"))
    finally:
        await events.aclose()  # type: ignore[attr-defined]
        if not finished:
            service.metrics.cancelled.labels("chat").inc()


# -- whole -------------------------------------------------------------------------------------------------------


async def _whole(
    request: Request, service: Service, chat: ChatRequest, head: Head, events: AsyncIterator[Any]
) -> JSONResponse:
    passages: list[Passage] = []
    response: Any = None
    try:
        async for event in events:
            if event.kind == "sources":
                passages = event.passages
            elif event.kind == "done":
                response = event.response
    finally:
        await events.aclose()  # type: ignore[attr-defined]
    details = _details(request, chat, response)
    request.state.answer_status = details["status"]
    text = str(response.response or "")
    if service.settings.serve.sources_in_text:
        text += sources_text(passages, _cited(details), detect_language(chat.question))
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if links := url_citations(text, passages):
        message["annotations"] = links
    return JSONResponse(
        head.whole(
            message,
            _finish(response),
            _usage(response),
            citations=citation_names(passages, _cited(details)),
            sources=[source_of(passage, chat.collection) for passage in passages],
            ragwright=details,
        )
    )


def _details(request: Request, chat: ChatRequest, response: Any) -> dict[str, Any]:
    """The ``ragwright`` object: status, notes, citations, sentences, and the trace if asked for."""
    metadata = dict(getattr(response, "metadata", None) or {})
    notes = [str(note) for note in metadata.get("notes") or []] + chat.notes
    if chat.ignored:
        notes.append(f"these fields of the request do nothing here: {', '.join(chat.ignored)}")
    found: dict[str, Any] = {
        "status": metadata.get("status"),
        "notes": notes,
        "note_kinds": list(metadata.get("note_kinds") or []),
        "citations": [public_citation(citation) for citation in metadata.get("citations") or []],
        "sentences": list(metadata.get("sentences") or []),
        "request_id": getattr(request.state, "request_id", None),
        **told_besides(metadata),
    }
    if chat.trace:
        found["trace"] = public_trace(metadata.get("trace") or {})
    return found


def public_trace(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace whose sources are names."""
    from rag.serve.wire import display_name

    rows = [{**row, "source": display_name(str(row.get("source") or ""))} for row in trace.get("candidates") or []]
    return {**trace, "candidates": rows}


def _cited(details: dict[str, Any]) -> list[int]:
    return sorted({int(citation["number"]) for citation in details["citations"] if citation.get("number")})


def _finish(response: Any) -> str:
    llm = ((response.metadata or {}).get("trace") or {}).get("llm", {})
    return "length" if llm.get("finish_reason") == "length" else "stop"


def _usage(response: Any) -> dict[str, int]:
    llm = ((response.metadata or {}).get("trace") or {}).get("llm", {})
    prompt, completion = int(llm.get("prompt_tokens") or 0), int(llm.get("completion_tokens") or 0)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


# -- without an answer -------------------------------------------------------------------------------------------


async def _task(request: Request, service: Service, key: Key, chat: ChatRequest, head: Head) -> Response:
    """A chat program's own task goes straight to the model: no retrieval, no citations."""
    messages = [ChatMessage(role=MessageRole(role), content=text) for role, text in chat.messages]
    text = await service.task(key, messages, deadline=service.settings.serve.first_word_seconds)
    request.state.answer_status = "direct"
    return _plain(chat, head, text)


async def _passages(
    request: Request, service: Service, key: Key, chat: ChatRequest, question: Question, head: Head
) -> Response:
    """``COLLECTION:search``: the passages as the answer."""
    deadline = service.settings.serve.search_seconds
    found = await service.search(key, question, deadline=deadline, route="chat")
    text = "\n\n".join(f"[{passage.number}] {passage.text}" for passage in found.passages)
    request.state.answer_status = "passages"
    return _plain(chat, head, text or "-", found.passages, [NO_MODEL, *found.notes])


def _plain(
    chat: ChatRequest, head: Head, text: str, passages: list[Passage] | None = None, notes: list[str] | None = None
) -> Response:
    passages = passages or []
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    own = {"status": "passages" if passages else "direct", "notes": notes or [], "citations": []}
    if not chat.stream:
        sources = [source_of(passage, chat.collection) for passage in passages]
        body = head.whole({"role": "assistant", "content": text}, "stop", usage, sources=sources, ragwright=own)
        return JSONResponse(body)

    async def pieces() -> AsyncIterator[str]:
        yield _line(head.chunk({"role": "assistant", "content": ""}))
        for passage in passages if chat.events else []:
            event = {"type": "source", "data": source_of(passage, chat.collection)}
            yield _line(head.chunk({}, event=event))
        if text:
            yield _line(head.chunk({"content": text}))
        yield _line(head.chunk({}, "stop", ragwright=own))
        if chat.include_usage:
            yield _line(head.chunk(None, usage=usage))
        yield "data: [DONE]\n\n"

    return StreamingResponse(pieces(), media_type=EVENT_STREAM, headers=STREAM_HEADERS)
