"""Outline: the structure a reader found in a document's text, as spans that tile it.

A reader puts it into ``Document.metadata["outline"]`` (a list of plain dicts, hidden from models); the node parser
takes it out again. A Document without an outline is one section of kind "text".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from llama_index.core.schema import Document

OUTLINE_KEY = "outline"


@dataclass(frozen=True, slots=True)
class Section:
    """A run of text that a sentence window may span.

    Args:
        start, end: character offsets into the document's text; sections are in order and do not overlap.
        heading: the heading path, outermost first.
        page: 1-based page number where the format has pages.
        kind: "text", "heading", "table" or "code". Tables and code blocks are sections of their own.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    kind: str = "text"


def make_document(doc_id: str, text: str, sections: list[Section], metadata: dict[str, Any]) -> Document:
    """A LlamaIndex Document that carries its outline hidden from embedders and LLMs."""
    document = Document(
        id_=doc_id,
        text=text,
        metadata={**metadata, OUTLINE_KEY: [asdict(section) for section in sections]},
    )
    document.excluded_embed_metadata_keys.append(OUTLINE_KEY)
    document.excluded_llm_metadata_keys.append(OUTLINE_KEY)
    return document


def outline_of(document: Document) -> list[Section]:
    """The document's sections; one plain section over all of the text where it has no outline."""
    raw = document.metadata.get(OUTLINE_KEY)
    if not raw:
        return [Section(0, len(document.text))]
    return [Section(**{**item, "heading": tuple(item.get("heading") or ())}) for item in raw]
