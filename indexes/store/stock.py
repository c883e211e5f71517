"""Read collections that LlamaIndex's ``QdrantVectorStore`` created.

Their points are converted to the payloads of our sentences here, so that the rest of the house can use them like its
own. The window of a hit is the ``window`` in its metadata, written by LlamaIndex's parser; without it, the node alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast
from uuid import NAMESPACE_URL, uuid5

from indexes.display import Bilingual
from indexes.encoders.base import Fingerprint
from indexes.errors import FingerprintMismatchError, StoreError
from indexes.nodes.record import WINDOW_KEYS, SentenceRecord
from indexes.registry import later
from indexes.store import models
from indexes.store.collection import PAGE, Collection, DocumentInfo, document_filter
from indexes.store.engine import SPARSE, Engine
from indexes.store.filters import to_qdrant_filter
from indexes.store.search import HybridHit

if TYPE_CHECKING:
    import numpy as np
    from llama_index.core.schema import BaseNode
    from numpy.typing import NDArray
else:
    np = later("numpy")

MIDDLE = 1 << 20  # position of a hit in its own window; sentences before it count down from there
SPARSE_NAMES = ("text-sparse-new", "text-sparse")
SparseQueryFunction = Callable[[list[str]], tuple[list[list[int]], list[list[float]]]]


def is_stock(collection: Collection) -> bool:
    """Return whether a program other than RagWright created the collection.

    >>> from types import SimpleNamespace
    >>> is_stock(SimpleNamespace(record=lambda: {})), is_stock(SimpleNamespace(record=lambda: {"schema": 1}))
    (True, False)
    """
    return not collection.record()


class StockCollection(Collection):
    """A collection created by LlamaIndex, dense or hybrid.

    Args:
        sparse_query_fn: computes sparse vectors of questions, as in the store that filled the collection; without it,
            only the dense leg of a hybrid collection is searched.
        window_key, text_key: metadata keys of a node's window and of its sentence.

    Raises:
        StoreError: no dense vector, or several and none with LlamaIndex's name.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        sparse_query_fn: SparseQueryFunction | None = None,
        window_key: str = WINDOW_KEYS[0],
        text_key: str = WINDOW_KEYS[1],
    ) -> None:
        super().__init__(engine, name)
        self.sparse_query_fn = sparse_query_fn
        self._keys = window_key, text_key
        params = engine.calls.get_collection(name).config.params
        dense, there = params.vectors or {}, list(params.sparse_vectors or {})
        sizes = {"": dense.size} if not isinstance(dense, dict) else {key: one.size for key, one in dense.items()}
        if (len(sizes) > 1 and "text-dense" not in sizes) or not sizes:
            raise StoreError(
                f"collection {name!r} has the dense vectors {', '.join(sizes) or 'none'}, and not one of LlamaIndex's",
                remedy="open a collection that LlamaIndex's QdrantVectorStore made",
            )
        self.dense_name = "text-dense" if len(sizes) > 1 else next(iter(sizes))
        self.sparse_name = next((key for key in (*SPARSE_NAMES, *there) if key in there), SPARSE)
        self.dim = sizes[self.dense_name]
        self._hybrid = bool(there)
        if sparse_query_fn is not None and not there:
            raise StoreError(
                f"collection {name!r} has no sparse vectors, so sparse_query_fn cannot be used",
                remedy="open it without sparse_query_fn",
            )

    # ---- record and properties ----

    def keeps_lengths(self) -> bool:
        """Return False: LlamaIndex stores each node as its model read it."""
        return False

    @property
    def one_leg(self) -> str | None:
        if not self._hybrid or self.sparse_query_fn is not None:
            return None
        return Bilingual(
            "the collection's sparse vectors come from a custom function, so only the dense leg was searched "
            "(pass that function to open_index as sparse_query_fn=)",
            "集合的稀疏向量来自自定义函数，因此只检索了稠密一路（请把该函数作为 sparse_query_fn= 传给 open_index）",
        )

    def has_sparse(self) -> bool:
        return self.sparse_query_fn is not None

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        if fingerprint.dim != self.dim:
            raise FingerprintMismatchError(
                f"collection {self.name!r} has vectors of {self.dim} dimensions, but {fingerprint.model!r} has "
                f"{fingerprint.dim}",
                remedy="name the embedding model that filled it (encoder=)",
            )

    # ---- reading ----

    def hybrid_searches(self, *arguments: Any, filters: Any = None, **options: Any) -> list[list[HybridHit]]:
        if filters is not None and not models.is_filter(filters):
            filters = _flat(to_qdrant_filter(filters))
        found = super().hybrid_searches(*arguments, filters=filters, **options)
        for hits in found:
            for hit in hits:
                hit.payload = self._ours(hit.id, hit.payload)
        return found

    def payloads(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {key: self._ours(key, found) for key, found in super().payloads(ids).items()}

    def pages(
        self, size: int, filters: models.Filter | None = None, *, payload: bool | list[str] = True
    ) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        for page in super().pages(size, _flat(filters), payload=bool(payload)):
            yield [(key, self._ours(key, found) if payload else {}) for key, found in page]

    def sample(self, limit: int) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
        records, _ = self.engine.calls.scroll(self.name, limit=limit, with_payload=True, with_vectors=True)
        vectors = np.asarray(list(map(self.dense_of, records)), np.float32).reshape(len(records), self.dim)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        payloads = [self._ours(str(record.id), record.payload or {}) for record in records]
        return payloads, vectors / np.maximum(lengths, 1e-12)

    def document(self, doc_id: str) -> list[SentenceRecord]:
        """Return the nodes of one document, ordered by their links to the previous node."""
        pages = super().pages(PAGE, document_filter(doc_id))
        found = {key: _node(key, payload) for page in pages for key, payload in page}
        followed = {node.prev_node.node_id for node in found.values() if node.prev_node} & set(found)
        after = {node.prev_node.node_id: key for key, node in found.items() if node.prev_node}
        firsts = [key for key, node in found.items() if node.prev_node is None or node.prev_node.node_id not in found]
        ordered: list[str] = []
        for first in sorted(firsts, key=lambda key: getattr(found[key], "start_char_idx", None) or 0):
            ordered.append(first)
            while ordered[-1] in followed:
                ordered.append(after[ordered[-1]])
        ordered += sorted(set(found) - set(ordered))  # nodes with broken links
        return [SentenceRecord.from_payload(self._of_node(key, found[key])) for key in ordered]

    def documents(self) -> Iterator[DocumentInfo]:
        """Yield the documents, ordered by id; scans all points, as the first of a document is not known."""
        found: dict[str, tuple[dict[str, Any], int]] = {}
        for page in self.pages(PAGE):
            for _, payload in page:
                first, count = found.get(payload["doc_id"], (payload, 0))
                found[payload["doc_id"]] = first, count + 1
        for doc_id, (payload, count) in sorted(found.items()):
            metadata = payload["metadata"]
            yield DocumentInfo(doc_id, str(metadata.get("source", doc_id)), str(metadata.get("title") or ""), count)

    def windows(self, records: Sequence[SentenceRecord], window: int) -> dict[str, list[SentenceRecord]]:
        """Return the windows stored in the nodes, whatever ``window`` is; for 0, each node alone."""
        if not window or not records:
            return {record.id: [record] for record in records}
        stored = super().payloads([record.id for record in records])
        return {
            record.id: self._window(record, stored[record.id]) if record.id in stored else [record]
            for record in records
        }

    def _window(self, record: SentenceRecord, payload: dict[str, Any]) -> list[SentenceRecord]:
        window = str(_node(record.id, payload).metadata.get(self._keys[0]) or "")
        at = window.find(record.text)
        if at < 0:
            return [record]
        end = at + len(record.text)
        before, after = _sentences(window[:at]), _sentences(window[end:])
        space = window[end : len(window) - len(window[end:].lstrip())]
        record.after = space
        parts = [*((text, gap, place - len(before)) for place, (text, gap) in enumerate(before))]
        parts += [(text, gap, place) for place, (text, gap) in enumerate(after, 1)]
        around = [_beside(record, text, record.position + place, gap) for text, gap, place in parts]
        return sorted([*around, record], key=lambda one: one.position)

    def _ours(self, identity: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Convert a payload to that of one of our sentences."""
        return self._of_node(identity, _node(identity, payload))

    def _of_node(self, identity: str, node: BaseNode) -> dict[str, Any]:
        from llama_index.core.schema import MetadataMode

        metadata = {key: value for key, value in node.metadata.items() if key not in self._keys}
        if "source" not in metadata and (source := metadata.get("file_path") or metadata.get("file_name")):
            metadata["source"] = source
        text = node.get_content(MetadataMode.NONE).strip()
        start = getattr(node, "start_char_idx", None) or 0
        return {
            "text": text,
            "metadata": metadata,
            "doc_id": node.ref_doc_id or identity,
            "position": MIDDLE,
            "section": uuid5(NAMESPACE_URL, identity).int >> 96,  # one section per node: their order is not known
            "start": start,
            "end": getattr(node, "end_char_idx", None) or start + len(text),
            "stored_id": identity,
        }

    def as_vector_store(self) -> Any:
        """Return LlamaIndex's own store over the collection."""
        from llama_index.vector_stores.qdrant import QdrantVectorStore

        function = self.sparse_query_fn
        sparse: dict[str, Any] = (
            {"enable_hybrid": True, "sparse_doc_fn": function, "sparse_query_fn": function} if function else {}
        )
        return QdrantVectorStore(
            self.name,
            client=cast(Any, self.engine.client),
            dense_vector_name=self.dense_name,
            sparse_vector_name=self.sparse_name if self._hybrid else None,
            **sparse,
        )

    # ---- writing: rejected ----

    def check_writable(self) -> None:
        raise StoreError(
            f"collection {self.name!r} was created by LlamaIndex's QdrantVectorStore and is read-only here",
            remedy="build a new one from the documents: build_index(source, collection='another name')",
        )

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        self.check_writable()
        raise AssertionError

    put = delete_document = delete_points = delete_where = set_metadata = set_record = _refuse

    def flush(self) -> None:
        """Do nothing: nothing was written."""


def _node(identity: str, payload: dict[str, Any]) -> BaseNode:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.utils import legacy_metadata_dict_to_node, metadata_dict_to_node

    try:
        return metadata_dict_to_node(payload)
    except (ValueError, KeyError, json.JSONDecodeError):  # older stores, or points of other programs
        metadata, info, relationships = legacy_metadata_dict_to_node(payload)
        return TextNode(
            id_=identity,
            text=str(payload.get("text") or ""),
            metadata=metadata,
            start_char_idx=info.get("start"),
            end_char_idx=info.get("end"),
            relationships=relationships,
        )


def _sentences(text: str) -> list[tuple[str, str]]:
    """Split a part of a window into (sentence, white space after it)."""
    from indexes.text.sentences import split_sentences

    spans = split_sentences(text)
    if not spans:
        return []
    ends = [span.start for span in spans[1:]] + [len(text)]
    return [(text[span.start : span.end], text[span.end : end]) for span, end in zip(spans, ends, strict=True)]


def _beside(record: SentenceRecord, text: str, position: int, after: str) -> SentenceRecord:
    """Return a record for a sentence of a hit's window, whose place in the document is not known."""
    identity = str(uuid5(NAMESPACE_URL, f"{record.id}\n{position}"))
    return SentenceRecord(
        record.doc_id,
        position,
        text,
        after=after,
        section=record.section,
        metadata=record.metadata,
        stored_id=identity,
    )


def _flat(chosen: Any) -> Any:
    """Convert a filter of ours for payloads with metadata at the top level."""
    if chosen is None:
        return None
    from qdrant_client.http.models import Filter

    from indexes.store.models.as_qdrant import to_qdrant

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: found.removeprefix("metadata.") if key == "key" and isinstance(found, str) else walk(found)
                for key, found in value.items()
            }
        return [walk(item) for item in value] if isinstance(value, list) else value

    return Filter.model_validate(walk(to_qdrant(chosen).model_dump(exclude_none=True)))
