"""Chat completions: whole, or as a stream of events in the order that chat programs need."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from indexes.display import Bilingual, text_in
from rag.answer.language import detect_language
from rag.llms import usage_of
from rag.retrieval.candidate import Passage
from rag.retrieval.filter_text import parse_filters
from rag.retrieval.several import parted
from rag.serve.asking.answers import Event, at_end
from rag.serve.errors import problem_of
from rag.serve.incoming import until_disconnected
from rag.serve.keys import AccessKey
from rag.serve.openai.messages import ChatRequest, read_chat
from rag.serve.openai.sources import (
    citation_names,
    further_fields,
    public_citations,
    source_of,
    sources_text,
    url_citations,
)
from rag.serve.requests import Question
from rag.serve.service import Service
from rag.serve.wire import display_name

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
EVENT_STREAM = "text/event-stream; charset=utf-8"
SYSTEM_CHARS = 4000  # maximum of a client's system message, since the passages need the context window
NO_USAGE = "the language model does not report its tokens, so unknown counts in usage are 0"
NO_MODEL = Bilingual(
    "no language model is configured, so the passages themselves are the answer", "没有配置语言模型，因此以段落本身作答"
)


async def answer_chat(request: Request, service: Service, key: AccessKey, body: dict[str, Any]) -> Response:
    """Answer ``POST /v1/chat/completions``.

    Raises:
        Problem: the request was refused before anything was sent.
    """
    chat = read_chat(body)
    service.check_ready()
    for name in chat.collections:
        await service.find_collection(key, name)
    request.state.collection = chat.collections[0] if len(chat.collections) == 1 else None
    head = Head(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), chat.model)
    if chat.task:
        return await until_disconnected(request, _task(request, service, key, chat, head), service.metrics, "chat")
    question = await _question(service, chat)
    if chat.search_only:
        return await _passages(request, service, key, chat, question, head)
    settings = service.settings.serve
    events = service.ask(key, question, first=settings.first_word_seconds, whole=settings.answer_seconds)
    if chat.stream:
        # The first event is read here, so that a refusal is an HTTP status and not a broken stream.
        first = await anext(events)
        return StreamingResponse(
            _stream(request, service, chat, head, events, first), media_type=EVENT_STREAM, headers=STREAM_HEADERS
        )
    return await until_disconnected(request, _whole(request, service, chat, head, events), service.metrics, "chat")


def usage(prompt: int | None, completion: int | None) -> dict[str, int]:
    """Return OpenAI's token counts; unknown ones are 0.

    >>> usage(120, None)
    {'prompt_tokens': 120, 'completion_tokens': 0, 'total_tokens': 120}
    """
    known = int(prompt or 0), int(completion or 0)
    return {"prompt_tokens": known[0], "completion_tokens": known[1], "total_tokens": sum(known)}


def _counter_of(llm: Any) -> Callable[[str], int] | None:
    """Return the model's token counter, or None if it has none."""
    count = getattr(getattr(llm, "inner", llm), "count_tokens", None)
    return count if callable(count) else None


class Head:
    """What all chunks of a completion have in common.

    >>> Head("chatcmpl-1", 0, "handbook").chunk({"content": "At 6."})["choices"]
    [{'index': 0, 'delta': {'content': 'At 6.'}, 'finish_reason': None}]
    """

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
        filters = await service.document_filter(chat.collections, chat.conditions.to_filter)
    return Question(
        chat.collections[0],
        chat.question,
        filters=filters,
        keep=chat.conditions.check,
        top_k=chat.top_k,
        window=chat.window,
        rerank=chat.rerank,
        hyde=chat.hyde,
        history=chat.history,
        instructions=system,
        model_options=chat.model_options,
        trace=chat.trace,
        user=chat.user,
        session=chat.session,
        collections=chat.collections if len(chat.collections) > 1 else (),
    )


# -- streamed ----------------------------------------------------------------------------------------------------


def _line(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'), default=str)}\n\n"


async def _stream(
    request: Request, service: Service, chat: ChatRequest, head: Head, events: AsyncGenerator[Event, None], first: Event
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
                    source = source_of(passage, chat.collections[0])
                    yield _line(head.chunk({}, event={"type": "source", "data": source}))
            elif event.kind == "text" and event.text:
                yield _line(head.chunk({"content": event.text}))
            elif event.kind == "done":
                details = _details(request, service, chat, event.response, passages)
                request.state.answer_status = details["status"]
                if service.settings.serve.sources_in_text:
                    tail = sources_text(passages, _cited(details), detect_language(chat.question))
                    if tail:
                        yield _line(head.chunk({"content": tail}))
                yield _line(head.chunk({}, _finish(event.response), ragwright=details))
                if chat.include_usage:
                    yield _line(head.chunk(None, usage=_usage_of_answer(service, event.response)[0]))
                finished = True
                yield "data: [DONE]\n\n"
    except Exception as error:  # noqa: BLE001 - the stream has begun, so the error is one of its events
        finished = True
        yield _line(problem_of(error).body("openai"))
    finally:
        await events.aclose()
        if not finished:
            service.metrics.cancelled.labels("chat").inc()


# -- whole -------------------------------------------------------------------------------------------------------


async def _whole(
    request: Request, service: Service, chat: ChatRequest, head: Head, events: AsyncGenerator[Event, None]
) -> JSONResponse:
    passages, response = await at_end(events)
    details = _details(request, service, chat, response, passages)
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
            _usage_of_answer(service, response)[0],
            citations=citation_names(passages, _cited(details)),
            sources=[source_of(passage, chat.collections[0]) for passage in passages],
            ragwright=details,
        )
    )


