"""Which encodings belong to stored sentences: what the cache may hold of a text that is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from indexes.encoders.cache import key_of
from indexes.manifest.manifest import Manifest
from indexes.nodes.record import SentenceRecord, dense_text, place_of
from indexes.store.collection import Collection, document_filter
from indexes.text.invisible import searched

PAGE = 1000
CONTEXTS = ("none", "heading", "title")  # of ``split.contextual``: what was encoded of a sentence


def encoding_keys(payloads: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the keys of all that may have been encoded of stored sentences."""
    for payload in payloads:
        if not payload.get("doc_id") or not isinstance(payload.get("text"), str):
            continue
        record = SentenceRecord.from_payload({"position": 0, **payload})
        texts = {searched(dense_text(record, context)) for context in CONTEXTS}
        for text in texts | {searched(place_of(record))}:
            yield key_of("d", text)
            yield key_of("q", text)


def stored_keys(store: Collection) -> Iterator[bytes]:
    """Yield those of all sentences of a collection."""
    for page in store.pages(PAGE):
        yield from encoding_keys(payload for _, payload in page)


def note_encodings(store: Collection, manifest: Manifest, doc_ids: Sequence[str]) -> None:
    """Note what the encoding cache may hold of documents that are about to be removed."""
    if manifest.path is None:  # no cache belongs to it
        return
    for doc_id in doc_ids:
        for page in store.pages(PAGE, document_filter(doc_id)):
            manifest.note_erased(encoding_keys(payload for _, payload in page))
