"""SentenceRecord: the one shape of a stored sentence, from splitter to citation.

It maps to a Qdrant payload (top-level ``text`` and ``metadata``, as LlamaIndex readers of the collection expect)
and to a LlamaIndex ``TextNode`` and back.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's URL namespace
STRUCTURE_KEYS = ("position", "section", "after", "kind")  # node metadata that no model reads


def point_id(doc_id: str, position: int) -> str:
    """uuid5 of document id and position: neighbours' ids are computed, not searched."""
    return str(uuid.uuid5(NAMESPACE, f"{doc_id}\n{position}"))


@dataclass(slots=True)
class SentenceRecord:
    """One sentence of one document.

    Args:
        doc_id: the document's id (absolute path for files).
        position: 0-based index of the sentence in its document.
        text: the sentence without surrounding white space.
        start, end: character offsets of ``text`` in the document's extracted text.
        after: the white space between this sentence and the next ("" in running Chinese): joining ``text + after``
            of consecutive records gives back the document's text.
        section: number of the run of sentences that a window may span; windows never cross it.
        kind: "text", "table", "code" or "heading".
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

    @property
    def id(self) -> str:
        return point_id(self.doc_id, self.position)

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
        return payload

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
        )

    def to_node(self) -> TextNode:
        """A LlamaIndex TextNode with the same id.

        All metadata is hidden from embedders: the pipeline encodes the sentence alone, and a stock index that embeds
        the node must get the same vector. LLMs see the place (source, title, heading, page), not the structure.
        """
        return TextNode(
            id_=self.id,
            text=self.text,
            metadata={
                **self.metadata,
                "position": self.position,
                "section": self.section,
                "after": self.after,
                "kind": self.kind,
            },
            excluded_embed_metadata_keys=[*self.metadata, *STRUCTURE_KEYS],
            excluded_llm_metadata_keys=[*STRUCTURE_KEYS],
            start_char_idx=self.start,
            end_char_idx=self.end,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=self.doc_id)},
        )

    @classmethod
    def from_node(cls, node: TextNode, position: int | None = None) -> SentenceRecord:
        """Read back a node. A node of another parser takes its place from ``position`` (its order in the list)."""
        metadata = dict(node.metadata)
        structure = {key: metadata.pop(key) for key in STRUCTURE_KEYS if key in metadata}
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
        )
