"""Sentence splitter for Chinese, English and mixed text, with character offsets.

A sentence ends, in short (``tests/indexes/text/test_sentences.py`` has the cases):

- After a list item or line of two or more "key: value" pairs (``records.py``). ； does not end one in a list item.
- After 。！？；…… ؟ ۔ । ॥ and their closing quotes and brackets, but not inside 《...》, `` `code` `` or a short
  bracket in the middle of a sentence. 「你好。」他说。 is one sentence (a short attribution ending in 。or ， stays
  with its quotation, and so does a Japanese 」と). Any other closing quote after a terminator ends one. Sentences
  inside a quotation are split.
- After . ! ? followed by white space, the end or Chinese; not after abbreviations, initials and list numbers, and not
  before a lower-case word. So decimals, versions, URLs, file names and method calls stay intact.
- At a blank line. At a single line break if the line ends in Chinese (except for a comma), if a list item, heading or
  table row follows, or if the next word would have fitted on the line; not in a hard-wrapped paragraph, Chinese or
  English (``lines.py``). A sentence does not begin with a closing mark.
- After ``max_chars`` characters, at a line break, a comma or a blank if there is one.

Only white space lies between sentences, so ``join`` restores the text exactly. Each terminator is checked once with
bounded context, so time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from indexes.errors import SettingsError
from indexes.text.lines import BREAKS, Paragraph, after_space, indent_of, line_ends
from indexes.text.records import record_end
from indexes.text.sentence_rules import (
    CANDIDATE,
    FOREIGN,
    SKIP,
    STRONG,
    foreign,
    semicolon,
    skip,
    strong,
    weak,
)

MAX_CHARS = 1200
LONGEST = 100_000  # characters after which a "sentence" ends in any case


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence ``text[start:end]``, without white space at the ends.

    >>> text = "It rains. We stay in."
    >>> [text[span.start : span.end] for span in iter_spans(text)]
    ['It rains.', 'We stay in.']
    """

    start: int
    end: int


def split_sentences(text: str, *, max_chars: int = MAX_CHARS) -> list[Span]:
    """Return all sentences of ``text``, in order.

    >>> text = "今天下雨。It rains."
    >>> [text[span.start : span.end] for span in split_sentences(text)]
    ['今天下雨。', 'It rains.']

    Args:
        max_chars: longest sentence in characters; longer ones are cut.

    Raises:
        SettingsError: ``max_chars`` is below 1.
    """
    return list(iter_spans(text, max_chars=max_chars))


def join(text: str, spans: Iterable[Span]) -> str:
    """Return the text rebuilt from its sentences and the white space around them; equal to ``text`` for our spans.

    Other characters between spans are left out, so that a comparison finds lost characters.

    >>> text = " It rains. We stay in. "
    >>> join(text, split_sentences(text)) == text
    True
    """
    parts: list[str] = []
    at = 0
    for span in spans:
        gap = text[at : span.start]
        parts += (gap if not gap.strip() else "", text[span.start : span.end])
        at = span.end
    tail = text[at:]
    parts.append(tail if not tail.strip() else "")
    return "".join(parts)


def iter_spans(text: str, start: int = 0, end: int | None = None, max_chars: int = MAX_CHARS) -> Iterator[Span]:
    """Yield the sentences of ``text[start:end]`` with offsets in ``text``, without further memory.

    >>> [span.start for span in iter_spans("One. Two. Three.", 5)]
    [5, 10]
    """
    if max_chars < 1:
        raise SettingsError(f"max_chars is {max_chars}", remedy="set split.max_chars to 1 or more (1200 is usual)")
    stop = len(text) if end is None else min(end, len(text))
    for begin, finish, _ in walk_sentences(text, start, stop):
        if finish - begin <= max_chars:
            yield Span(begin, finish)
        else:
            for first, last, _ in walk_cuts(text, begin, finish, max_chars):
                yield Span(first, last)


def walk_cuts(text: str, start: int, stop: int, longest: int = LONGEST) -> Iterator[tuple[int, int, int]]:
    """Yield parts of at most ``longest`` characters, for code, in the form of ``walk_sentences``.

    >>> list(walk_cuts("one two  three", 0, 14, longest=8))
    [(0, 7, 9), (9, 14, 14)]
    """
    begin = after_space(text, start, stop)
    while stop - begin > longest:
        at = cut_place(text, begin, begin + longest)
        finish = begin + len(text[begin:at].rstrip())
        following = after_space(text, at, stop)
        if finish > begin:
            yield begin, finish, following
        begin = following
    stop = begin + len(text[begin:stop].rstrip())
    if stop > begin:
        yield begin, stop, stop


def walk_sentences(text: str, start: int, stop: int, state: Paragraph | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield uncut sentences as (start, end, start of the next); at most about ``LONGEST`` characters.

    >>> list(walk_sentences("It rains.  We stay in.", 0, 22))
    [(0, 9, 11), (11, 22, 22)]

    Args:
        state: state of a walk to continue at ``start``; with each sentence it is the state at the next one.
    """
    search = CANDIDATE.search
    begin = after_space(text, start, stop)
    if state is None:
        state = Paragraph(begin)
        state.indent = indent_of(text, start, begin)
    at = begin
    while at < stop:
        if at == begin and state.fresh:
            state.fresh = False
            finish = record_end(text, begin, stop)
            if finish > begin:
                begin, before = after_space(text, finish, stop), begin
                at = begin
                state.gap(text, finish, begin)
                yield before, finish, begin
                continue
        limit = begin + LONGEST
        found = search(text, at, min(stop, limit)) if at < limit else None
        if found is None:
            if stop <= limit:
                break
            at = cut_place(text, begin, limit)  # no end found: minified code, one line of base64
            finish = begin + len(text[begin:at].rstrip())
            begin, before = after_space(text, at, stop), begin
            state.gap(text, at, begin)
            at = begin
            if finish > before:
                yield before, finish, begin
            continue
        i = found.start()
        char = text[i]
        if char in BREAKS:
            at = after_space(text, i, stop)
            if at >= stop:
                break
            boundary = i if line_ends(text, i, at, begin, stop, state) else -1
        elif char in SKIP:
            at, boundary = skip(text, i, begin, stop, char)
        elif char in STRONG:
            at, boundary = strong(text, i, begin, stop, state)
        elif char == ";":
            at, boundary = semicolon(text, i, begin, stop, state)
        elif char in FOREIGN:
            at, boundary = foreign(text, i, stop)
        else:
            at, boundary = weak(text, i, begin, stop, state)
        if boundary > begin:
            finish = begin + len(text[begin:boundary].rstrip())
            begin, before = after_space(text, boundary, stop), begin
            at = begin
            if begin > boundary:
                state.gap(text, boundary, begin)
            if finish > before:
                yield before, finish, begin
    finish = begin + len(text[begin:stop].rstrip())
    if finish > begin:
        yield begin, finish, stop


def cut_place(text: str, begin: int, high: int) -> int:
    """Return where to cut ``text[begin:high]``: in its second half at a line break, comma or blank, else at its end.

    >>> cut_place("one two three", 0, 10)
    7
    """
    low = begin + (high - begin) // 2
    at = text.rfind("\n", low, high)
    if at < 0:
        at = max(text.rfind(mark, low, high) for mark in "，、；：") + 1
    if at <= low:
        at = max(text.rfind(mark, low, high - 1) for mark in (", ", "; ", ": ")) + 1
    if at <= low:
        at = max(text.rfind(" ", low, high), text.rfind("\t", low, high))
    return at if at > begin else high
