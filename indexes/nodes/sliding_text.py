"""A sliding window over a document's text: only the part being split is in memory; offsets are those of the whole.

A Document in memory is a window over everything, so that there is one way of splitting. The result does not depend on
how the text arrives: a decision waits until ``LOOK_AHEAD`` more characters are there, and ``LOOK_BACK`` characters stay
behind.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator

from indexes.errors import SourceError
from indexes.readers.outline import Section
from indexes.readers.stream import Part
from indexes.text.sentences import Span

SentenceSplitter = Callable[[str], list[str]]  # custom function, as for LlamaIndex's window parser

LOOK_AHEAD = 2560  # characters after a sentence that the rules may read (``RECORD_CHARS``), and some more
LOOK_BACK = 512  # characters before a run that stay, for the caption of a table
_SPACE = re.compile(r"\s*+")


class TextWindow:
    """The part ``text`` of a document that is in memory; its first character has offset ``base`` in the document.

    >>> window = TextWindow(iter([Part("It rains. ", []), Part("We stay in.", [])]))
    >>> window.reach(4)
    >>> window.text, window.slice(3, 17), window.over
    ('It rains. ', 'rains. We stay', False)
    """

    def __init__(self, parts: Iterator[Part]) -> None:
        self.text = ""
        self.base = 0
        self.over = False  # the text has ended
        self._parts = parts
        self._ahead: deque[Section] = deque()
        self._taken = 0
        self._free = 0

    @property
    def end(self) -> int:
        return self.base + len(self.text)

    def reach(self, at: int) -> None:
        """Read the text up to offset ``at``, or to its end."""
        while self.end < at and self._more():
            pass

    def let_go(self, before: int) -> None:
        """Allow to drop the text before offset ``before``, less ``LOOK_BACK`` characters."""
        self._free = max(self._free, before - LOOK_BACK)

    def slice(self, start: int, end: int) -> str:
        self.reach(end)
        return self.text[max(start - self.base, 0) : max(end - self.base, 0)]

    def space_from(self, at: int) -> str:
        """Return the white space that begins at offset ``at``."""
        while True:
            self.reach(at + 1)
            match = _SPACE.match(self.text, max(at - self.base, 0))
            assert match is not None  # noqa: S101 - it may be empty
            if match.end() < len(self.text) or not self._more():
                return match.group()

    def peek(self, place: int = 0) -> Section | None:
        """Return the section ``place`` after the next one without taking it; None after the last."""
        while len(self._ahead) <= place and self._more():
            pass
        return self._ahead[place] if len(self._ahead) > place else None

    def take(self) -> tuple[int, Section]:
        """Take the next section and return its number in the outline with it."""
        self._taken += 1
        return self._taken - 1, self._ahead.popleft()

    def _more(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            self.over = True
            return False
        cut = min(max(self._free - self.base, 0), len(self.text))
        self.text = self.text[cut:] + part.text if len(self.text) > cut else part.text
        self.base += cut
        self._ahead.extend(part.sections)
        return True


class TextRun:
    """Sections that a window may cross: text that differs only in its page. A run grows while it is read.

    >>> sections = [Section(0, 9, page=1), Section(10, 21, page=2), Section(22, 30, ("Care",), page=2)]
    >>> window = TextWindow(iter([Part("It rains. We stay in. Dry it.", sections)]))
    >>> run = next(iter_runs(window))
    >>> run.grow(), run.grow(), (run.start, run.end)
    (True, False, (0, 21))

    Args:
        window: the document's text.
        index: number of the first section in the outline.
        first: the first section.
    """

    def __init__(self, window: TextWindow, index: int, first: Section) -> None:
        self._window = window
        self.index = index
        self.sections = [first]

    @property
    def first(self) -> Section:
        return self.sections[0]

    @property
    def start(self) -> int:
        return self.sections[0].start

    @property
    def end(self) -> int:
        return self.sections[-1].end

    def grow(self) -> bool:
        """Add the next section if it continues this run; return whether it did."""
        last = self.sections[-1]
        if last.kind != "text":
            return False
        following = _next_section(self._window)
        if (
            following is None
            or following.kind != "text"
            or following.heading != last.heading
            or following.page == last.page
            or following.start < last.end
            or self._window.slice(last.end, following.start).strip()
        ):
            return False
        self.sections.append(self._window.take()[1])
        return True


def iter_runs(window: TextWindow) -> Iterator[TextRun]:
    """Yield the runs to index, in order. Read each to its end before taking the next.

    >>> sections = [Section(0, 4, ("Care",), kind="heading"), Section(5, 12, ("Care",)), Section(13, 20, ("Storage",))]
    >>> window = TextWindow(iter([Part("Care Dry it. Keep it.", sections)]))
    >>> [window.slice(run.start, run.end) for run in iter_runs(window)]
    ['Dry it.', 'Keep it']
    """
    while (section := _next_section(window)) is not None:
        window.let_go(section.start)
        index, section = window.take()
        run = TextRun(window, index, section)
        yield run


def _next_section(window: TextWindow) -> Section | None:
    """Return the next section without taking it, after skipping headings named in the path of the body below them."""
    while (section := window.peek()) is not None and section.kind == "heading" and _is_told(window, section):
        window.take()
    return section


def _is_told(window: TextWindow, heading: Section) -> bool:
    """Return whether the heading path of the next body begins with the path of this heading."""
    path = heading.heading
    place = 0
    while path and (section := window.peek(place := place + 1)) is not None:
        if section.kind != "heading":
            if section.end > section.start and window.slice(section.start, section.start + 200).strip():
                return section.heading[: len(path)] == path
        elif len(section.heading) >= len(path) or section.heading != path[: len(section.heading)]:
            return section.heading[: len(path)] == path
        elif not section.heading:
            return False
    return False


def spans_by(
    split: SentenceSplitter, window: TextWindow, run: TextRun, *, keep: int = 0
) -> Iterator[tuple[str, int, Span]]:
    """Yield the sentences of a run, split by a custom function, as ``spans_of`` does; the whole run is in memory.

    >>> window = TextWindow(iter([Part("It rains; we stay in.", [Section(0, 21)])]))
    >>> run = next(iter_runs(window))
    >>> spans = spans_by(lambda text: text.split("; "), window, run)
    >>> [text[span.start : span.end] for text, _, span in spans]
    ['It rains', 'we stay in.']

    Raises:
        SourceError: a sentence is not in the text, so that no citation could point at it.
    """
    window.let_go(run.start - keep)
    window.reach(run.end)
    while run.grow():
        window.reach(run.end)
    text, base = window.text, window.base
    at, end = run.start - base, run.end - base
    for sentence in split(text[at:end]):
        words = sentence.split()
        if not words:
            continue
        # Splitters may change the white space within a sentence.
        found = re.compile(r"\s+".join(map(re.escape, words))).search(text, at, end)
        if found is None:
            raise SourceError(
                f"the sentence_splitter returned {sentence[:60]!r}, which is not in the text after the sentence before",
                remedy="let it return sentences of the text, unchanged and in order",
            )
        at = found.end()
        yield text, base, Span(found.start(), at)
