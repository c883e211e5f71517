"""A document's text as it slides by: only what is being split is in memory, all offsets are those of the whole text.

A Document that is in memory anyway is a window that holds everything, so that there is one way of splitting. What a
splitter makes of a text does not depend on how it comes: nothing is decided before as much of the text is there as the
decision looks at (``LOOK_AHEAD``), and nothing is let go that one still looks back at (``LOOK_BACK``).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator

from indexes.errors import SourceError
from indexes.readers.outline import Section
from indexes.readers.stream import Part
from indexes.text.sentences import Span

SentenceSplitter = Callable[[str], list[str]]  # a user's own, as LlamaIndex's window parser takes it

LOOK_AHEAD = 2560  # characters behind a sentence's end that the rules may look at (``RECORD_CHARS``), and some more
LOOK_BACK = 512  # characters before a run that stay: a table's caption stands there
_SPACE = re.compile(r"\s*+")


class TextWindow:
    """``text`` is what is there now; its first character is number ``base`` of the document."""

    def __init__(self, parts: Iterator[Part]) -> None:
        self.text = ""
        self.base = 0
        self.over = False  # nothing more will come
        self._parts = parts
        self._ahead: deque[Section] = deque()
        self._taken = 0
        self._free = 0

    @property
    def end(self) -> int:
        return self.base + len(self.text)

    def reach(self, at: int) -> None:
        """Have the text up to ``at``, or to its end."""
        while self.end < at and self._more():
            pass

    def let_go(self, before: int) -> None:
        """What lies before ``before`` (and ``LOOK_BACK`` more) is needed no longer."""
        self._free = max(self._free, before - LOOK_BACK)

    def slice(self, start: int, end: int) -> str:
        self.reach(end)
        return self.text[max(start - self.base, 0) : max(end - self.base, 0)]

    def space_from(self, at: int) -> str:
        """The white space that begins at ``at``."""
        while True:
            self.reach(at + 1)
            match = _SPACE.match(self.text, max(at - self.base, 0))
            assert match is not None  # noqa: S101 - it may be empty
            if match.end() < len(self.text) or not self._more():
                return match.group()

    def peek(self, place: int = 0) -> Section | None:
        """The section ``place`` behind the next one; None behind the last."""
        while len(self._ahead) <= place and self._more():
            pass
        return self._ahead[place] if len(self._ahead) > place else None

    def take(self) -> tuple[int, Section]:
        """The next section and its number in the outline."""
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
    """Sections that one window may span: text that differs only in its page is one run. It grows as it is read.

    Args:
        index: number of its first section in the outline.
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
        """Take the next section in, if it goes on with this run."""
        last = self.sections[-1]
        if last.kind != "text":
            return False
        following = next_section(self._window)
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
    """The runs to index, in order. Each has to be walked to its end before the next one is asked for."""
    while (section := next_section(window)) is not None:
        window.let_go(section.start)
        index, section = window.take()
        run = TextRun(window, index, section)
        yield run


def next_section(window: TextWindow) -> Section | None:
    """The next section, which stays; headings that the path of some body below them names are passed over."""
    while (section := window.peek()) is not None and section.kind == "heading" and _is_told(window, section):
        window.take()
    return section


def _is_told(window: TextWindow, heading: Section) -> bool:
    """Does the path of the body that comes next begin with this heading's path?"""
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
    """Yield the sentences of a run as ``spans_of`` does; the whole run is held.

    Raises:
        SourceError: a sentence does not stand in the text, so that no citation could point at it.
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
        # Splitters may tidy the white space within a sentence.
        found = re.compile(r"\s+".join(map(re.escape, words))).search(text, at, end)
        if found is None:
            raise SourceError(
                f"the sentence_splitter gave {sentence[:60]!r}, which does not stand in the text after the sentence "
                "before it",
                remedy="let it return the text's own sentences, in order",
            )
        at = found.end()
        yield text, base, Span(found.start(), at)
