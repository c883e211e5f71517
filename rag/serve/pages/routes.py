"""Routes of the pages. Without script a form post gives the finished page; with it the answer streams."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from rag.serve.api import documents as docs
from rag.serve.api.bodies import answer_body, passage_row, read_question
from rag.serve.api.routes import collection_rows, receive_upload
from rag.serve.errors import Problem, problem_of
from rag.serve.incoming import service_of
from rag.serve.keys import COOKIE, Key, same_origin
from rag.serve.pages.added import AddedPages
from rag.serve.pages.render import HEADERS, render
from rag.serve.pages.words import COOKIE as LANGUAGE_COOKIE
from rag.serve.pages.words import Words, choose_language
from rag.serve.service import Service

router = APIRouter(include_in_schema=False)
SENTENCES_A_PAGE = 200
FOLDER = Path(__file__).parent


def mount_pages(app: FastAPI) -> None:
    """Add the pages and their static files."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.state.page_links = []
    for point in entry_points(group="ragwright.pages"):
        added: AddedPages = point.load()()
        app.include_router(added.router)
        app.state.page_links += added.links


def page(
    request: Request, template: str, status: int = 200, *, added: AddedPages | None = None, **values: Any
) -> HTMLResponse:
    """A page in the reader's language, under the strict content policy."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    language = choose_language(headers, request.cookies.get(LANGUAGE_COOKIE))
    words = Words(language, added.words if added else None)
    links = request.app.state.page_links
    more = added.templates if added else None
    shown = render(template, words, more=more, here=request.url.path, links=links, **values)
    return HTMLResponse(shown, status, headers=dict(HEADERS))


async def _key(request: Request) -> Key | None:
    return getattr(request.state, "key", None)


def login_page(request: Request, wrong: bool = False) -> HTMLResponse:
    return page(request, "login.html", 401 if wrong else 200, wrong=wrong, next=request.url.path)


async def _collections(service: Service, key: Key) -> list[str]:
    return await asyncio.to_thread(service.collections, key)


async def _form(request: Request) -> dict[str, str]:
    raw = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(raw, keep_blank_values=True).items()}


def _as_body(form: dict[str, str]) -> dict[str, Any]:
    """A form's fields as the JSON API's."""
    body: dict[str, Any] = {"question": form.get("question", ""), "collection": form.get("collection") or None}
    body["filters"] = [line.strip() for line in form.get("filters", "").splitlines() if line.strip()]
    for name in ("top_k", "window"):
        if form.get(name, "").strip().isdigit():
            body[name] = int(form[name])
    for name in ("hyde", "fusion"):
        if form.get(name):
            body[name] = form[name]
    if form.get("rerank") in ("on", "off"):
        body["rerank"] = form["rerank"] == "on"
    return body


@router.get("/")
async def ask_page(request: Request) -> Response:
    """The question, and an answer where the address holds one and no script runs."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    names = await _collections(service, key)
    form = dict(request.query_params)
    return page(request, "ask.html", names=names, form=form, result=None, problem=None, feedback=_feedback(service))


@router.post("/")
async def ask_post(request: Request) -> Response:
    """The finished answer, for a browser without script."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    if "origin" in request.headers and not same_origin(dict(request.headers)):
        raise Problem("forbidden", "this request came from another site's page", "use the server's own page")
    form = await _form(request)
    names = await _collections(service, key)
    result: dict[str, Any] | None = None
    problem: Problem | None = None
    try:
        question = read_question(_as_body(form) | {"trace": True}, service)
        serve = service.settings.serve
        passages: list[Any] = []
        async for event in service.ask(key, question, first=serve.first_word_seconds, whole=serve.answer_seconds):
            if event.kind == "sources":
                passages = event.passages
            elif event.kind == "done":
                result = answer_body(request, question, event.response)
                result["passages"] = [passage_row(passage, question.collection) for passage in passages]
                result["links"] = {
                    row["number"]: document_link(question.collection, row["document_id"], row.get("sentence_id"))
                    for row in [*result["passages"], *result["citations"]]
                    if row.get("sentence_id")
                }
                result["collection"] = question.collection
    except Exception as error:  # noqa: BLE001 - shown on the page
        problem = problem_of(error)
    status = 200 if problem is None else problem.status("page")
    values: dict[str, Any] = {
        "names": names,
        "form": form,
        "result": result,
        "problem": problem,
        "feedback": _feedback(service),
    }
    return page(request, "ask.html", status, **values)


@router.get("/search")
async def search_page(request: Request) -> Response:
    """Both legs, fused and reranked, side by side."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    names = await _collections(service, key)
    form = dict(request.query_params)
    columns: list[dict[str, Any]] = []
    problem: Problem | None = None
    if form.get("question", "").strip():
        try:
            question = read_question(_as_body(form) | {"trace": True}, service)
            found = await service.search(key, question, deadline=service.settings.serve.search_seconds, route="page")
            from rag.serve.openai.chat import public_trace

            trace = public_trace(found.result.trace.as_dict())
            columns = stage_columns(trace)
            form["notes"] = "\n".join(found.notes)
            form["timings"] = trace["timings_ms"]
        except Exception as error:  # noqa: BLE001 - shown on the page
            problem = problem_of(error)
    return page(request, "search.html", names=names, form=form, columns=columns, problem=problem)


