"""The pages that show documents: their list, a document with a sentence marked, its original file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from indexes.index import Index
from indexes.nodes.record import SentenceRecord
from indexes.nodes.tables import cells_of
from rag.serve.api import documents as docs
from rag.serve.errors import Problem
from rag.serve.incoming import require, service_of
from rag.serve.pages.common import page, reader_of, seen

router = APIRouter(include_in_schema=False)
SENTENCES_A_PAGE = 200


@router.get("/docs")
async def documents_page(request: Request) -> Response:
    """Show collections, their documents, and the files that could not be read."""
    key, service = reader_of(request, "read"), service_of(request)
    names = await seen(service, key)
    chosen = request.query_params.get("collection") or (names[0] if names else "")
    wanted = request.query_params.get("name", "")
    offset = request.query_params.get("offset", "0")
    first = int(offset) if offset.isdigit() else 0
    found: dict[str, Any] = {"documents": [], "total": 0, "offset": 0}
    skipped: list[dict[str, str]] = []
    if chosen:
        index = await _index(request, chosen)
        found = await asyncio.to_thread(lambda: docs.document_rows(index, name=wanted, offset=first))
        skipped = await asyncio.to_thread(docs.skipped_rows, index)
    values: dict[str, Any] = {"names": names, "chosen": chosen, "wanted": wanted, "found": found, "step": docs.PAGE}
    return page(request, "documents.html", **values, skipped=skipped)


@router.get("/docs/{collection}/{document}")
async def document_page(request: Request, collection: str, document: str) -> Response:
    """Show a document as RagWright read it.

    ``?sentence=ID`` marks that sentence and shows the window that an answer reads around it; ``text`` is its expected
    text, so that nothing is marked in a document that has changed. ``?borders=1`` shows where sentences end.
    """
    key, service = reader_of(request, "read"), service_of(request)
    index = await _index(request, collection)
    details = await asyncio.to_thread(lambda: docs.document_details(index, document, admin=key.may("admin")))
    info = await asyncio.to_thread(docs.find_document, index, document)
    query = request.query_params
    wanted, text = query.get("sentence", ""), query.get("text", "")
    marked = await asyncio.to_thread(_marked, index, info.doc_id, wanted, text) if wanted else None
    around: set[str] = set()
    if marked is not None:
        window = await asyncio.to_thread(index.window, marked.id, service.settings.retrieval.window)
        around = {record.id for record in window}
    position = 0 if marked is None else marked.position
    given = query.get("from", "")
    start = int(given) if given.isdigit() else max(0, position - SENTENCES_A_PAGE // 4)
    rows = await asyncio.to_thread(docs.sentences_of, index, info.doc_id, start, start + SENTENCES_A_PAGE - 1)
    download = service.settings.serve.downloads and await asyncio.to_thread(_original, index, document) is not None
    return page(
        request,
        "document.html",
        collection=collection,
        details=details,
        download=download,
        blocks=blocks_of([docs.sentence_row(row) for row in rows], "" if marked is None else marked.id, around),
        start=start,
        step=SENTENCES_A_PAGE,
        borders=query.get("borders") == "1",
        gone=bool(wanted) and marked is None,
        windowed=len(around) > 1,
        quoted=text,
    )


def _marked(index: Index, doc_id: str, sentence: str, text: str) -> SentenceRecord | None:
    """Return the sentence to mark; None if it is gone or has changed."""
    try:
        record = docs.find_sentence(index, sentence)
    except Problem:
        return None
    same = not text or _flat(text) in (_flat(record.text), _flat(record.raw or ""))
    return record if record.doc_id == doc_id and same else None


def _flat(text: str) -> str:
    return " ".join(text.split())


@router.get("/docs/{collection}/{document}/original")
async def original(request: Request, collection: str, document: str) -> Response:
    """Send the file that a document was read from, if ``serve.downloads`` is on; a browser saves it."""
    reader_of(request, "read")
    index = await _index(request, collection)
    file = await asyncio.to_thread(_original, index, document) if service_of(request).settings.serve.downloads else None
    if file is None:
        raise Problem("not_found", "there is no file to download for this document")
    safe = {"Content-Security-Policy": "sandbox; default-src 'none'"}
    return FileResponse(file, filename=file.name, media_type="application/octet-stream", headers=safe)


async def _index(request: Request, collection: str) -> Index:
    service = service_of(request)
    await service.find_collection(require(request, "read"), collection)
    return await asyncio.to_thread(service.library.index, collection)


def _original(index: Index, document: str) -> Path | None:
    """Return the file of a document from the manifest; None for a member of an archive, or if it is gone."""
    info = docs.find_document(index, document)
    place = index.places().get(info.doc_id)
    return Path(place) if place is not None and Path(place).is_file() else None


def blocks_of(rows: list[dict[str, Any]], marked: str, around: set[str]) -> list[dict[str, Any]]:
    """Group sentences into blocks of a page, with a new block at every heading, section and table.

    >>> records = [SentenceRecord("a.md", i, f"Sentence {i}.", metadata={"heading": "Hours"}) for i in (0, 1)]
    >>> blocks = blocks_of([docs.sentence_row(record) for record in records], marked=records[1].id, around=set())
    >>> blocks[0]["heading"], [(row["text"], row["marked"]) for row in blocks[0]["sentences"]]
    ('Hours', [('Sentence 0.', False), ('Sentence 1.', True)])

    Args:
        rows: sentences as ``sentence_row`` returns them.
        marked: id of the marked sentence.
        around: ids of its window.
    """
    blocks: list[dict[str, Any]] = []
    last: tuple[Any, ...] | None = None
    for row in rows:
        cells = _cells(row)
        head = row["head"] if cells else None
        place = (row["section"], row["heading"], head)
        if place != last:
            new = last is None or place[:2] != last[:2]
            heading = {"heading": row["heading"], "page": row["page"]} if new else {"heading": None, "page": None}
            columns = cells_of(head.split("\n")[0]) if head else []
            blocks.append({**heading, "table": bool(cells), "columns": columns, "sentences": []})
            last = place
        own = {"marked": row["id"] == marked, "near": row["id"] in around, "cells": cells}
        blocks[-1]["sentences"].append({**row, **own})
    return blocks


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of a table's row; [] if it is not a row."""
    raw = str(row["raw"] or "").strip()
    return cells_of(raw) if row["kind"] == "table" and row["head"] and raw.startswith("|") else []
