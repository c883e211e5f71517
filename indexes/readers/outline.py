"""Outline: the structure a reader found in a document's text, as spans that tile it.

A reader puts it into ``Document.metadata["outline"]`` (a list of plain dicts, hidden from models); the node parser
takes it out again. A Document without an outline is one section of kind "text".

``Document.metadata["notes"]`` is an optional list of sentences about the reading itself ("pages 3, 7 have no text",
"the encoding is a guess"); it is for the report of a run, and hidden and taken out like the outline.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.core.schema import Document

OUTLINE_KEY = "outline"
NOTES_KEY = "notes"
HIDDEN_KEYS = frozenset((OUTLINE_KEY, NOTES_KEY))  # of a Document; they never reach a node, a prompt or a payload


@dataclass(frozen=True, slots=True)
class Section:
    """A run of text that a sentence window may span.

    Args:
        start, end: character offsets into the document's text; sections are in order and do not overlap.
        heading: the heading path, outermost first.
        page: 1-based number of the page, or of the slide, where the format has them.
        kind: "text", "heading", "table" or "code". Tables and code blocks are sections of their own.
        place: where else a reader of the file finds it: "Prices!2-41" (sheet and rows), "rows 2-41", "lines 10-20",
            "cell 4", "[17]"; "" where there is nothing to say.
        caption: a table's caption, "" without one; it stands in the text before the table too.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    kind: str = "text"
    place: str = ""
    caption: str = ""


_FIELDS = tuple(field.name for field in fields(Section))


def make_document(doc_id: str, text: str, sections: list[Section], metadata: dict[str, Any]) -> Document:
    """A LlamaIndex Document that carries its outline (and notes) hidden from embedders and LLMs."""
    from llama_index.core.schema import Document

    document = Document(
        id_=doc_id,
        text=text,
        metadata={**metadata, OUTLINE_KEY: [_as_dict(section) for section in sections]},
    )
    for key in sorted(HIDDEN_KEYS):
        document.excluded_embed_metadata_keys.append(key)
        document.excluded_llm_metadata_keys.append(key)
    return document


def _as_dict(section: Section) -> dict[str, Any]:
    """``dataclasses.asdict`` copies deeply, which takes most of the time of a file with many sections."""
    return {name: getattr(section, name) for name in _FIELDS}


def outline_of(document: Document) -> list[Section]:
    """The document's sections; one plain section over all of the text where it has no outline."""
    raw = document.metadata.get(OUTLINE_KEY)
    if not raw:
        return [Section(0, len(document.text))]
    return [Section(**{**item, "heading": tuple(item.get("heading") or ())}) for item in raw]


def notes_of(document: Document) -> list[str]:
    """What its reader had to say about it, one sentence each."""
    return [str(note) for note in document.metadata.get(NOTES_KEY) or ()]
