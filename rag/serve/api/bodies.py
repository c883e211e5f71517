"""Bodies of ``/api/v1``: a question read from JSON, an answer whole or as events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from rag.retrieval.filter_text import parse_filters
from rag.retrieval.hits import as_hit
from rag.serve.api import documents as docs
from rag.serve.asking.answers import Event, at_end
from rag.serve.asking.searches import FoundPassages
from rag.serve.errors import Problem, problem_of
from rag.serve.openai.chat import public_trace
from rag.serve.openai.sources import further_fields, public_citations, source_of
from rag.serve.requests import Question, choice, flag, text_of, whole
from rag.serve.service import Service
from rag.serve.wire import display_name, document_id, public_metadata

MANY = 64  # questions in one request


def read_question(body: dict[str, Any], service: Service) -> Question:
    """Read a question from a JSON body.

    >>> from types import SimpleNamespace
    >>> from rag.settings import Settings
    >>> question = read_question({"question": " When? ", "top_k": 3}, SimpleNamespace(settings=Settings()))
    >>> question.collection, question.text, question.top_k
    ('default', 'When?', 3)

    Raises:
        Problem: a field is missing or has a wrong value.
    """
    collection = body.get("collection") or service.settings.collection
    if not isinstance(collection, str):
        raise Problem("bad_request", f"collection is {collection!r}, not a name", "GET /api/v1/collections lists them")
    text = question_text(body.get("question"))
    filters = body.get("filters") or []
    if not isinstance(filters, list) or not all(isinstance(item, str) for item in filters):
        raise Problem("bad_request", "filters is not a list of texts", "send ['lang=en', 'page>=3']", param="filters")
    return Question(
        collection,
        text,
        filters=parse_filters(tuple(filters)),
        top_k=whole(body.get("top_k"), "top_k", 1, 100, None),
        window=whole(body.get("window"), "window", 0, 50, None),
        rerank=flag(body.get("rerank"), "rerank", None),
        hyde=choice(body.get("hyde"), "hyde", ("off", "on", "auto")),
        fusion=choice(body.get("fusion"), "fusion", ("minmax", "rrf", "dense", "sparse")),
        history=_history(body.get("history")),
        trace=bool(flag(body.get("trace"), "trace")),
    )


def read_questions(body: dict[str, Any], service: Service) -> list[Question]:
    """Read the field "questions", several questions with the same options, from a JSON body.

    >>> from types import SimpleNamespace
    >>> from rag.settings import Settings
    >>> body = {"questions": ["When?", "Where?"], "top_k": 3}
    >>> [(one.text, one.top_k) for one in read_questions(body, SimpleNamespace(settings=Settings()))]
    [('When?', 3), ('Where?', 3)]

    Raises:
        Problem: as for ``read_question``; there are none, or too many.
    """
    texts = body["questions"]
    if not isinstance(texts, list) or not 0 < len(texts) <= MANY:
        raise Problem(
            "bad_request", f"questions is not a list of 1 to {MANY} texts", "send several requests", param="questions"
        )
    if "question" in body:
        raise Problem("bad_request", "there are both question and questions", "send one of them", param="questions")
    first = read_question({**body, "question": texts[0]}, service)
    return [first, *(replace(first, text=question_text(text)) for text in texts[1:])]


def question_text(value: Any) -> str:
    """Return the words of a question.

    >>> question_text(" When does it open? ")
    'When does it open?'
    >>> question_text(" ")
    Traceback (most recent call last):
        ...
    rag.serve.errors.Problem: the question is empty; ask something

    Raises:
        Problem: it is not a text, too long, or empty.
    """
    text = text_of(value, "question").strip()
    if not text:
        raise Problem("bad_request", "the question is empty", "ask something", param="question")
    return text


def _history(value: Any) -> tuple[tuple[str, str], ...]:
    rows = value or []
    if not isinstance(rows, list) or len(rows) > 100:
        raise Problem("bad_request", "history is not a list of at most 100 messages", param="history")
    found = []
    for row in rows:
        if not isinstance(row, dict) or row.get("role") not in ("user", "assistant"):
            raise Problem("bad_request", "a message of history has no role", "use user or assistant", param="history")
        found.append((str(row["role"]), text_of(row.get("content") or "", "history")))
    return tuple(found)


def answer_body(request: Request, question: Question, response: Any, passages: Sequence[Any]) -> dict[str, Any]:
    """Return a whole answer as JSON; ``passages`` are those it was written from.

    >>> from types import SimpleNamespace
    >>> request = SimpleNamespace(state=SimpleNamespace(request_id="7f3a"))
    >>> response = SimpleNamespace(response="It opens at 6.", metadata={"status": "answered"})
    >>> body = answer_body(request, Question("guide", "When?"), response, passages=[])
    >>> body["answer"], body["status"], body["citations"], body["request_id"]
    ('It opens at 6.', 'answered', [], '7f3a')
    """
    metadata = dict(response.metadata or {})
    body = {
        "question": question.text,
        "answer": str(response.response or ""),
        "status": metadata.get("status"),
        "notes": list(metadata.get("notes") or []),
        "note_kinds": list(metadata.get("note_kinds") or []),
        "citations": public_citations(metadata, passages, question.collection),
        "sentences": list(metadata.get("sentences") or []),
        "timings_ms": dict((metadata.get("trace") or {}).get("timings_ms") or {}),
        "request_id": getattr(request.state, "request_id", None),
        **further_fields(metadata, passages, question.collection),
    }
    if question.trace:
        body["trace"] = public_trace(metadata.get("trace") or {})
    return plain(body)


async def whole_answer(request: Request, question: Question, events: AsyncGenerator[Event, None]) -> JSONResponse:
    """Read the events of an answer to their end, and return it as one JSON response.

    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> async def events():
    ...     yield Event("done", response=SimpleNamespace(response="It opens at 6.", metadata={"status": "answered"}))
    >>> request = SimpleNamespace(state=SimpleNamespace())
    >>> response = asyncio.run(whole_answer(request, Question("guide", "When?"), events()))
    >>> json.loads(response.body)["answer"]
    'It opens at 6.'
    """
    passages, response = await at_end(events)
    body = answer_body(request, question, response, passages)
    request.state.answer_status = body["status"]
    body["passages"] = plain([passage_row(passage, question.collection) for passage in passages])
    return JSONResponse(body)


async def answer_events(
    request: Request, service: Service, question: Question, events: AsyncGenerator[Event, None], first: Event
) -> AsyncIterator[str]:
    r"""Yield an answer as server-sent events; ``first`` is the event already read.

    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> async def events():
    ...     yield Event("text", "It opens at 6.")
    ...     yield Event("done", response=SimpleNamespace(response="It opens at 6.", metadata={}))
    >>> async def sent(first):
    ...     request, question = SimpleNamespace(state=SimpleNamespace()), Question("guide", "When?")
    ...     return [text async for text in answer_events(request, None, question, events(), first)]
    >>> asyncio.run(sent(Event("status", "searching")))[:2]
    ['event: status\ndata: {"status": "searching"}\n\n', 'event: token\ndata: {"text": "It opens at 6."}\n\n']
    """
    ended = False
    passages: list[Any] = []
    try:
        yield _event("status", {"status": first.text})
        async for event in events:
            if event.kind == "status":
                yield _event("status", {"status": event.text})
            elif event.kind == "sources":
                passages = event.passages
                rows = [passage_row(passage, question.collection) for passage in event.passages]
                yield _event("sources", {"passages": rows})
            elif event.kind == "text" and event.text:
                yield _event("token", {"text": event.text})
            elif event.kind == "done":
                body = answer_body(request, question, event.response, passages)
                request.state.answer_status = body["status"]
                ended = True
                yield _event("done", body)
    except Exception as error:  # noqa: BLE001 - the stream has begun, so the error is one of its events
        ended = True
        yield _event("error", problem_of(error).body("api"))
    finally:
        await events.aclose()
        if not ended:
            service.metrics.cancelled.labels("api").inc()


def _event(name: str, value: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(plain(value), ensure_ascii=False)}\n\n"


def search_body(found: FoundPassages, question: Question, *, hits: bool, admin: bool) -> dict[str, Any]:
    """Return what a search found as JSON.

    >>> from types import SimpleNamespace
    >>> from rag.trace import Trace
    >>> found = FoundPassages([], SimpleNamespace(trace=Trace("When?"), candidates=[]), notes=["HyDE failed"])
    >>> search_body(found, Question("guide", "When?"), hits=False, admin=False)
    {'question': 'When?', 'passages': [], 'notes': ['HyDE failed'], 'timings_ms': {}}

    Args:
        hits: whether all candidates are listed too.
        admin: whether full paths may be shown.
    """
    body: dict[str, Any] = {
        "question": question.text,
        "passages": [passage_row(passage, question.collection) for passage in found.passages],
        "notes": found.notes,
        "timings_ms": dict(found.result.trace.timings_ms),
    }
    if question.trace:
        body["trace"] = public_trace(found.result.trace.as_dict())
    if hits:
        rows = [as_hit(rank, candidate) for rank, candidate in enumerate(found.result.candidates, 1)]
        body["hits"] = rows if admin else [{**row, "source": display_name(row["source"])} for row in rows]
    return body


def passage_row(passage: Any, collection: str) -> dict[str, Any]:
    """Return a passage as JSON.

    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.retrieval.candidate import Passage
    >>> record = SentenceRecord("/home/me/harbour.md", 0, "The harbour opens at 6.")
    >>> row = passage_row(Passage(1, [record], [], 0.9), "guide")
    >>> row["number"], row["name"], row["text"]  # names, not paths
    (1, 'harbour.md', 'The harbour opens at 6.')
    """
    best = passage.hits[0] if passage.hits else ""
    first = next((record for record in passage.sentences if record.id == best), passage.sentences[0])
    shown = source_of(passage, collection)
    return {
        "number": passage.number,
        "score": float(passage.score),
        "text": passage.text,
        "name": shown["source"]["name"],
        "document_id": document_id(first.doc_id),
        "sentence_id": first.id,
        "heading": passage.heading,
        "page": passage.page,
        "sentences": [docs.sentence_row(record) for record in passage.sentences],
        "hits": list(passage.hits),
        "metadata": public_metadata(first.metadata, first.doc_id),
    }


def number_of(request: Request, name: str, default: int) -> int:
    """Return a whole number of at least 0 from the query string.

    >>> from types import SimpleNamespace
    >>> number_of(SimpleNamespace(query_params={"from": "20"}), "from", 0)
    20
    >>> number_of(SimpleNamespace(query_params={"from": "last"}), "from", 0)
    Traceback (most recent call last):
        ...
    rag.serve.errors.Problem: from is 'last', not a whole number

    Raises:
        Problem: it is not a whole number.
    """
    value = request.query_params.get(name)
    if value is None:
        return default
    if not value.lstrip("-").isdigit() or len(value) > 9:
        raise Problem("bad_request", f"{name} is {value[:20]!r}, not a whole number", param=name)
    return max(0, int(value))


def plain(value: Any) -> Any:
    """Make values fit for JSON: dates and paths of metadata become texts.

    >>> from pathlib import PurePosixPath
    >>> plain({"path": PurePosixPath("a/b.md"), "page": 3})
    {'path': 'a/b.md', 'page': 3}
    """
    return json.loads(json.dumps(value, ensure_ascii=False, default=str))
