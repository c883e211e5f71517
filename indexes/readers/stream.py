"""Documents that come in parts, so that nobody has to hold a long text whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexes.readers.outline import OUTLINE_KEY, Section, make_document, outline_of

if TYPE_CHECKING:
    from llama_index.core.schema import Document

PART_CHARS = 1 << 18  # of text in one part


@dataclass(frozen=True, slots=True)
class Part:
    """The next stretch of a document's text.

    Args:
        text: goes on where the part before it ended.
        sections: those that begin in it, in order, with their offsets in the whole text; they may end in a later part.
    """

    text: str
    sections: Sequence[Section] = ()


@dataclass(slots=True)
class DocumentStream:
    """A Document whose text comes in parts. ``parts`` can be walked once.

    Args:
        metadata: as a Document's, without the outline.
    """

    doc_id: str
    metadata: dict[str, Any]
    parts: Iterator[Part]

    def document(self) -> Document:
        """All of it in one Document."""
        parts = list(self.parts)
        sections = [section for part in parts for section in part.sections]
        return make_document(self.doc_id, "".join(part.text for part in parts), sections, self.metadata)


def stream_of(document: Document | DocumentStream, *, size: int | None = None) -> DocumentStream:
    """A Document as a stream: of parts of ``size`` characters; by default of one part, its text not copied."""
    if isinstance(document, DocumentStream):
        return document
    metadata = {key: value for key, value in document.metadata.items() if key != OUTLINE_KEY}
    text = document.text
    return DocumentStream(document.node_id, metadata, parts_of(text, outline_of(document), size or len(text) or 1))


def parts_of(text: str, sections: Sequence[Section], size: int = PART_CHARS) -> Iterator[Part]:
    """A text in memory, with sections in order, in parts of ``size`` characters."""
    first = 0
    for start in range(0, len(text), size):
        last = first
        while last < len(sections) and sections[last].start < start + size:
            last += 1
        yield Part(text[start : start + size], sections[first:last])
        first = last
    if first < len(sections):  # empty ones at the end
        yield Part("", sections[first:])
