"""Routes of ``/api/v1``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from rag.serve import described
from rag.serve.api import documents as docs
from rag.serve.api.bodies import (
    answer_events,
    number_of,
    plain,
    read_question,
    read_questions,
    search_body,
    whole_answer,
)
from rag.serve.errors import Problem, problem_of
from rag.serve.feedback import keep_feedback
from rag.serve.incoming import json_body, key_of, require, service_of, until_disconnected
from rag.serve.keys import OWNER, AccessKey, same_origin
from rag.serve.openai.chat import EVENT_STREAM, STREAM_HEADERS
from rag.serve.requests import flag
from rag.serve.service import Service
from rag.serve.wire import document_id
from rag.serve.writing.jobs import Jobs, WriteJob
from rag.serve.writing.uploads import Received
from rag.serve.writing.watch import Watcher

router = APIRouter(prefix="/api/v1", tags=["api"])


async def collection_rows(service: Service, key: AccessKey) -> list[dict[str, Any]]:
    """Return the collections that a key may access; one that cannot be opened is listed with its problem."""
    rows = []
    for name in await asyncio.to_thread(service.collections, key):
        try:
            index = await asyncio.to_thread(service.library.index, name)
            rows.append(await asyncio.to_thread(docs.collection_row, index, name))
        except Exception as error:  # noqa: BLE001 - shown beside the name
            rows.append({"name": name, "problem": str(problem_of(error))})
    return rows


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs  # type: ignore[no-any-return]


async def _index(request: Request, collection: str) -> tuple[Service, AccessKey, Any]:
    key, service = require(request, "read"), service_of(request)
    service.check_ready()
    await service.find_collection(key, collection)
    request.state.collection = collection
    return service, key, await asyncio.to_thread(service.library.index, collection)


@router.get("/collections")
async def collections(request: Request) -> JSONResponse:
    """List the collections that this key may access."""
    return JSONResponse({"collections": await collection_rows(service_of(request), require(request, "read"))})


@router.get("/collections/{collection}")
async def one_collection(request: Request, collection: str) -> JSONResponse:
    """Return one collection with its counts."""
    _, _, index = await _index(request, collection)
    return JSONResponse(await asyncio.to_thread(docs.collection_row, index, collection))


@router.get("/collections/{collection}/documents")
async def documents(request: Request, collection: str, name: str = "", offset: int = 0, limit: int = 50) -> Response:
    """List documents by name, page by page."""
    _, _, index = await _index(request, collection)
    limit, offset = max(1, min(limit, docs.MAX_PAGE)), max(0, offset)
    found = await asyncio.to_thread(lambda: docs.document_rows(index, name=name, offset=offset, limit=limit))
    return JSONResponse(found)


@router.get("/collections/{collection}/documents/{document}")
async def one_document(request: Request, collection: str, document: str) -> JSONResponse:
    """Return a document's metadata and outline."""
    _, key, index = await _index(request, collection)
    found = await asyncio.to_thread(lambda: docs.document_details(index, document, admin=key.may("admin")))
    return JSONResponse(plain(found))


@router.get("/collections/{collection}/documents/{document}/sentences")
async def sentences(request: Request, collection: str, document: str) -> JSONResponse:
    """Return sentences ``from`` to ``to`` (positions, inclusive) of a document, in order."""
    _, _, index = await _index(request, collection)
    first = number_of(request, "from", 0)
    last = number_of(request, "to", first + docs.PAGE - 1)
    if last - first >= docs.MAX_PAGE:
        raise Problem("bad_request", f"{last - first + 1} sentences", f"at most {docs.MAX_PAGE} per request")
    info = await asyncio.to_thread(docs.find_document, index, document)
    rows = await asyncio.to_thread(docs.sentences_of, index, info.doc_id, first, last)
    return JSONResponse({"document": document, "sentences": [docs.sentence_row(record) for record in rows]})


