"""Documents of a collection for a page: lists, sentences in order, windows, outlines."""

from __future__ import annotations

from typing import Any

from indexes.index import Index
from indexes.nodes.record import SentenceRecord, point_id
from indexes.store.collection import DocumentInfo
from rag.answer.language import detect_language
from rag.serve.errors import Problem, without_paths
from rag.serve.wire import display_name, document_id, public_metadata

PAGE = 50
MAX_PAGE = 500
LOOKED_AT = 200  # documents whose language is detected
# Fields of a sentence that are shown.
SENTENCE = ("id", "position", "text", "raw", "head", "start", "end", "after", "section", "kind", "page", "heading")


def document_rows(index: Index, *, name: str = "", offset: int = 0, limit: int = PAGE) -> dict[str, Any]:
    """Return the documents whose shown name contains ``name``, by name: {"documents", "total", "offset"}.

    >>> from types import SimpleNamespace
    >>> documents = [DocumentInfo("harbour.md", "harbour.md", "The harbour", 12), DocumentInfo("a.md", "a.md", "A", 3)]
    >>> index = SimpleNamespace(store=SimpleNamespace(documents=lambda: documents))
    >>> found = document_rows(index, name="harb")
    >>> [row["name"] for row in found["documents"]], found["total"]
    (['harbour.md'], 1)
    """
    rows = [_row(info) for info in index.store.documents()]
    wanted = name.casefold()
    rows = [row for row in rows if wanted in row["name"].casefold() or wanted in row["title"].casefold()]
    rows.sort(key=lambda row: (row["name"].casefold(), row["id"]))
    return {"documents": rows[offset : offset + limit], "total": len(rows), "offset": offset}


def find_document(index: Index, identity: str) -> DocumentInfo:
    """Return the document with this public id.

    >>> from types import SimpleNamespace
    >>> documents = [DocumentInfo("harbour.md", "harbour.md", "The harbour", 12)]
    >>> index = SimpleNamespace(store=SimpleNamespace(documents=lambda: documents))
    >>> find_document(index, document_id("harbour.md")).sentences
    12

    Raises:
        Problem: "not_found".
    """
    for info in index.store.documents():
        if document_id(info.doc_id) == identity:
            return info
    raise Problem("not_found", f"there is no document {identity[:40]!r} in this collection")


def document_details(index: Index, identity: str, *, admin: bool) -> dict[str, Any]:
    """Return a document's row, the metadata of its first sentence, and its outline.

    >>> from types import SimpleNamespace
    >>> texts = [SentenceRecord("a.md", 0, "It opens at 6.", metadata={"heading": "Hours"})]
    >>> store = SimpleNamespace(documents=lambda: [DocumentInfo("a.md", "a.md", "The harbour", 1)])
    >>> index = SimpleNamespace(store=store, document=lambda doc_id: texts)
    >>> details = document_details(index, document_id("a.md"), admin=False)
    >>> details["title"], details["sentences"], details["outline"]
    ('The harbour', 1, [{'heading': 'Hours', 'position': 0, 'page': None}])

    Args:
        admin: whether the path of its file on this machine may be shown, as "path", if it is known.
    """
    info = find_document(index, identity)
    records = index.document(info.doc_id)
    outline: list[dict[str, Any]] = []
    last = None
    for record in records:
        if record.heading and record.heading != last:
            last = record.heading
            outline.append({"heading": record.heading, "position": record.position, "page": record.page})
    metadata = public_metadata(records[0].metadata, info.doc_id, admin=admin) if records else {}
    place = index.places().get(info.doc_id) if admin else None
    path = {} if place is None else {"path": str(place)}
    return {**_row(info), **path, "metadata": metadata, "outline": outline}


def sentences_of(index: Index, doc_id: str, first: int, last: int) -> list[SentenceRecord]:
    """Return the sentences at positions ``first`` to ``last`` (inclusive), in order, by their computed ids.

    >>> from types import SimpleNamespace
    >>> records = [SentenceRecord("harbour.md", i, text) for i, text in enumerate(("It opens.", "It shuts."))]
    >>> stored = {record.id: record.to_payload() for record in records}
    >>> read = lambda ids: {identity: stored[identity] for identity in ids if identity in stored}
    >>> index = SimpleNamespace(store=SimpleNamespace(payloads=read))
    >>> [record.text for record in sentences_of(index, "harbour.md", 1, 5)]
    ['It shuts.']
    """
    ids = [point_id(doc_id, position) for position in range(max(0, first), last + 1)]
    found: list[SentenceRecord] = []
    for start in range(0, len(ids), MAX_PAGE):
        payloads = index.store.payloads(ids[start : start + MAX_PAGE])
        found += [SentenceRecord.from_payload(payload) for payload in payloads.values()]
    return sorted(found, key=lambda record: record.position)


def sentence_row(record: SentenceRecord) -> dict[str, Any]:
    """Return what is needed to show a sentence in its document and to mark it.

    >>> sentence_row(SentenceRecord("harbour.md", 0, "The harbour opens at 6."))["text"]
    'The harbour opens at 6.'
    """
    return {name: getattr(record, name) for name in SENTENCE}


def find_sentence(index: Index, identity: str) -> SentenceRecord:
    """Return a sentence by its id.

    >>> from types import SimpleNamespace
    >>> record = SentenceRecord("harbour.md", 0, "The harbour opens at 6.")
    >>> find_sentence(SimpleNamespace(window=lambda identity, size: [record]), record.id).text
    'The harbour opens at 6.'

    Raises:
        Problem: "not_found".
    """
    found = index.window(identity, 0)
    record = next((record for record in found if record.id == identity.lower()), None)
    if record is None:
        raise Problem("not_found", f"there is no sentence {identity[:40]!r} in this collection")
    return record


def collection_row(index: Index, name: str) -> dict[str, Any]:
    """Return a collection's size, its model, and the languages of its documents' first sentences.

    >>> from types import SimpleNamespace
    >>> from indexes.settings.sections import IndexSettings
    >>> texts = ["It opens at 6.", "六点开门。"]
    >>> documents = [DocumentInfo(f"{i}.md", f"{i}.md", "Hours", 6, opening=text) for i, text in enumerate(texts)]
    >>> store = SimpleNamespace(documents=lambda: documents, count=lambda: 12)
    >>> collection_row(SimpleNamespace(store=store, settings=IndexSettings()), "docs")
    {'name': 'docs', 'documents': 2, 'sentences': 12, 'languages': ['en', 'zh'], 'model': 'BAAI/bge-m3'}
    """
    documents = list(index.store.documents())
    openings = [info.opening for info in documents[:: max(1, len(documents) // LOOKED_AT)] if info.opening]
    return {
        "name": name,
        "documents": len(documents),
        "sentences": index.store.count(),
        "languages": sorted({detect_language(text) for text in openings}),
        "model": index.settings.encoder.model,
    }


def skipped_rows(index: Index) -> list[dict[str, str]]:
    """Return the files that the last runs could not read: {"name", "reason"}.

    >>> from types import SimpleNamespace
    >>> skipped_rows(SimpleNamespace(skipped=lambda: [("scan.pdf", "/home/me/scan.pdf has no text")]))
    [{'name': 'scan.pdf', 'reason': 'scan.pdf has no text'}]
    """
    return [{"name": name, "reason": without_paths(reason)} for name, reason in index.skipped()]


def _row(info: DocumentInfo) -> dict[str, Any]:
    return {
        "id": document_id(info.doc_id),
        "name": display_name(info.source or info.doc_id),
        "title": info.title,
        "sentences": info.sentences,
        "date": info.date,
    }