def _details(
    request: Request, service: Service, chat: ChatRequest, response: Any, passages: list[Passage]
) -> dict[str, Any]:
    """Return the ``ragwright`` object: status, notes, citations, sentences, and the trace if asked for."""
    metadata = dict(getattr(response, "metadata", None) or {})
    notes = [str(note) for note in metadata.get("notes") or []] + chat.notes
    if chat.ignored:
        notes.append(f"these fields of the request have no effect here: {', '.join(chat.ignored)}")
    if not _usage_of_answer(service, response)[1]:
        notes.append(NO_USAGE)
    found: dict[str, Any] = {
        "status": metadata.get("status"),
        "notes": notes,
        "note_kinds": list(metadata.get("note_kinds") or []),
        "citations": public_citations(metadata, passages, chat.collections[0]),
        "sentences": list(metadata.get("sentences") or []),
        "request_id": getattr(request.state, "request_id", None),
        **further_fields(metadata, passages, chat.collections[0]),
    }
    if chat.trace:
        found["trace"] = public_trace(metadata.get("trace") or {})
    return found


def public_trace(trace: dict[str, Any]) -> dict[str, Any]:
    """Replace the sources of a trace by names; a candidate of several collections names its own.

    >>> public_trace({"candidates": [{"id": "1", "source": "/home/anna/harbour.md"}]})
    {'candidates': [{'id': '1', 'source': 'harbour.md'}]}
    """
    rows = []
    for row in trace.get("candidates") or []:
        collection, identity = parted(str(row.get("id") or ""))
        own = {"collection": collection} if collection else {}
        rows.append({**row, "id": identity, "source": display_name(str(row.get("source") or "")), **own})
    return {**trace, "candidates": rows}


def _cited(details: dict[str, Any]) -> list[int]:
    return sorted({int(citation["number"]) for citation in details["citations"] if citation.get("number")})


def _finish(response: Any) -> str:
    llm = ((response.metadata or {}).get("trace") or {}).get("llm", {})
    return "length" if llm.get("finish_reason") == "length" else "stop"


def _usage_of_answer(service: Service, response: Any) -> tuple[dict[str, int], bool]:
    """Return the tokens of an answer, and whether they are known: as reported, else counted by the model's tokenizer.

    An answer without a model took none.
    """
    metadata = response.metadata or {}
    llm = (metadata.get("trace") or {}).get("llm", {})
    prompt, completion = llm.get("prompt_tokens"), llm.get("completion_tokens")
    if service.library.llm is None or metadata.get("status") in ("extractive", "not_found"):
        return usage(prompt, completion), True
    if completion is None and (count := _counter_of(service.library.llm)) is not None:
        completion = count(str(response.response or ""))
    return usage(prompt, completion), prompt is not None and completion is not None


# -- without an answer -------------------------------------------------------------------------------------------


async def _task(request: Request, service: Service, key: AccessKey, chat: ChatRequest, head: Head) -> Response:
    """Send a chat program's own task to the model, without retrieval and citations."""
    messages = [ChatMessage(role=MessageRole(role), content=text) for role, text in chat.messages]
    reply = await service.task(key, messages, deadline=service.settings.serve.first_word_seconds)
    request.state.answer_status = "direct"
    if reply is None:
        return _plain(chat, head, "")
    text, llm, count = str(reply.message.content or ""), usage_of(reply), _counter_of(service.library.llm)
    prompt, completion = llm.get("prompt_tokens"), llm.get("completion_tokens")
    if count is not None:
        prompt = sum(count(str(message.content or "")) for message in messages) if prompt is None else prompt
        completion = count(text) if completion is None else completion
    notes = [] if prompt is not None and completion is not None else [NO_USAGE]
    return _plain(chat, head, text, notes=notes, tokens=usage(prompt, completion))


async def _passages(
    request: Request, service: Service, key: AccessKey, chat: ChatRequest, question: Question, head: Head
) -> Response:
    """Answer the model ``COLLECTION:search`` with the passages themselves."""
    deadline = service.settings.serve.search_seconds
    found = await service.search(key, question, deadline=deadline, route="chat")
    text = "\n\n".join(f"[{passage.number}] {passage.text}" for passage in found.passages)
    request.state.answer_status = "passages"
    return _plain(
        chat, head, text or "-", found.passages, [text_in(NO_MODEL, found.result.trace.language), *found.notes]
    )


def _plain(
    chat: ChatRequest,
    head: Head,
    text: str,
    passages: list[Passage] | None = None,
    notes: list[str] | None = None,
    tokens: dict[str, int] | None = None,
) -> Response:
    passages, tokens = passages or [], tokens or usage(0, 0)
    own = {"status": "passages" if passages else "direct", "notes": notes or [], "citations": []}
    if not chat.stream:
        sources = [source_of(passage, chat.collections[0]) for passage in passages]
        body = head.whole({"role": "assistant", "content": text}, "stop", tokens, sources=sources, ragwright=own)
        return JSONResponse(body)

    async def pieces() -> AsyncIterator[str]:
        yield _line(head.chunk({"role": "assistant", "content": ""}))
        for passage in passages if chat.events else []:
            event = {"type": "source", "data": source_of(passage, chat.collections[0])}
            yield _line(head.chunk({}, event=event))
        if text:
            yield _line(head.chunk({"content": text}))
        yield _line(head.chunk({}, "stop", ragwright=own))
        if chat.include_usage:
            yield _line(head.chunk(None, usage=tokens))
        yield "data: [DONE]\n\n"

    return StreamingResponse(pieces(), media_type=EVENT_STREAM, headers=STREAM_HEADERS)