@router.get("/docs")
async def documents_page(request: Request) -> Response:
    """Collections and their documents."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    names = await _collections(service, key)
    chosen = request.query_params.get("collection") or (names[0] if names else "")
    wanted = request.query_params.get("name", "")
    offset = request.query_params.get("offset", "0")
    first = int(offset) if offset.isdigit() else 0
    found: dict[str, Any] = {"documents": [], "total": 0, "offset": 0}
    if chosen:
        await service.find_collection(key, chosen)
        index = await asyncio.to_thread(service.library.index, chosen)
        found = await asyncio.to_thread(lambda: docs.document_rows(index, name=wanted, offset=first))
    values: dict[str, Any] = {"names": names, "chosen": chosen, "wanted": wanted, "found": found, "step": docs.PAGE}
    return page(request, "documents.html", may_write=key.may("write"), **values)


@router.get("/docs/{collection}/{document}")
async def document_page(request: Request, collection: str, document: str) -> Response:
    """A document as RagWright read it; ``?sentence=ID`` marks that sentence."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    await service.find_collection(key, collection)
    index = await asyncio.to_thread(service.library.index, collection)
    details = await asyncio.to_thread(lambda: docs.document_details(index, document, admin=key.may("admin")))
    info = await asyncio.to_thread(docs.find_document, index, document)
    marked, position = request.query_params.get("sentence", ""), 0
    gone = False
    if marked:
        try:
            record = await asyncio.to_thread(docs.find_sentence, index, marked)
            position = record.position
            gone = record.doc_id != info.doc_id
        except Problem:
            gone = True
    wanted = request.query_params.get("from", "")
    start = int(wanted) if wanted.isdigit() else max(0, position - SENTENCES_A_PAGE // 4)
    rows = await asyncio.to_thread(docs.sentences_of, index, info.doc_id, start, start + SENTENCES_A_PAGE - 1)
    download = service.settings.serve.downloads and await asyncio.to_thread(_original, index, document) is not None
    blocks = blocks_of([docs.sentence_row(row) for row in rows], marked)
    return page(
        request,
        "document.html",
        collection=collection,
        details=details,
        download=download,
        blocks=blocks,
        start=start,
        step=SENTENCES_A_PAGE,
        gone=gone,
        quoted=request.query_params.get("text", "") if gone else "",
    )


@router.get("/docs/{collection}/{document}/original")
async def original(request: Request, collection: str, document: str) -> Response:
    """The file that a document was read from, where ``serve.downloads`` is on; a browser saves it and shows nothing."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    await service.find_collection(key, collection)
    index = await asyncio.to_thread(service.library.index, collection)
    file = await asyncio.to_thread(_original, index, document) if service.settings.serve.downloads else None
    if file is None:
        raise Problem("not_found", "there is no file to download for this document")
    safe = {"Content-Security-Policy": "sandbox; default-src 'none'"}
    return FileResponse(file, filename=file.name, media_type="application/octet-stream", headers=safe)


def _original(index: Any, document: str) -> Path | None:
    """The file of a document as the manifest knows it; None for a member of an archive, and where it is gone."""
    info = docs.find_document(index, document)
    place = index.places().get(info.doc_id)
    return Path(place) if place is not None and Path(place).is_file() else None


@router.get("/upload")
async def upload_page(request: Request) -> Response:
    """Files to read in, and what became of them."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    names = await _collections(service, key)
    jobs = [job.as_dict() for job in request.app.state.jobs.all() if key.sees(job.collection)]
    watcher = request.app.state.watcher
    watched = watcher.as_dict() if watcher is not None and key.sees(watcher.collection) else None
    return page(request, "upload.html", names=names, jobs=jobs, may_write=key.may("write"), watched=watched)


@router.post("/sync")
async def sync_post(request: Request) -> Response:
    """The watched folders brought in step, by a button."""
    from rag.serve.api.routes import sync_now

    sync_now(request)
    return RedirectResponse("/upload", 303)


@router.post("/upload")
async def upload_post(request: Request) -> Response:
    """Uploads from a form without script."""
    await receive_upload(request)
    return RedirectResponse("/upload", 303)


@router.get("/status")
async def status_page(request: Request) -> Response:
    """Models, store, queues."""
    key, service = await _key(request), service_of(request)
    if key is None:
        return login_page(request)
    pools = [service.search_pool, service.rerank_pool, service.model_pool]
    return page(request, "status.html", service=service, pools=pools, rows=await collection_rows(service, key))


@router.post("/login")
async def login(request: Request) -> Response:
    """Keep a key in a cookie that no script reads."""
    form = await _form(request)
    key = request.app.state.keys.find(form.get("key", ""))
    if key is None:
        return login_page(request, wrong=True)
    target = form.get("next", "/")
    answer = RedirectResponse(target if target.startswith("/") and not target.startswith("//") else "/", 303)
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    answer.set_cookie(COOKIE, form["key"], httponly=True, samesite="strict", secure=secure, max_age=30 * 86_400)
    return answer


@router.get("/language/{code}")
async def language(request: Request, code: str) -> Response:
    """Switch the page's language."""
    answer = RedirectResponse("/", 303)
    answer.set_cookie(LANGUAGE_COOKIE, "zh" if code == "zh" else "en", samesite="strict", max_age=365 * 86_400)
    return answer


def document_link(collection: str, document: str, sentence: str | None) -> str:
    """The address of a document's page with a sentence marked."""
    from urllib.parse import quote

    base = f"/docs/{quote(collection, safe='')}/{quote(document, safe='')}"
    return f"{base}?{urlencode({'sentence': sentence})}#marked" if sentence else base


def stage_columns(trace: dict[str, Any], most: int = 20) -> list[dict[str, Any]]:
    """The candidates as each stage ranked them, with how far they moved since the stage before."""
    candidates = trace["candidates"]
    columns: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    for stage, rank_key, score_key in (
        ("dense", "dense_rank", "dense_score"),
        ("sparse", "sparse_rank", "sparse_score"),
        ("fused", None, "fused_score"),
        ("reranked", None, "rerank_score"),
    ):
        rows = [row for row in candidates if row.get(rank_key or score_key) is not None]
        if not rows:
            continue
        if rank_key is None:
            rows = sorted(rows, key=lambda row: -row[score_key])
        else:
            rows = sorted(rows, key=lambda row: row[rank_key])
        ranks = {row["id"]: place for place, row in enumerate(rows, 1)}
        columns.append(
            {
                "stage": stage,
                "rows": [
                    {
                        **row,
                        "rank": ranks[row["id"]],
                        "value": row.get(score_key),
                        "move": before[row["id"]] - ranks[row["id"]] if row["id"] in before else None,
                    }
                    for row in rows[:most]
                ],
            }
        )
        before = ranks if stage != "dense" else {}
    return columns


def blocks_of(rows: list[dict[str, Any]], marked: str) -> list[dict[str, Any]]:
    """Sentences as blocks of a page: a new one at every heading and section."""
    blocks: list[dict[str, Any]] = []
    last: tuple[Any, Any] | None = None
    for row in rows:
        place = (row["section"], row["heading"])
        if place != last:
            blocks.append({"heading": row["heading"], "page": row["page"], "sentences": []})
            last = place
        blocks[-1]["sentences"].append({**row, "marked": row["id"] == marked})
    return blocks


def _feedback(service: Service) -> bool:
    return service.settings.serve.feedback


__all__ = ["login_page", "mount_pages", "page"]
