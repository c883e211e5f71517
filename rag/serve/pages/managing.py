"""The pages that manage the server: upload, jobs, health, the key and the language."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from rag.serve.api.routes import cancel, collection_rows, receive_upload, sync_now, watcher_of
from rag.serve.errors import without_paths
from rag.serve.incoming import service_of
from rag.serve.keys import COOKIE
from rag.serve.pages.common import check_own_page, form_of, login_page, own_address, page, reader_of, seen
from rag.serve.pages.words import COOKIE as LANGUAGE_COOKIE
from rag.serve.service import Service

router = APIRouter(include_in_schema=False)
FINDINGS_SECONDS = 60.0  # for which the doctor's findings are kept, since it calls servers


@router.get("/upload")
async def upload_page(request: Request) -> Response:
    """Show the upload form and the jobs."""
    key, service = reader_of(request), service_of(request)
    names = await seen(service, key)
    own = request.app.state.jobs.all() if key.may("read") else []
    jobs = [job.as_dict() for job in own if key.sees(job.collection)]
    watcher = watcher_of(request)
    watched = None if watcher is None or not key.sees(watcher.collection) else watcher.as_dict()
    write = key.may("write")
    busy = any(job["state"] in ("waiting", "running") for job in jobs)
    return page(request, "upload.html", names=names, jobs=jobs, may_write=write, watched=watched, busy=busy)


@router.post("/upload")
async def upload_post(request: Request) -> Response:
    """Receive uploads from a form without script."""
    await receive_upload(request)
    return RedirectResponse("/upload", 303)


@router.post("/sync")
async def sync_post(request: Request) -> Response:
    """Sync the watched folders, from their button."""
    sync_now(request)
    return RedirectResponse("/upload", 303)


@router.post("/jobs/{job}/cancel")
async def cancel_post(request: Request, job: str) -> Response:
    """Cancel a job, from its button, without script."""
    cancel(request, job)
    return RedirectResponse("/upload", 303)


@router.get("/status")
async def status_page(request: Request) -> Response:
    """Show models, store, queues, and the doctor's findings."""
    key, service = reader_of(request, "read"), service_of(request)
    pools = [service.search_pool, service.rerank_pool, service.model_pool]
    findings = await asyncio.to_thread(_findings, request, service)
    rows = await collection_rows(service, key)
    return page(request, "status.html", service=service, pools=pools, rows=rows, findings=findings)


def _findings(request: Request, service: Service) -> list[dict[str, Any]]:
    """Return the doctor's findings on this machine and its models, without paths; the store has its own table."""
    known: tuple[float, list[dict[str, Any]]] | None = getattr(request.app.state, "findings", None)
    if known is not None and time.monotonic() - known[0] < FINDINGS_SECONDS:
        return known[1]
    from rag.doctor import examine

    checks = examine(service.settings, os.environ, leave_out=("store",))
    order = {"fail": 0, "warn": 1, "ok": 2}
    found = [
        {"name": check.name, "status": check.status, "found": without_paths(check.found)}
        | {"remedy": without_paths(check.remedy)}
        for check in sorted(checks, key=lambda check: order[check.status])
    ]
    request.app.state.findings = (time.monotonic(), found)
    return found


@router.post("/login")
async def login(request: Request) -> Response:
    """Store a key in a cookie that scripts cannot read."""
    check_own_page(request)
    form = await form_of(request)
    key = request.app.state.keys.find(form.get("key", ""))
    if key is None:
        return login_page(request, wrong=True)
    answer = RedirectResponse(own_address(form.get("next", "/")), 303)
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    answer.set_cookie(COOKIE, form["key"], httponly=True, samesite="strict", secure=secure, max_age=30 * 86_400)
    return answer


@router.get("/language/{code}")
async def language(request: Request, code: str) -> Response:
    """Switch the language, and return to the page where the reader was."""
    answer = RedirectResponse(own_address(request.query_params.get("next", "/")), 303)
    answer.set_cookie(LANGUAGE_COOKIE, "zh" if code == "zh" else "en", samesite="strict", max_age=365 * 86_400)
    return answer
