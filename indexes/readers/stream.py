"""Documents in parts, so that a long text need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexes.readers.outline import OUTLINE_KEY, Section, make_document, outline_of

if TYPE_CHECKING:
    from llama_index.core.schema import Document

PART_CHARS = 1 << 18  # characters of a part


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document's text.

    >>> parts = [Part("It rains. ", [Section(0, 21)]), Part("We stay in.")]
    >>> DocumentStream("a.txt", {}, iter(parts)).document().text
    'It rains. We stay in.'

    Args:
        text: continues the text of the previous part.
        sections: sections that begin in it, in order, with offsets in the whole text; they may end in a later part.
    """

    text: str
    sections: Sequence[Section] = ()


@dataclass(slots=True)
class DocumentStream:
    """A Document whose text comes in parts. ``parts`` can be iterated once.

    >>> stream = DocumentStream("a.txt", {"title": "Rain"}, iter([Part("It "), Part("rains.")]))
    >>> document = stream.document()
    >>> document.id_, document.text, document.metadata["title"]
    ('a.txt', 'It rains.', 'Rain')

    Args:
        doc_id: id of the document.
        metadata: metadata without the outline.
        parts: the parts, in order.
    """

    doc_id: str
    metadata: dict[str, Any]
    parts: Iterator[Part]

    def document(self) -> Document:
        """Return the whole document."""
        parts = list(self.parts)
        sections = [section for part in parts for section in part.sections]
        return make_document(self.doc_id, "".join(part.text for part in parts), sections, self.metadata)


def stream_of(document: Document | DocumentStream, *, size: int | None = None) -> DocumentStream:
    """Return a Document as a stream of parts of ``size`` characters; by default one part, without copying the text.

    >>> from llama_index.core.schema import Document
    >>> [part.text for part in stream_of(Document(text="It rains."), size=5).parts]
    ['It ra', 'ins.']
    """
    if isinstance(document, DocumentStream):
        return document
    metadata = {key: value for key, value in document.metadata.items() if key != OUTLINE_KEY}
    text = document.text
    return DocumentStream(document.node_id, metadata, parts_of(text, outline_of(document), size or len(text) or 1))


def parts_of(text: str, sections: Sequence[Section], size: int = PART_CHARS) -> Iterator[Part]:
    """Divide a text with ordered sections into parts of ``size`` characters.

    >>> list(parts_of("abc", [Section(0, 3)], 2))[0].text
    'ab'
    """
    first = 0
    for start in range(0, len(text), size):
        last = first
        while last < len(sections) and sections[last].start < start + size:
            last += 1
        yield Part(text[start : start + size], sections[first:last])
        first = last
    if first < len(sections):  # empty sections at the end
        yield Part("", sections[first:])
