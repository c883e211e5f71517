"""SentenceRecord: the form of a stored sentence, from splitter to citation.

It converts to a Qdrant payload (top-level ``text`` and ``metadata``, as LlamaIndex readers of the collection expect)
and to a LlamaIndex ``TextNode``, and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode

NAMESPACE = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")  # RFC 4122's URL namespace
IDS = 1 << 15  # cached ids: those of the windows of some hundred questions
STRUCTURE_KEYS = ("position", "section", "after", "kind", "raw", "head", "parent")  # metadata hidden from models
FILE_KEYS = ("file_name", "file_path", "file_type", "creation_date", "last_modified_date", "sources", "other_names")
WINDOW_KEYS = ("window", "original_text")  # metadata keys of LlamaIndex's window parser; never stored
CUSTOM_WINDOW_KEYS = "window_keys"  # metadata key that lists the keys chosen by a user of the parser
CONTEXT_CHARS = 160  # longest heading path before a sentence; the innermost headings are kept


@lru_cache(maxsize=IDS)
def point_id(doc_id: str, position: int) -> str:
    """Return the id of a sentence: the uuid5 of document id and position, so that ids of neighbours are computed.

    Implemented without ``uuid.uuid5``, which creates an object first: the windows of a question need some hundred ids.

    >>> point_id("handbook/notice.md", 3)
    'fa1f471d-6649-5c34-b35e-b0f2d2a253b4'
    """
    name = f"{doc_id}\n{position}".encode()
    digits = sha1(NAMESPACE + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


@dataclass(slots=True)
class SentenceRecord:
    """A sentence of a document.

    >>> record = SentenceRecord("notice.md", 3, "Dry it.", metadata={"heading": "Care > Drying", "page": 2})
    >>> record.heading, record.page, record.to_payload()["position"]
    ('Care > Drying', 2, 3)

    Args:
        doc_id: id of the document (absolute path for files).
        position: 0-based index of the sentence in its document.
        text: the sentence without surrounding white space.
        start, end: character offsets of ``text`` (or of ``raw``) in the document's extracted text. Pieces of a cut
            sentence overlap: the next one starts before this one's ``end``.
        after: white space between this sentence and the next ("" in running Chinese, and if they overlap), by which
            ``join_records`` restores the document's text.
        section: number of the section; windows do not cross its ends.
        kind: "text", "table", "code" or "heading".
        raw: the document's own wording if ``text`` differs: the row of a table in Markdown, for which ``text`` is
            "header: value; header: value".
        head: Markdown head and rule of the table, for a row.
        parent: positions of the first and last child of this child's parent, all of which the answer reads.
        stored_id: id of a point written by another program; ours are computed from document and position.
        metadata: source, title, heading (path joined by " > "), page (1-based), and the user's own keys.
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
        """Return the fields that only rows of tables and children have."""
        found = {"raw": self.raw, "head": self.head, "parent": list(self.parent) if self.parent else None}
        return {key: value for key, value in found.items() if value is not None}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> SentenceRecord:
        get = payload.get  # in the order of the fields: a question reads a hundred payloads
        return cls(
            payload["doc_id"],
            payload["position"],
            payload["text"],
            get("start", 0),
            get("end", 0),
            get("after", ""),
            get("section", 0),
            get("kind", "text"),
            get("metadata") or {},
            get("raw"),
            get("head"),
            _pair(get("parent")),
            get("stored_id"),
        )

    def to_node(self) -> TextNode:
        """Convert to a LlamaIndex TextNode with the same id.

        All metadata are hidden from embedding models: the pipeline encodes only the sentence, and a stock index that
        embeds the node must get the same vector. LLMs see the place (source, title, heading, page) and the user's own
        keys, but not the structure or other facts about the file.
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
        """Convert a node back; ``position`` is the position of a node from another parser."""
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
    """Set the PREVIOUS and NEXT relationships of a record's node, if ``around`` (its window) has these sentences.

    >>> records = [SentenceRecord("a.md", at, text) for at, text in enumerate(["It rains.", "We stay.", "Tea is hot."])]
    >>> node = records[1].to_node()
    >>> link(node, records[1], records)
    >>> node.next_node.node_id == records[2].id
    True
    """
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo

    if record.stored_id:  # another program's point, whose window is not stored as sentences
        return
    beside = {(other.doc_id, other.section, other.position): other.id for other in around}
    for kind, step in ((NodeRelationship.PREVIOUS, -1), (NodeRelationship.NEXT, 1)):
        found = beside.get((record.doc_id, record.section, record.position + step))
        if found is not None:
            node.relationships[kind] = RelatedNodeInfo(node_id=found)


def _pair(value: Any) -> tuple[int, int] | None:
    return (int(value[0]), int(value[1])) if value else None


def join_records(records: Sequence[SentenceRecord]) -> str:
    """Return the document's text for consecutive records of one document, without white space at the ends.

    Overlaps of a cut sentence's pieces appear once, and rows of a table follow its head, wherever the records begin.

    >>> join_records([SentenceRecord("a.md", 0, "It rains.", after=" "), SentenceRecord("a.md", 1, "We stay in.")])
    'It rains. We stay in.'
    """
    parts: list[str] = []
    last: SentenceRecord | None = None
    before = ""
    for record in records:
        text = record.text if record.raw is None else record.raw
        overlap = 0
        if last is not None and last.doc_id == record.doc_id and last.start < record.start < last.end:
            overlap = last.end - record.start
            overlap = overlap if text.startswith(before[-overlap:]) else 0  # offsets of another parser may be wrong
        if record.head is not None and (last is None or last.head != record.head):
            parts.append(f"{record.head}\n")
        parts += (text[overlap:], record.after)
        last, before = record, text
    return "".join(parts).strip()


def dense_text(record: SentenceRecord, contextual: str) -> str:
    r"""Return the text that the dense side encodes: the sentence after its heading path or its document's title.

    >>> dense_text(SentenceRecord("a.md", 0, "Dry it.", metadata={"heading": "Care > Drying"}), "heading")
    'Care > Drying\nDry it.'

    Args:
        contextual: "heading" (without a heading: the title), "title" or "none" (``settings.split.contextual``).
            Rows of tables and headings already include their heading.
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
    r"""Return the document's name and the heading path of a sentence on two lines; "" if it has neither.

    >>> place_of(SentenceRecord("a.md", 0, "Dry it.", metadata={"title": "Handbook", "heading": "Care > Drying"}))
    'Handbook\nCare > Drying'
    """
    from indexes.readers.names import document_name

    name, heading = document_name(record.metadata), record.heading or ""
    if name and name in heading.split(" > "):
        name = ""
    return "\n".join(part for part in (name, heading[-2 * CONTEXT_CHARS :]) if part)
