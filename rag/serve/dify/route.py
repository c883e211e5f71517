"""``POST /retrieval``: Dify's external knowledge API."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from indexes.store.metadata_keys import unknown_names
from rag.retrieval.candidate import Passage
from rag.serve.asking.searches import FoundPassages
from rag.serve.described import RETRIEVAL
from rag.serve.dify.conditions import read_conditions
from rag.serve.errors import Problem
from rag.serve.incoming import json_body, require, service_of
from rag.serve.keys import AccessKey
from rag.serve.requests import Question, text_of, whole
from rag.serve.wire import document_id, public_metadata

router = APIRouter(tags=["dify"])
log = logging.getLogger("ragwright.serve")
DEFAULT_TOP_K = 4
RESERVED = ("score", "title", "dataset_id", "dataset_name")  # Dify overwrites these keys of a record's metadata


@router.post("/retrieval", summary="Dify external knowledge", openapi_extra=RETRIEVAL)
async def retrieval(request: Request) -> JSONResponse:
    """Search passages for a question, in the order and form that Dify reads."""
    request.state.route = "dify"
    started = time.monotonic()
    key = require(request, "read")
    body = await json_body(request, empty="the body is empty: this address answers Dify's retrieval requests")
    knowledge, query = body.get("knowledge_id", ""), body.get("query", "")
    if not isinstance(knowledge, str):
        raise Problem("bad_request", f"knowledge_id is {knowledge!r}, not a text")
    query = text_of(query, "query")
    top_k, threshold = read_setting(body.get("retrieval_setting"))
    conditions = read_conditions(body.get("metadata_condition"))
    if knowledge == "":
        return JSONResponse({"records": []})  # the request that Dify sends at registration
    service = service_of(request)
    service.check_ready()
    await service.find_collection(key, knowledge)
    request.state.collection = knowledge
    if not query.strip():
        return JSONResponse({"records": []})
    filters = None
    if conditions.items:
        filters = await service.document_filter((knowledge,), conditions.to_filter)
    question = Question(
        knowledge,
        query.replace('\\"', '"'),
        filters=filters,
        keep=conditions.check,
        top_k=top_k,
        hyde=None if service.settings.serve.dify_hyde else "off",
    )
    left = max(0.01, service.settings.serve.dify_seconds - (time.monotonic() - started))
    found = await service.search(key, question, deadline=left, route="dify")
    rows = records(found, key, threshold, top_k)
    if not found.passages and conditions.items:
        index = await asyncio.to_thread(service.library.index, knowledge)
        for note in await asyncio.to_thread(unknown_names, index.store, conditions.fields()):
            log.warning("collection %s: %s", knowledge, note)
    return JSONResponse({"records": rows})


def read_setting(value: Any) -> tuple[int, float]:
    """Return ``top_k`` and ``score_threshold``; null or a missing value gives the default.

    >>> read_setting({"top_k": 3, "score_threshold": None})
    (3, 0.0)

    Raises:
        Problem: a value has a wrong type.
    """
    if value is None:
        return DEFAULT_TOP_K, 0.0
    if not isinstance(value, dict):
        raise Problem("bad_request", "retrieval_setting is not an object")
    top_k = whole(value.get("top_k"), "retrieval_setting.top_k", 1, 100, DEFAULT_TOP_K)
    threshold = value.get("score_threshold")
    if threshold is None:
        threshold = 0.0
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not math.isfinite(threshold):
        raise Problem("bad_request", f"score_threshold is {threshold!r}, not a number")
    return int(top_k or DEFAULT_TOP_K), float(threshold)


def records(found: FoundPassages, key: AccessKey, threshold: float, top_k: int) -> list[dict[str, Any]]:
    """Return Dify's records with at least the threshold's score, best first.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.serve.keys import OPEN
    >>> record = SentenceRecord("/home/me/harbour.md", 0, "The harbour opens at 6.")
    >>> passages = [Passage(1, [record], [record.id], 0.9), Passage(2, [record], [record.id], 0.1)]
    >>> found = FoundPassages(passages, SimpleNamespace(candidates=[]), reranked=True)
    >>> [(row["content"], row["title"], row["score"]) for row in records(found, OPEN, threshold=0.5, top_k=4)]
    [('The harbour opens at 6.', 'harbour.md', 0.9)]
    """
    made = [_record_of(passage, found, key) for passage in found.passages]
    return [record for record in made if record["score"] >= threshold][:top_k]


def _record_of(passage: Passage, found: FoundPassages, key: AccessKey) -> dict[str, Any]:
    """Return a record: the whole window, a score in [0, 1], a title, and metadata that is always an object."""
    best = passage.hits[0] if passage.hits else ""
    first = next((record for record in passage.sentences if record.id == best), passage.sentences[0])
    metadata = public_metadata(first.metadata, first.doc_id, admin=key.may("admin"))
    title = str(first.metadata.get("title") or metadata["source"] or document_id(first.doc_id))
    shown = {name: value for name, value in metadata.items() if name not in RESERVED}
    shown["number"] = passage.number
    if found.late:
        shown["note"] = found.late
    return {
        "content": passage.text,
        "score": min(1.0, max(0.0, float(passage.score))),
        "title": metadata["source"] if title.startswith("/") else title,
        "metadata": json.loads(json.dumps(shown, ensure_ascii=False, default=str)),
    }
