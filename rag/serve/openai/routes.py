"""Routes of the OpenAI-compatible door."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from indexes.display import counted
from rag.serve import described
from rag.serve.errors import Problem
from rag.serve.incoming import json_body, key_of, require, service_of
from rag.serve.openai.chat import answer_chat
from rag.serve.openai.messages import SEARCH_ONLY
from rag.serve.requests import text_of, whole
from rag.serve.service import Service

router = APIRouter(tags=["openai"])
MAX_TEXTS = 256
MAX_DOCUMENTS = 200
TEXT_CHARS = 200_000


@router.get("/v1/models")
async def models(request: Request) -> JSONResponse:
    """List the collections that this key may access, and the embedding and reranking models."""
    key, service = key_of(request), service_of(request)

    def collections() -> dict[str, int]:
        return {name: _created(service, name) for name in service.collections(key)}

    made = await asyncio.to_thread(collections)
    rows = [_model(name, created) for name, created in made.items()]
    if service.library.llm is None:
        rows += [_model(f"{name}{SEARCH_ONLY}", created) for name, created in made.items()]
    rows += _helpers(service)
    return JSONResponse({"object": "list", "data": rows})


@router.get("/v1/models/{name:path}")
async def one_model(request: Request, name: str) -> JSONResponse:
    """Return one of ``GET /v1/models``."""
    key, service = key_of(request), service_of(request)
    for row in _helpers(service):
        if row["id"] == name:
            return JSONResponse(row)
    collection = await service.find_collection(key, name.removesuffix(SEARCH_ONLY))
    return JSONResponse(_model(name, await asyncio.to_thread(_created, service, collection)))


@router.post("/v1/chat/completions", openapi_extra=described.CHAT)
async def chat_completions(request: Request) -> Response:
    """Answer from a collection, streamed or whole."""
    request.state.route = "chat"
    key = require(request, "ask")
    return await answer_chat(request, service_of(request), key, await json_body(request))


@router.post("/v1/embeddings", openapi_extra=described.EMBEDDINGS)
async def embeddings(request: Request) -> JSONResponse:
    """Encode texts with the encoder of the collections."""
    request.state.route = "embeddings"
    key, service = require(request, "read"), service_of(request)
    body = await json_body(request)
    service.check_ready()
    encoder = service.library.encoder
    if encoder is None:
        raise Problem("loading", "no embedding model is loaded", retry_after=2)
    texts = _texts(body.get("input"))
    dimensions = body.get("dimensions")
    if dimensions is not None and dimensions != encoder.dim:
        raise Problem(
            "unsupported_value", f"dimensions is {dimensions!r}", f"the model has {encoder.dim}", param="dimensions"
        )
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Problem("unsupported_value", f"encoding_format is {form!r}", "use float or base64")
    kind = body.get("input_type") or "query"
    if kind not in ("query", "passage", "document"):
        raise Problem("unsupported_value", f"input_type is {kind!r}", "use query or passage", param="input_type")
    encode = encoder.encode_queries if kind == "query" else encoder.encode_documents
    encoded = await service.search_pool.run(
        key.name, lambda: encode(texts), deadline=service.settings.serve.search_seconds
    )
    rows = [
        {"object": "embedding", "index": place, "embedding": _vector(encoded.dense[place], form)}
        for place in range(len(texts))
    ]
    tokens = await asyncio.to_thread(_count, encoder, texts)
    found: dict[str, Any] = {
        "object": "list",
        "model": service.settings.encoder.model,
        "data": rows,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    if encoded.truncated:
        found["ragwright"] = {"truncated": list(encoded.truncated)}
    return JSONResponse(found)


@router.post("/v1/rerank", openapi_extra=described.RERANK)
@router.post("/rerank", openapi_extra=described.RERANK)
@router.post("/v2/rerank", openapi_extra=described.RERANK)
async def rerank(request: Request) -> JSONResponse:
    """Score how well each document answers the query, best first."""
    request.state.route = "rerank"
    key, service = require(request, "read"), service_of(request)
    body = await json_body(request)
    service.check_ready()
    reranker = service.library.reranker
    if reranker is None or not hasattr(reranker, "score"):
        raise Problem("not_found", "no reranker is configured", "set rerank.provider")
    query = text_of(body.get("query"), "query")
    texts = _documents(body.get("documents"))
    top_n = whole(body.get("top_n"), "top_n", 0, 1_000_000, 0) or len(texts)
    scores = await service.rerank_pool.run(
        key.name, lambda: reranker.score(query, texts), deadline=service.settings.serve.first_word_seconds
    )
    order = sorted(range(len(texts)), key=lambda place: (-float(scores.raw[place]), place))[:top_n]
    with_text = body.get("return_documents") is True
    results = []
    for place in order:
        row: dict[str, Any] = {"index": place, "relevance_score": float(scores.probability[place])}
        if with_text:
            row["document"] = {"text": texts[place]}
        results.append(row)
    return JSONResponse(
        {
            "id": f"rerank-{secrets.token_hex(8)}",
            "model": service.settings.rerank.model,
            "results": results,
            "usage": {"total_tokens": sum(len(text) for text in texts) // 4},
        }
    )


_STARTED = int(time.time())


def _model(name: str, created: int = _STARTED) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "ragwright", "name": name}


def _created(service: Service, collection: str) -> int:
    """Return when a collection was made; if not recorded, when this server started."""
    try:
        return service.library.created(collection) or _STARTED
    except Exception:  # noqa: BLE001 - a damaged record must not hide a model
        return _STARTED


def _helpers(service: Service) -> list[dict[str, Any]]:
    rows = [{**_model(service.settings.encoder.model), "type": "embedding"}]
    if service.library.reranker is not None:
        rows.append({**_model(service.settings.rerank.model), "type": "rerank"})
    return rows


def _texts(value: Any) -> list[str]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise Problem("bad_request", "input is missing", "send a text or a list of texts", param="input")
    if len(items) > MAX_TEXTS:
        raise Problem(
            "bad_request", f"{counted(len(items), 'text')}", f"at most {MAX_TEXTS} per request", param="input"
        )
    if not all(isinstance(item, str) for item in items):
        raise Problem("bad_request", "input holds token ids", "send texts", param="input")
    for place, item in enumerate(items):
        if not item.strip():
            raise Problem("bad_request", f"text {place} of input is empty", "leave it out", param="input")
    return [text_of(item, "input", limit=TEXT_CHARS) for item in items]


def _documents(value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise Problem("bad_request", "documents is missing", "send a list of texts", param="documents")
    if len(value) > MAX_DOCUMENTS:
        raise Problem(
            "bad_request", f"{counted(len(value), 'document')}", f"at most {MAX_DOCUMENTS}", param="documents"
        )
    texts = [item.get("text") if isinstance(item, dict) else item for item in value]
    return [text_of(text, "documents", limit=TEXT_CHARS) for text in texts]


def _vector(row: Any, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(np.asarray(row, dtype="<f4").tobytes()).decode("ascii")
    return [float(value) for value in row]


def _count(encoder: Any, texts: list[str]) -> int:
    count = getattr(encoder, "count_tokens", None)
    return int(sum(count(texts))) if count is not None else 0