@router.get("/collections/{collection}/sentences/{sentence}/window")
async def window(request: Request, collection: str, sentence: str) -> JSONResponse:
    """Return a sentence with its neighbours."""
    service, _, index = await _index(request, collection)
    size = min(50, max(0, number_of(request, "window", service.settings.retrieval.window)))
    record = await asyncio.to_thread(docs.find_sentence, index, sentence)
    rows = await asyncio.to_thread(index.window, sentence, size)
    return JSONResponse(
        {
            "sentence": sentence,
            "document": document_id(record.doc_id),
            "sentences": [docs.sentence_row(row) for row in rows],
        }
    )


@router.post("/search", openapi_extra=described.SEARCH)
async def search(request: Request) -> JSONResponse:
    """Search passages for a question, or for each of several questions."""
    request.state.route = "api"
    key, service = require(request, "read"), service_of(request)
    received = await json_body(request)
    several = "questions" in received
    questions = read_questions(received, service) if several else [read_question(received, service)]
    request.state.collection = questions[0].collection
    deadline = service.settings.serve.search_seconds
    if several:
        found = await service.search_many(key, questions, deadline=deadline, route="search")
    else:
        found = [await service.search(key, questions[0], deadline=deadline, route="search")]
    options = {"hits": received.get("hits") is True, "admin": key.may("admin")}
    rows = [search_body(one, question, **options) for question, one in zip(questions, found, strict=True)]
    return JSONResponse(plain({"results": rows} if several else rows[0]))


@router.post("/ask", openapi_extra=described.QUESTION)
async def ask(request: Request) -> Response:
    """Answer a question, as JSON, or as events if the client accepts ``text/event-stream``."""
    key, service = require(request, "ask"), service_of(request)
    question = read_question(await json_body(request), service)
    request.state.collection = question.collection
    serve = service.settings.serve
    events = service.ask(key, question, first=serve.first_word_seconds, whole=serve.answer_seconds)
    if "text/event-stream" in request.headers.get("accept", ""):
        first = await anext(events)
        return StreamingResponse(
            answer_events(request, service, question, events, first), media_type=EVENT_STREAM, headers=STREAM_HEADERS
        )
    return await until_disconnected(request, whole_answer(request, question, events), service.metrics, "api")


@router.post("/collections/{collection}/documents", status_code=202, openapi_extra=described.FILES)
async def upload(request: Request, collection: str) -> JSONResponse:
    """Ingest uploaded files; return at once with a job."""
    return JSONResponse({"job": (await receive_upload(request, collection)).id}, 202)


async def receive_upload(request: Request, collection: str | None = None) -> WriteJob:
    """Receive the files of a form and queue their job.

    Args:
        collection: name of the collection; None: the form's field of that name.

    Raises:
        Problem: the key may not write there, or a file is refused; then no file is kept.
    """
    key, service = require(request, "write"), service_of(request)
    _check_origin(request)
    service.check_ready()
    _jobs(request).check_room()
    if collection is not None:
        await service.find_collection(key, collection)
    with Received(service.settings.store, service.settings.serve.upload_mb) as form:
        await form.read(request.headers.get("content-type", ""), request.stream())
        if collection is None:
            collection = await service.find_collection(key, form.fields.get("collection", ""))
        files = await asyncio.to_thread(form.keep, collection)
    if not files:
        raise Problem("bad_request", "the form has no files", "choose one or more", param="files")
    return _jobs(request).add(WriteJob("upload", collection, files=files, total=len(files)))


@router.delete("/collections/{collection}/documents/{document}", status_code=202)
async def delete(request: Request, collection: str, document: str) -> JSONResponse:
    """Delete a document; return at once with a job."""
    require(request, "write")
    _check_origin(request)
    _, _, index = await _index(request, collection)
    info = await asyncio.to_thread(docs.find_document, index, document)
    job = _jobs(request).add(WriteJob("delete", collection, doc_ids=[info.doc_id], total=1))
    return JSONResponse({"job": job.id}, 202)


