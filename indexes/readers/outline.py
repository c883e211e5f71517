"""Outline: the structure of a document's text, as sections that tile it.

A reader stores it in ``Document.metadata["outline"]`` (a list of plain dicts, hidden from models); the node parser
removes it. A Document without an outline is one section of kind "text".

``Document.metadata["notes"]`` is an optional list of sentences about the reading ("pages 3, 7 have no text", "the
encoding is a guess") for the report of a run; it is hidden and removed like the outline.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.core.schema import Document

OUTLINE_KEY = "outline"
NOTES_KEY = "notes"
HIDDEN_KEYS = frozenset((OUTLINE_KEY, NOTES_KEY))  # of a Document; never in a node, a prompt or a payload


@dataclass(frozen=True, slots=True)
class Section:
    r"""A part of the text within which a sentence window may lie.

    >>> text = "Care\n\nDry it."
    >>> sections = [Section(0, 6, ("Care",), kind="heading"), Section(6, 13, ("Care",), page=2)]
    >>> [text[section.start : section.end] for section in sections if section.kind == "text"]
    ['Dry it.']

    Args:
        start, end: character offsets in the document's text; sections are in order and do not overlap.
        heading: the heading path, outermost first.
        page: 1-based number of the page or slide, if the format has them.
        kind: "text", "heading", "table" or "code"; each table and code block is a separate section.
        place: position in the file for people: "Prices!2-41" (sheet and rows), "rows 2-41", "lines 10-20", "cell 4",
            "[17]"; "" if there is none.
        caption: caption of a table, which is also in the text before it; "" if there is none.
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
    r"""Create a LlamaIndex Document with its outline (and notes) hidden from embedding models and LLMs.

    >>> document = make_document("a.md", "It rains.", [Section(0, 9, ("Weather",))], {"title": "A"})
    >>> outline_of(document)[0].heading, document.get_content("llm")
    (('Weather',), 'title: A\n\nIt rains.')
    """
    from llama_index.core.schema import Document

    document = Document(
        id_=doc_id,
        text=text,
        # Not dataclasses.asdict: it copies deeply, which is slow for many sections.
        metadata={**metadata, OUTLINE_KEY: [{name: getattr(one, name) for name in _FIELDS} for one in sections]},
    )
    for key in sorted(HIDDEN_KEYS):
        document.excluded_embed_metadata_keys.append(key)
        document.excluded_llm_metadata_keys.append(key)
    return document


def outline_of(document: Document) -> list[Section]:
    """Return the document's sections; one section over the whole text if it has no outline.

    >>> document = make_document("a.md", "It rains.", [Section(0, 9, ("Weather",), page=2)], {})
    >>> outline_of(document)[0].heading
    ('Weather',)
    """
    raw = document.metadata.get(OUTLINE_KEY)
    if not raw:
        return [Section(0, len(document.text))]
    return [Section(**{**item, "heading": tuple(item.get("heading") or ())}) for item in raw]


def notes_of(document: Document) -> list[str]:
    """Return the reader's notes on a document, one sentence each.

    >>> notes_of(make_document("a.pdf", "It rains.", [], {NOTES_KEY: ["page 2 has no text"]}))
    ['page 2 has no text']
    """
    return [str(note) for note in document.metadata.get(NOTES_KEY) or ()]
