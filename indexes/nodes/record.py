"""SentenceRecord: the one shape of a stored sentence, from splitter to citation.

It maps to a Qdrant payload (top-level ``text`` and ``metadata``, as LlamaIndex readers of the collection expect)
and to a LlamaIndex ``TextNode`` and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from indexes.readers.names import document_name

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode

NAMESPACE = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")  # RFC 4122's URL namespace
IDS = 1 << 15  # ids kept: those of the windows of some hundred questions
STRUCTURE_KEYS = ("position", "section", "after", "kind", "raw", "head", "parent")  # metadata that no model reads
FILE_KEYS = ("file_name", "file_path", "file_type", "creation_date", "last_modified_date", "sources", "other_names")
WINDOW_KEYS = ("window", "original_text")  # metadata as LlamaIndex's window parser names it; never stored
CUSTOM_WINDOW_KEYS = "window_keys"  # metadata that names other keys of windows, where a user of the parser chose them
CONTEXT_CHARS = 160  # of a heading path before a sentence; the innermost headings are kept


@lru_cache(maxsize=IDS)
def point_id(doc_id: str, position: int) -> str:
    """Return the uuid5 of document id and position: neighbours' ids are computed, not searched.

    By hand, since ``uuid.uuid5`` makes an object first: a question's windows need some hundred ids.

    >>> point_id("handbook/notice.md", 3)
    'fa1f471d-6649-5c34-b35e-b0f2d2a253b4'
    """
    name = f"{doc_id}\n{position}".encode()
    digits = sha1(NAMESPACE + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


@dataclass(slots=True)
class SentenceRecord:
    """One sentence of one document.

    Args:
        doc_id: the document's id (absolute path for files).
        position: 0-based index of the sentence in its document.
        text: the sentence without surrounding white space.
        start, end: character offsets of ``text`` (of ``raw`` where there is one) in the document's extracted text.
            The pieces of a cut sentence overlap: the next one then starts before this one's ``end``.
        after: the white space between this sentence and the next ("" in running Chinese, and where they overlap).
            ``join_records`` gives back the document's text.
        section: number of the run of sentences that a window may span; windows never cross it.
        kind: "text", "table", "code" or "heading".
        raw: what the document says where ``text`` says it otherwise: a table's row in Markdown, where ``text`` is
            "header: value; header: value".
        head: of a table's row, the head and the rule above it in Markdown.
        parent: first and last position of the parent that this child belongs to; the answer reads all of it.
        stored_id: id of a point that another program wrote; ours are made of document and position.
        metadata: what a reader of an answer needs (source, title, heading, page) and the user's own keys.
            ``heading`` is the heading path joined by " > "; ``page`` is 1-based.
    """

    doc_id: str
    position: int
    text: str
    start: int = 0
    end: int = 0
    after: str = ""
    section: int = 0
    kind: str = "text"
    metadata: dict[str, Any] = field(default_factory=dict)
    raw: str | None = None
    head: str | None = None
    parent: tuple[int, int] | None = None
    stored_id: str | None = None

    @property
    def id(self) -> str:
        return self.stored_id or point_id(self.doc_id, self.position)

    @property
    def source(self) -> str:
        return str(self.metadata.get("source", self.doc_id))

    @property
    def heading(self) -> str | None:
        return self.metadata.get("heading")

    @property
    def page(self) -> int | None:
        return self.metadata.get("page")

    def to_payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "text": self.text,
            "metadata": self.metadata,
            "doc_id": self.doc_id,
            "position": self.position,
            "section": self.section,
            "start": self.start,
            "end": self.end,
        }
        if self.after:
            payload["after"] = self.after
        if self.kind != "text":
            payload["kind"] = self.kind
        return payload | self._optional()

    def _optional(self) -> dict[str, Any]:
        """What only rows of tables and children have: nothing of it is stored with other sentences."""
        found = {"raw": self.raw, "head": self.head, "parent": list(self.parent) if self.parent else None}
        return {key: value for key, value in found.items() if value is not None}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> SentenceRecord:
        return cls(
            doc_id=payload["doc_id"],
            position=payload["position"],
            text=payload["text"],
            start=payload.get("start", 0),
            end=payload.get("end", 0),
            after=payload.get("after", ""),
            section=payload.get("section", 0),
            kind=payload.get("kind", "text"),
            metadata=payload.get("metadata") or {},
            raw=payload.get("raw"),
            head=payload.get("head"),
            parent=_pair(payload.get("parent")),
            stored_id=payload.get("stored_id"),
        )

    def to_node(self) -> TextNode:
        """A LlamaIndex TextNode with the same id.

        All metadata is hidden from embedders: the pipeline encodes the sentence alone, and a stock index that embeds
        the node must get the same vector. LLMs see the place (source, title, heading, page) and the user's own keys,
        but neither the structure nor what else is known of the file.
        """
        from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

        return TextNode(
            id_=self.id,
            text=self.text,
            metadata={
                **self.metadata,
                "position": self.position,
                "section": self.section,
                "after": self.after,
                "kind": self.kind,
                **self._optional(),
            },
            excluded_embed_metadata_keys=[*self.metadata, *STRUCTURE_KEYS],
            excluded_llm_metadata_keys=[*STRUCTURE_KEYS, *(key for key in FILE_KEYS if key in self.metadata)],
            start_char_idx=self.start,
            end_char_idx=self.end,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=self.doc_id)},
        )

    @classmethod
    def from_node(cls, node: TextNode, position: int | None = None) -> SentenceRecord:
        """Read back a node. A node of another parser takes its place from ``position`` (its order in the list)."""
        metadata = dict(node.metadata)
        structure = {key: metadata.pop(key) for key in STRUCTURE_KEYS if key in metadata}
        for key in (*WINDOW_KEYS, *metadata.pop(CUSTOM_WINDOW_KEYS, ())):
            metadata.pop(key, None)
        return cls(
            doc_id=node.ref_doc_id or node.node_id,
            position=structure.get("position", position if position is not None else 0),
            text=node.text,
            start=node.start_char_idx or 0,
            end=node.end_char_idx or len(node.text),
            after=structure.get("after", ""),
            section=structure.get("section", 0),
            kind=structure.get("kind", "text"),
            metadata=metadata,
            raw=structure.get("raw"),
            head=structure.get("head"),
            parent=_pair(structure.get("parent")),
        )


def link(node: TextNode, record: SentenceRecord, around: Sequence[SentenceRecord]) -> None:
    """Name the sentences before and after a record in its node, as LlamaIndex's relationships do, where ``around``
    (its window) holds them: a link never leads to what is not there."""
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo

    if record.stored_id:  # another program's point: what is around it was cut from its text
        return
    beside = {(other.doc_id, other.section, other.position): other.id for other in around}
    for kind, step in ((NodeRelationship.PREVIOUS, -1), (NodeRelationship.NEXT, 1)):
        found = beside.get((record.doc_id, record.section, record.position + step))
        if found is not None:
            node.relationships[kind] = RelatedNodeInfo(node_id=found)


def _pair(value: Any) -> tuple[int, int] | None:
    return (int(value[0]), int(value[1])) if value else None


def join_records(records: Sequence[SentenceRecord]) -> str:
    """The text of consecutive records of one document, as the document has it.

    What the pieces of a cut sentence have in common is told once, and rows of a table stand under its head, wherever
    the records begin. White space at both ends is left out.
    """
    parts: list[str] = []
    last: SentenceRecord | None = None
    before = ""
    for record in records:
        text = record.text if record.raw is None else record.raw
        overlap = 0
        if last is not None and last.doc_id == record.doc_id and last.start < record.start < last.end:
            overlap = last.end - record.start
            overlap = overlap if text.startswith(before[-overlap:]) else 0  # offsets of a foreign parser may be wrong
        if record.head is not None and (last is None or last.head != record.head):
            parts.append(f"{record.head}\n")
        parts += (text[overlap:], record.after)
        last, before = record, text
    return "".join(parts).strip()


def dense_text(record: SentenceRecord, contextual: str) -> str:
    """What the dense side encodes of a record: the sentence, behind its heading path or its document's title.

    Args:
        contextual: "heading" (the title where there is no heading), "title" or "none" (``settings.split.contextual``).
            Rows of tables and headings say where they stand already.
    """
    if contextual == "none":
        return record.text
    title = str(record.metadata.get("title") or "")
    if contextual == "title":
        context = title
    elif record.kind in ("table", "heading") and record.heading:
        return record.text
    else:
        context = record.heading or title
    while len(context) > CONTEXT_CHARS and " > " in context:
        context = context.partition(" > ")[2]
    return f"{context[:CONTEXT_CHARS]}\n{record.text}" if context else record.text


def place_of(record: SentenceRecord) -> str:
    """Return the document's name and the heading path that a sentence stands under; "" where there is neither."""
    name, heading = document_name(record.metadata), record.heading or ""
    if name and name in heading.split(" > "):
        name = ""
    return "\n".join(part for part in (name, heading[-2 * CONTEXT_CHARS :]) if part)
