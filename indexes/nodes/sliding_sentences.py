"""Split a run of sections into sentences while its text streams by, and number the records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from indexes.nodes.record import SentenceRecord
from indexes.nodes.sliding_text import LOOK_AHEAD, TextRun, TextWindow
from indexes.readers.outline import HIDDEN_KEYS, Section
from indexes.readers.stream import DocumentStream, stream_of
from indexes.text.lines import LIST_MARK, Paragraph, after_space
from indexes.text.sentences import LONGEST, Span, walk_cuts, walk_sentences
from indexes.text.units import MARKS_CHARS, UNIT_CHARS, is_fragment, is_label, is_numbers, says_nothing

if TYPE_CHECKING:
    from llama_index.core.schema import Document

AT_ONCE = 2 * LONGEST  # characters processed together: the longest sentence, and the text after it


def window_of(document: Document | DocumentStream) -> tuple[TextWindow, str, dict[str, Any]]:
    """Return a document's text, its id, and its metadata without the keys for splitter and report.

    >>> from llama_index.core.schema import Document
    >>> window, doc_id, base = window_of(Document(text="It rains.", id_="a.md", metadata={"source": "a.md"}))
    >>> window.slice(3, 8), doc_id, base
    ('rains', 'a.md', {'source': 'a.md'})
    """
    stream = stream_of(document)
    base = {key: value for key, value in stream.metadata.items() if key not in HIDDEN_KEYS}
    return TextWindow(stream.parts), stream.doc_id, base


def section_metadata(base: dict[str, Any], section: Section) -> dict[str, Any]:
    """Return the metadata of a section's sentences: ``base`` with heading, page and place.

    >>> section_metadata({"source": "a.md"}, Section(0, 9, ("Care", "Drying"), page=2))
    {'source': 'a.md', 'heading': 'Care > Drying', 'page': 2}
    """
    metadata = dict(base)
    if section.heading:
        metadata["heading"] = " > ".join(section.heading)
    if section.page is not None:
        metadata["page"] = section.page
    if section.place:
        metadata["place"] = section.place
    return metadata


def spans_of(window: TextWindow, run: TextRun, *, keep: int = 0) -> Iterator[tuple[str, int, Span]]:
    """Yield the sentences of a run (for code: parts of it) with the surrounding text.

    >>> from llama_index.core.schema import Document
    >>> from indexes.nodes.sliding_text import iter_runs
    >>> window, _, _ = window_of(Document(text="It rains. We stay in."))
    >>> [text[span.start : span.end] for text, _, span in spans_of(window, next(iter_runs(window)))]
    ['It rains.', 'We stay in.']

    Args:
        keep: characters before a sentence that must stay in the text.

    Yields:
        (text, offset of its first character in the document, span in the text). Texts are as short as possible; spans
        of one text are in order, and later texts begin later.
    """
    begin, at_once = run.start, AT_ONCE
    state: Paragraph | None = None
    base = window.base
    while True:
        window.let_go(begin - keep)
        window.reach(begin + at_once)
        while run.end <= window.end and run.grow():
            pass
        window.reach(min(run.end, begin + at_once) + LOOK_AHEAD)
        last = run.end <= window.end and (window.over or run.end + LOOK_AHEAD <= window.end) and not run.grow()
        if state is not None:
            state.shift(window.base - base)
        text, base = window.text, window.base
        start, stop = begin - base, min(run.end, window.end) - base
        kept = state.copy() if state else None
        if run.first.kind == "code":
            walk = walk_cuts(text, start, stop)
        else:
            state = state or Paragraph(after_space(text, start, stop))
            walk = walk_sentences(text, start, stop, state)
        for first, end, following in walk:
            if not last and following > len(text) - LOOK_AHEAD:
                break  # more text might change the sentence
            yield text, base, Span(first, end)
            start = following
            if state is not None and not last:
                kept = state.copy()
        if last:
            return
        at_once = AT_ONCE if start + base > begin else 2 * at_once
        begin, state = start + base, kept
        if state is not None:
            state.settle(text, start)


def in_order(
    window: TextWindow, drafts: Iterator[SentenceRecord], fits: Callable[[SentenceRecord], bool] | None = None
) -> Iterator[SentenceRecord]:
    r"""Set the positions of one document's records, from 0, and the white space after each.

    >>> from llama_index.core.schema import Document
    >>> window, doc_id, _ = window_of(Document(text="It rains.\nWe stay in.", id_="a.md"))
    >>> drafts = [SentenceRecord(doc_id, 0, "It rains.", 0, 9), SentenceRecord(doc_id, 0, "We stay in.", 10, 21)]
    >>> [(record.position, record.after) for record in in_order(window, iter(drafts))]
    [(0, '\n'), (1, '')]

    Args:
        fits: whether a record is short enough for the encoder. If given, records too short to be searched by themselves
            are joined to their neighbours (``joins``).
    """
    waiting: SentenceRecord | None = None
    space = ""  # after the waiting record, but not beyond (a skipped heading may follow)
    position = 0
    for record in drafts:
        following = window.space_from(record.end)
        if waiting is not None and fits is not None and joins(waiting, space, record):
            both = joined(waiting, space, record)
            if fits(both):
                waiting, space = both, following
                continue
        if waiting is not None:
            waiting.after = space[: max(record.start - waiting.end, 0)]
            yield waiting
        record.position = position
        position += 1
        waiting, space = record, following
    if waiting is not None:
        waiting.after = space
        yield waiting


def joins(first: SentenceRecord, space: str, second: SentenceRecord) -> bool:
    """Return whether two sentences are one unit; ``space`` is the white space after the first.

    >>> joins(SentenceRecord("a.md", 0, "It rains.", end=9), " ", SentenceRecord("a.md", 1, "!!!", start=10, end=13))
    True
    """
    if not (first.kind == second.kind == "text" and first.section == second.section):
        return False
    if first.end + len(space) != second.start or first.raw is not None or second.raw is not None:
        return False
    length = len(first.text) + len(space) + len(second.text)
    if says_nothing(first.text) or says_nothing(second.text):
        return length <= MARKS_CHARS
    breaks = space.count("\n")
    if length > UNIT_CHARS or breaks > 1:
        return False
    if is_fragment(first.text) or is_fragment(second.text):
        return not LIST_MARK.match(second.text)
    if not breaks or LIST_MARK.match(first.text) or LIST_MARK.match(second.text):
        return False
    numbers = is_numbers(first.text), is_numbers(second.text)
    return all(numbers) or (numbers[0] and is_label(second.text)) or (numbers[1] and is_label(first.text))


def joined(first: SentenceRecord, space: str, second: SentenceRecord) -> SentenceRecord:
    """Return both sentences as one record, with place and page of the first.

    >>> joined(SentenceRecord("a.md", 0, "It rains."), " ", SentenceRecord("a.md", 1, "!!!")).text
    'It rains. !!!'
    """
    return dataclasses.replace(first, text=f"{first.text}{space}{second.text}", end=second.end)
