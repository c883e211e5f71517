"""The encodings of stored sentences: the cache entries to erase with a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from indexes.encoders.cache.vectors import IN_PASSAGE, QUESTIONS, key_of, passage_text
from indexes.manifest.manifest import Manifest
from indexes.nodes.passages import passages_of
from indexes.nodes.record import SentenceRecord, dense_text, place_of
from indexes.store.collection import Collection, document_filter
from indexes.text.invisible import searched

PAGE = 1000
PASSAGE_SIZES = "passage_sizes"  # in a collection's record
CONTEXTS = ("none", "heading", "title")  # values of ``split.contextual`` with which a sentence may have been encoded


def _encoding_keys(payloads: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the cache keys of all texts that may have been encoded for stored sentences."""
    for payload in payloads:
        if not payload.get("doc_id") or not isinstance(payload.get("text"), str):
            continue
        record = SentenceRecord.from_payload({"position": 0, **payload})
        texts = {searched(dense_text(record, context)) for context in CONTEXTS}
        for text in texts | {searched(place_of(record))}:
            yield key_of("d", text)
            for kind in QUESTIONS:
                yield key_of(kind, text)


def _passage_keys(payloads: Iterable[dict[str, Any]], sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield the cache keys of the passages of one document.

    Args:
        payloads: all sentences of the document.
        sizes: passage sizes that the collection has ever had (``PASSAGE_SIZES`` in its record).
    """
    found = [SentenceRecord.from_payload({"position": 0, **payload}) for payload in payloads if payload.get("doc_id")]
    records = sorted(found, key=lambda record: record.position)
    for size in sizes:
        for passage in passages_of(records, size):
            yield key_of("d", passage.text)
            for start, end in passage.spans:
                yield key_of(IN_PASSAGE, passage_text(passage.text, start, end))


def stored_keys(store: Collection) -> Iterator[bytes]:
    """Yield the cache keys of all sentences of a collection."""
    for page in store.pages(PAGE):
        yield from _encoding_keys(payload for _, payload in page)
    sizes = _sizes(store)
    for document in store.documents() if sizes else ():
        yield from _passage_keys(_payloads(store, document.doc_id), sizes)


def note_encodings(store: Collection, manifest: Manifest, doc_ids: Sequence[str]) -> None:
    """Record the cache keys of documents that are about to be removed."""
    if manifest.path is None:  # it has no cache
        return
    sizes = _sizes(store)
    for doc_id in doc_ids:
        for page in store.pages(PAGE, document_filter(doc_id)):
            manifest.note_erased(_encoding_keys(payload for _, payload in page))
        if sizes:
            manifest.note_erased(_passage_keys(_payloads(store, doc_id), sizes))


def note_passage_size(store: Collection, size: int) -> None:
    """Record a passage size before the first passage of that size is encoded.

    >>> from types import SimpleNamespace
    >>> record = {PASSAGE_SIZES: [300]}
    >>> store = SimpleNamespace(record=lambda: record, set_record=lambda **values: record.update(values))
    >>> note_passage_size(store, 150)
    >>> record
    {'passage_sizes': [150, 300]}
    """
    sizes = _sizes(store)
    if size and size not in sizes:
        store.set_record(**{PASSAGE_SIZES: sorted([*sizes, size])})


def _sizes(store: Collection) -> list[int]:
    return list(store.record().get(PASSAGE_SIZES) or ())


def _payloads(store: Collection, doc_id: str) -> Iterator[dict[str, Any]]:
    for page in store.pages(PAGE, document_filter(doc_id)):
        yield from (payload for _, payload in page)
