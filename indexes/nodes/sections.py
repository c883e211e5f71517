"""The outline of a document as runs of text that one window may span, and what every record of a run carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core.schema import Document

from indexes.nodes.record import SentenceRecord
from indexes.readers.outline import HIDDEN_KEYS, Section


def plain_metadata(document: Document) -> dict[str, Any]:
    """A document's metadata without what is for the splitter and the report alone."""
    return {key: value for key, value in document.metadata.items() if key not in HIDDEN_KEYS}


def section_metadata(base: dict[str, Any], section: Section) -> dict[str, Any]:
    metadata = dict(base)
    if section.heading:
        metadata["heading"] = " > ".join(section.heading)
    if section.page is not None:
        metadata["page"] = section.page
    if section.place:
        metadata["place"] = section.place
    return metadata


def runs(text: str, sections: Sequence[Section]) -> Iterator[tuple[int, list[Section]]]:
    """Sections to index, as (index of the first, sections): text that differs only in its page is one run."""
    told = headings_told(text, sections)
    index = 0
    run: list[Section] = []
    for i, section in enumerate(sections):
        if i in told:
            continue
        last = run[-1] if run else None
        if (
            last is not None
            and section.kind == last.kind == "text"
            and section.heading == last.heading
            and section.page != last.page
            and section.start >= last.end
            and not text[last.end : section.start].strip()
        ):
            run.append(section)
            continue
        if run:
            yield index, run
        index, run = i, [section]
    if run:
        yield index, run


def headings_told(text: str, sections: Sequence[Section]) -> set[int]:
    """Indexes of the headings that the path of some body below them names."""
    told: set[int] = set()
    body: tuple[str, ...] = ()
    for i in range(len(sections) - 1, -1, -1):
        section = sections[i]
        if section.kind != "heading":
            if section.end > section.start and text[section.start : section.start + 200].strip():
                body = section.heading
        elif section.heading and body[: len(section.heading)] == section.heading:
            told.add(i)
        else:
            body = section.heading
    return told


def in_order(text: str, drafts: Iterator[SentenceRecord]) -> Iterator[SentenceRecord]:
    """Number the records of one document from 0, and give each the white space that follows it."""
    waiting: SentenceRecord | None = None
    for position, record in enumerate(drafts):
        record.position = position
        if waiting is not None:
            waiting.after = _leading_space(text[waiting.end : record.start])
            yield waiting
        waiting = record
    if waiting is not None:
        waiting.after = _leading_space(text[waiting.end :])
        yield waiting


def _leading_space(gap: str) -> str:
    """The white space that follows a sentence; what else lies in the gap (a heading told by the path) is not its."""
    return gap[: len(gap) - len(gap.lstrip())]
