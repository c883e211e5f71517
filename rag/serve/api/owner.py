"""Routes for the account that started the server: its commands use them, and they hold paths of its machine."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from rag.serve.errors import Problem
from rag.serve.incoming import json_body, require, service_of
from rag.serve.keys import OWNER
from rag.serve.library import Library
from rag.serve.requests import flag
from rag.serve.writing.jobs import WriteJob

router = APIRouter(prefix="/api/v1", tags=["owner"])


def _owner(request: Request) -> None:
    if require(request, "admin").name != OWNER.name:
        raise Problem("forbidden", "only the account that started the server may see paths of its machine")


@router.get("/collections/{collection}/places")
async def places(request: Request, collection: str) -> JSONResponse:
    """Return documents with their ids and the files they come from."""
    _owner(request)
    service = service_of(request)
    service.check_ready()
    return JSONResponse({"documents": await asyncio.to_thread(_places, service.library, collection)})


def _places(library: Library, collection: str) -> list[dict[str, Any]]:
    library.index(collection)  # raises if there is none
    with contextlib.closing(library.writer(collection)) as index:
        paths = index.places()
        rows = [
            {"doc_id": i.doc_id, "source": i.source, "title": i.title, "sentences": i.sentences}
            for i in index.documents()
        ]
    there = {row["doc_id"] for row in rows}
    copies = [{"doc_id": i, "source": paths[i], "title": "", "sentences": 0} for i in paths if i not in there]
    return [{**row, "path": paths.get(str(row["doc_id"]))} for row in [*rows, *copies]]


@router.post("/collections/{collection}/optimize", status_code=202)
async def optimize(request: Request, collection: str) -> JSONResponse:
    """Build a collection's graph while it is searched and written; return at once with a job."""
    _owner(request)
    force = bool(flag((await json_body(request)).get("force"), "force"))
    job = WriteJob("optimize", collection, force=force, total=1)
    return JSONResponse({"job": request.app.state.jobs.add(job).id}, 202)


@router.post("/collections/{collection}/delete", status_code=202)
async def delete(request: Request, collection: str) -> JSONResponse:
    """Delete documents by their ids; return at once with a job."""
    _owner(request)
    ids = (await json_body(request)).get("doc_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise Problem("bad_request", "doc_ids is missing", "send a list of document ids", param="doc_ids")
    job = WriteJob("delete", collection, doc_ids=list(ids), total=len(ids))
    return JSONResponse({"job": request.app.state.jobs.add(job).id}, 202)