@router.post("/collections/{collection}/ingest", status_code=202, openapi_extra=described.PATHS)
async def ingest(request: Request, collection: str) -> JSONResponse:
    """Ingest files and folders of the server's machine. Only the account that started the server may name paths."""
    key = require(request, "admin")
    body = await json_body(request)
    paths = body.get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        raise Problem("bad_request", "paths is missing", "send a list of files and folders", param="paths")
    if key.name != OWNER.name:
        raise Problem("forbidden", "only the account that started the server may name paths of its machine")
    prune = bool(flag(body.get("prune"), "prune"))
    job = _jobs(request).add(WriteJob("folder", collection, files=[Path(path) for path in paths], prune=prune))
    return JSONResponse({"job": job.id}, 202)


@router.post("/sync", status_code=202)
async def sync(request: Request) -> JSONResponse:
    """Sync the watched folders with their collection now; return at once with a job."""
    return JSONResponse({"job": sync_now(request).id}, 202)


@router.get("/sync")
async def watched(request: Request) -> JSONResponse:
    """Return the watched folders, by name, and their last job."""
    key, watcher = require(request, "read"), watcher_of(request)
    seen = watcher is not None and key.sees(watcher.collection)
    return JSONResponse({"watched": [watcher.as_dict()] if watcher is not None and seen else []})


def watcher_of(request: Request) -> Watcher | None:
    """Return the watcher of folders; None if 'rag serve' was started without --watch."""
    return request.app.state.watcher  # type: ignore[no-any-return]


def sync_now(request: Request) -> WriteJob:
    """Queue the work of the watched folders.

    Raises:
        Problem: no folder is watched, or the key may not write there.
    """
    key, watcher = require(request, "write"), watcher_of(request)
    _check_origin(request)
    if watcher is None or not key.sees(watcher.collection):
        raise Problem("not_found", "no folder is watched", "start 'rag serve --watch FOLDER'")
    service_of(request).check_ready()
    return watcher.sync()


@router.post("/feedback", openapi_extra=described.FEEDBACK)
async def feedback(request: Request) -> JSONResponse:
    """Store a user's feedback on an answer, if ``serve.feedback`` is on."""
    require(request, "ask")
    _check_origin(request)
    service = service_of(request)
    if not service.settings.serve.feedback:
        raise Problem("not_found", "feedback is off", "set serve.feedback = true")
    body = await json_body(request)
    await asyncio.to_thread(keep_feedback, service.settings.store, body)
    return JSONResponse({"kept": True})


@router.get("/jobs")
async def jobs(request: Request) -> JSONResponse:
    """List jobs, newest first."""
    key = require(request, "read")
    return JSONResponse({"jobs": [job.as_dict() for job in _jobs(request).all() if key.sees(job.collection)]})


@router.get("/jobs/{job}")
async def one_job(request: Request, job: str) -> JSONResponse:
    """Return the state, counts and files of a job."""
    owner = key_of(request).name == OWNER.name
    return JSONResponse(plain(_seen(request, job).as_dict(paths=owner)))


@router.delete("/jobs/{job}")
async def cancel_job(request: Request, job: str) -> JSONResponse:
    """Stop a job after the current document."""
    return JSONResponse(cancel(request, job).as_dict())


def cancel(request: Request, identity: str) -> WriteJob:
    """Stop a job.

    Raises:
        Problem: the key may not write there, or there is no such job.
    """
    require(request, "write")
    _check_origin(request)
    return _jobs(request).cancel(_seen(request, identity).id)


def _seen(request: Request, identity: str) -> WriteJob:
    key = require(request, "read")
    job = _jobs(request).get(identity)
    if not key.sees(job.collection):
        raise Problem("not_found", f"there is no job {identity[:40]!r}", "GET /api/v1/jobs lists them")
    return job


def _check_origin(request: Request) -> None:
    """Refuse changes from other sites' pages, for which browsers send our cookie too."""
    if "authorization" in request.headers or key_of(request).name == OWNER.name:
        return
    if ("cookie" in request.headers or "origin" in request.headers) and not same_origin(dict(request.headers)):
        raise Problem("forbidden", "this request came from another site's page", "use the server's own page")
