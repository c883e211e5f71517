"""Cutting what is too long for one record: by characters, and by the tokens that the encoder really reads.

Counting tokens costs more than all the rest of splitting, and nearly all sentences are short: a text is counted only
where its bytes could exceed the limit, since no tokenizer makes more tokens than bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from indexes.errors import SettingsError
from indexes.text.lines import after_space
from indexes.text.sentences import MAX_CHARS, Span, cut_place

CountTokens = Callable[[Sequence[str]], Sequence[int]]  # texts -> tokens, prompt and special tokens included
Render = Callable[[int, int], str]  # (start, end) -> what the encoder would be given for this piece

OVERLAP = 30
# Characters that NFKC may turn into more characters than they have bytes.
_GROWS = re.compile(r"[\u2474-\u249b\u3200-\u33ff\ufb00-\ufdff]")


@dataclass(slots=True)
class Limits:
    """What one record may hold.

    Args:
        max_chars: characters.
        max_tokens: tokens that the encoder reads; None or 0: unknown, and not looked at.
        count_tokens: the encoder's own count (``Encoder.count_tokens``).
        overlap: characters that two pieces of one cut sentence have in common, at most a quarter of a piece. A cut at a
            line break has none.

    Raises:
        SettingsError: no text at all fits.
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
        """How many times too long ``text`` is for the encoder; at most 1 where it fits."""
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
    """``text[start:end]`` in pieces that fit ``limits``, whole where it fits; white space at the ends is left out.

    A piece ends at a line break, a comma or a blank where one is near. Except behind a line break the next piece
    begins ``limits.overlap`` characters earlier, so that no phrase is found in neither.

    Args:
        render: gives the text that is encoded for a piece, where that is not ``text[start:end]`` itself.
    """
    shown = render or (lambda a, b: text[a:b])
    begin = after_space(text, start, end)
    while end > begin and text[end - 1].isspace():
        end -= 1
    fresh = begin  # where what no piece has told yet begins
    while begin < end:
        if end - begin <= limits.max_chars and limits.tokens_over(shown(begin, end)) <= 1:
            yield Span(begin, end)
            return
        at, finish = _fit(text, begin, end, limits, shown)
        if finish <= fresh and begin < fresh:
            begin = after_space(text, fresh, end)  # the overlap alone fills the piece: go on without it
            continue
        yield Span(begin, finish)
        fresh = at
        begin = after_space(text, _overlapping(text, begin, at, limits.overlap), end)


def _fit(text: str, begin: int, end: int, limits: Limits, shown: Render) -> tuple[int, int]:
    """(where to cut, end of the piece without white space) of the longest piece from ``begin`` that fits."""
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
    """Where the next piece begins: up to ``overlap`` characters before ``at``, behind a comma or a blank."""
    back = min(overlap, (at - begin) // 4)
    if back < 1 or text[at - 1 : at + 1].strip(" \t\r") in ("\n", "") or "\n" in text[at - 1 : at + 1]:
        return at
    for place in range(at - back, at - 1):
        if text[place] in "，、；：,; \t":
            return place + 1
    return at - back
