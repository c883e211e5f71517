"""Cut texts that are too long for one record, by characters and by the encoder's tokens.

Counting tokens costs more than the rest of splitting, and nearly all sentences are short. As a tokenizer makes at most
one token per byte, only texts with more bytes than the limit are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from indexes.errors import SettingsError
from indexes.text.lines import after_space
from indexes.text.sentences import MAX_CHARS, Span, cut_place

CountTokens = Callable[[Sequence[str]], Sequence[int]]  # texts -> tokens, prompt and special tokens included
Render = Callable[[int, int], str]  # (start, end) -> text that the encoder would read for this piece

OVERLAP = 30
# Characters that NFKC may turn into more characters than they have bytes.
_GROWS = re.compile(r"[\u2474-\u249b\u3200-\u33ff\ufb00-\ufdff]")


@dataclass(slots=True)
class Limits:
    """Maximum length of a record.

    >>> limits = Limits(max_tokens=9, count_tokens=lambda texts: [2 + len(text) for text in texts])
    >>> limits.tokens_over("fourteen chars")
    2.0

    Args:
        max_chars: longest record in characters.
        max_tokens: longest text that the encoder reads, in tokens; None or 0: unknown, not checked.
        count_tokens: the encoder's token count (``CountsTokens.count_tokens``).
        overlap: characters shared by two pieces of a cut sentence, at most a quarter of a piece; none at a line break.

    Raises:
        SettingsError: no text fits.
    """

    max_chars: int = MAX_CHARS
    max_tokens: int | None = None
    count_tokens: CountTokens | None = None
    overlap: int = OVERLAP
    _added: int = field(default=-1, init=False)  # tokens of the prompt and of the special tokens

    def __post_init__(self) -> None:
        if self.max_chars < 1:
            raise SettingsError(
                f"max_chars is {self.max_chars}", remedy="set split.max_chars to 1 or more (1200 is usual)"
            )

    def tokens_over(self, text: str) -> float:
        """Return the length of ``text`` as a multiple of what the encoder reads; at most 1 if it fits."""
        if not self.max_tokens or self.count_tokens is None:
            return 0.0
        if self._added < 0:
            self._added = self.count_tokens([""])[0]
            if self._added + 4 > self.max_tokens:
                raise SettingsError(
                    f"the prompt takes {self._added} of the {self.max_tokens} tokens that the encoder reads",
                    remedy="raise encoder.max_tokens, or shorten encoder.document_prompt",
                )
        room = self.max_tokens - self._added
        if len(text) <= room and (
            text.isascii() or (len(text.encode("utf-8", "replace")) <= room and not _GROWS.search(text))
        ):
            return 0.0
        return max(self.count_tokens([text])[0] - self._added, 0) / room


def pieces(text: str, start: int, end: int, limits: Limits, render: Render | None = None) -> Iterator[Span]:
    """Cut ``text[start:end]`` into pieces that fit ``limits``, without white space at the ends.

    A piece ends at a nearby line break, comma or blank. Except after a line break, the next piece begins up to
    ``limits.overlap`` characters earlier, so that each phrase is complete in one of them.

    >>> text = "one two three four"
    >>> [text[piece.start : piece.end] for piece in pieces(text, 0, len(text), Limits(max_chars=9, overlap=0))]
    ['one two', 'three', 'four']

    Args:
        render: returns the text to encode for a piece, if that is not ``text[start:end]`` itself.
    """
    shown = render or (lambda a, b: text[a:b])
    begin = after_space(text, start, end)
    end = begin + len(text[begin:end].rstrip())
    fresh = begin  # start of the text that is in no piece yet
    while begin < end:
        if end - begin <= limits.max_chars and limits.tokens_over(shown(begin, end)) <= 1:
            yield Span(begin, end)
            return
        at, finish = _fit(text, begin, end, limits, shown)
        if finish <= fresh and begin < fresh:
            begin = after_space(text, fresh, end)  # the overlap alone fills the piece: continue without it
            continue
        yield Span(begin, finish)
        fresh = at
        begin = after_space(text, _overlapping(text, begin, at, limits.overlap), end)


def _fit(text: str, begin: int, end: int, limits: Limits, shown: Render) -> tuple[int, int]:
    """Return (cut, end without white space) of the longest piece from ``begin`` that fits."""
    size = min(end - begin, limits.max_chars)
    while True:
        at = begin + size if begin + size >= end else cut_place(text, begin, begin + size)
        finish = at
        while finish > begin and text[finish - 1].isspace():
            finish -= 1
        finish = max(finish, begin + 1)
        over = limits.tokens_over(shown(begin, finish))
        if over <= 1 or size <= 1:
            return max(at, finish), finish
        size = max(1, min(finish - begin - 1, int((finish - begin) * 0.95 / over)))


def _overlapping(text: str, begin: int, at: int, overlap: int) -> int:
    """Return the start of the next piece: up to ``overlap`` characters before ``at``, after a comma or a blank."""
    back = min(overlap, (at - begin) // 4)
    if back < 1 or text[at - 1 : at + 1].strip(" \t\r") in ("\n", "") or "\n" in text[at - 1 : at + 1]:
        return at
    for place in range(at - back, at - 1):
        if text[place] in "，、；：,; \t":
            return place + 1
    return at - back
