"""Recognise citation marks in running text, check them against the passages, and remove invented ones.

Rules:

- A mark is a bracket that holds only passage numbers: ``[1]``, ``[1, 2]``, ``[1-3]``, ``【1】``, ``［１］``,
  ``[^1]``, ``[passage 2]``, ``[段落1、2]``. Numbers have at most three digits, so ``[2024]`` is not a mark; neither is
  a range from 0 or over more than 20 numbers (``[0-9]``, ``[1-100]``).
- A number without a passage is removed and reported. An empty mark is removed together with the blanks and empty
  brackets around it; a valid one is kept as written, without labels and full-width brackets: ``[doc1]`` and ``［１］``
  become ``[1]``.
- Code between backticks or fences is not changed.
- An index is not a citation: ``a[1]`` (one lower-case letter before the bracket), ``arr[1]``, ``a[0][1]``. After other
  code (``sys.argv[1]``, ``max_tokens[1]``) a bracket is a citation only if all its numbers are those of passages; else
  it is kept. After any other word (``default[1]``) it is a citation.

Text is scanned character by character, so that a stream of tokens and the whole answer give the same result.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_NOTE = "⟦⟧"  # what ``set_marks_apart`` makes of a document's own marks
_OPEN = "[［【" + _NOTE[0]
_CLOSE = "]］】" + _NOTE[1]
_PARTNER = {"(": ")", "（": "）", "「": "」", "『": "』", "[": "]", "［": "］", "【": "】"}
_CLOSING_PUNCTUATION = ".,;:!?)]}。，；：！？、）］】」』”’…"
LONGEST_MARKER = 48

_LABEL = (
    r"(?:\^|#|passages?|sources?|docs?|documents?|refs?|cite|citations?|段落?|文档|来源|资料|引用|参考)?\s*[:：.]?\s*"
)
_ONE = rf"{_LABEL}\d{{1,3}}(?:\s*[-–—~～至到]\s*\d{{1,3}})?(?:†[^\]］】,，]*)?"
_MARKER = re.compile(rf"\s*{_ONE}(?:(?:\s*[,，、;；&和]\s*|\s+and\s+|\s+){_ONE})*\s*", re.IGNORECASE)
_PLAIN = re.compile(r"\[[\d\s,;&–—~-]+\]")  # what a reader takes for a citation: no label, no other brackets
_DOCUMENT_MARK = re.compile(rf"[\[［【]([^\[\]［］【】\n]{{1,{LONGEST_MARKER}}})[\]］】]")
_NAME_LABEL = re.compile(
    r"^\s*(?:see|from|sources?|docs?|documents?|files?|来源|文件|文档|出处)?\s*[:：]?\s*", re.IGNORECASE
)
_RANGE = re.compile(r"(\d{1,3})(?:\s*[-–—~～至到]\s*(\d{1,3}))?")
_LAST_WORD = re.compile(r"[A-Za-z0-9_.$]+$")
_ARRAY_NAMES = frozenset({"arr", "array", "args", "argv", "nums", "vec", "buf", "dp"})


@dataclass(frozen=True, slots=True)
class Marker:
    """A valid mark in the cleaned text: ``text[start:end]`` cites the passages ``numbers``.

    >>> text = "It opens at 6 [1]."
    >>> mark = Marker(14, 17, (1,))
    >>> text[mark.start : mark.end], mark.numbers
    ('[1]', (1,))

    Args:
        spanned: those of the numbers that a range such as "1-3" includes: not each need support the sentence.
    """

    start: int
    end: int
    numbers: tuple[int, ...]
    spanned: tuple[int, ...] = ()


def set_marks_apart(text: str) -> str:
    """Rewrite a document's own note marks as ``⟦2⟧``, which is not a mark in an answer; indexes in code are kept.

    >>> set_marks_apart("opened in 1932.[2] See 【3】 and a[1].")
    'opened in 1932.⟦2⟧ See ⟦3⟧ and a[1].'
    """

    def apart(match: re.Match[str]) -> str:
        before = _LAST_WORD.search(text[max(0, match.start() - 80) : match.start()])
        word = before.group() if before else ""
        index = bool(re.fullmatch("[a-z]", word)) or word in _ARRAY_NAMES or "_" in word or "$" in word
        index = index or bool(re.search(r"\.[A-Za-z_]\w+$", word))
        return match.group() if index or parse_numbers(match.group(1)) is None else f"⟦{match.group(1).strip()}⟧"

    return _DOCUMENT_MARK.sub(apart, text)


def parse_numbers(inside: str) -> list[int] | None:
    """Return the passage numbers between brackets; None if it is not a citation.

    >>> parse_numbers("1-3"), parse_numbers("passage 2"), parse_numbers("2024")
    ([1, 2, 3], [2], None)
    """
    if not _MARKER.fullmatch(inside):
        return None
    numbers: list[int] = []
    for match in _RANGE.finditer(re.sub("†[^,，]*", "", inside)):
        first = int(match.group(1))
        last = int(match.group(2)) if match.group(2) else first
        if match.group(2) and (first == 0 or not first <= last <= first + 20):
            return None
        numbers += [number for number in range(first, last + 1) if number not in numbers]
    return numbers


def spanned_numbers(inside: str) -> set[int]:
    """Return the passage numbers between brackets that come from a range.

    >>> sorted(spanned_numbers("1-3, 5"))
    [1, 2, 3]
    """
    spans = ((int(first), int(last)) for first, last in _RANGE.findall(inside) if last)
    return {number for first, last in spans for number in range(first, last + 1)}


class MarkerScanner:
    """Remove invented marks from text that is fed in pieces; joined, the returned pieces are the cleaned text.

    White space at both ends is dropped. ``markers`` and ``removed`` grow as text passes.

    >>> scanner = MarkerScanner({1, 2})
    >>> scanner.feed("It opens at 6 [1][7].") + scanner.finish(), scanner.removed
    ('It opens at 6 [1].', ['[7]'])
    """

    def __init__(self, valid: Collection[int], names: Mapping[str, Sequence[int]] | None = None) -> None:
        self.valid = frozenset(valid)
        self.names = names or {}  # file name in lower case -> passages, for "[guide.md]" and "[Source: guide.md]"
        self.markers: list[Marker] = []
        self.removed: list[str] = []
        self._length = 0  # characters returned
        self._tail = ""  # the last characters returned, for looking back
        self._held = ""  # blanks and opening brackets, dropped if the mark after them is
        self._after = ""  # blanks after a removed mark
        self._gap = False  # a marker was just removed
        self._bracket = ""  # an open bracket and what follows it
        self._ticks = 0  # length of the current run of backticks
        self._code = 0  # length of the run that opened the code we are in
        self._index = False  # the last bracket was an index

    def feed(self, text: str) -> str:
        """Add a piece; return the text that is ready."""
        return "".join(self._step(char) for char in text)

    def finish(self) -> str:
        """Return the rest: an unclosed bracket is plain text, blanks at the end are dropped."""
        rest = self._literal() if self._bracket else ""
        self._merge_gap()
        rest += self._give(self._held.rstrip())
        self._held = ""
        return rest

    def _give(self, text: str) -> str:
        self._length += len(text)
        self._tail = (self._tail + text)[-80:]
        return text

    def _step(self, char: str) -> str:
        if self._bracket:
            if char in _CLOSE:
                self._bracket += char
                return self._resolve()
            if char not in _OPEN and char not in "\n`" and len(self._bracket) < LONGEST_MARKER:
                self._bracket += char
                return ""
            if char in _OPEN and self._bracket in _OPEN:  # [[1]]: the outer bracket is dropped if the inner one is
                self._held += self._bracket
                self._bracket = char
                return ""
            return self._literal() + self._plain(char)
        return self._plain(char)

    def _plain(self, char: str) -> str:
        if char == "`":
            self._ticks += 1
            return self._flush(char)
        if self._ticks:
            self._toggle_code()
        if self._code:
            if char != "\n" or self._code >= 3:
                return self._flush(char)
            self._code = 0  # a lone backtick: inline code ends with its line
        if char in _OPEN:
            self._merge_gap()
            self._bracket = char
            return ""
        if self._gap:
            if self._held and _PARTNER.get(self._held[-1]) == char and not self._after:
                self._held = self._held[:-1]
                return ""
            if char.isspace():
                self._after += char
                return ""
            if char in _CLOSING_PUNCTUATION and "\n" not in self._held + self._after:
                self._held, self._after = self._held.rstrip(), ""
            self._merge_gap()
        if char.isspace() or char in _PARTNER:
            if self._length or self._held or not char.isspace():
                self._held += char
            return ""
        return self._flush(char)

    def _flush(self, text: str) -> str:
        self._merge_gap()
        held, self._held = self._held, ""
        if not self._length:
            held = held.lstrip()
        self._index = False
        return self._give(held + text)

    def _merge_gap(self) -> None:
        """Keep the blanks of one side of a removed mark: the side with more line breaks."""
        if not self._gap:
            return
        kept = self._held.rstrip()
        before = self._held[len(kept) :]
        more = self._after.count("\n") > before.count("\n") or not before
        self._held = kept + (self._after if more else before)
        self._after, self._gap = "", False

    def _toggle_code(self) -> None:
        if not self._code:
            self._code = self._ticks
        elif self._ticks == self._code or (self._code >= 3 and self._ticks > self._code):
            self._code = 0
        self._ticks = 0

    def _literal(self) -> str:
        text, self._bracket = self._bracket, ""
        plain = text.rstrip()
        given = self._flush(plain)
        self._held = text[len(plain) :]  # blanks are held back too: they may be the end
        return given

    def _resolve(self) -> str:
        if self._bracket[0] == _NOTE[0]:  # a document's own note mark, set apart in the prompt and copied
            self._bracket, self._gap = "", True
            return ""
        numbers = parse_numbers(self._bracket[1:-1])
        named = numbers is None and bool(self.names)
        if numbers is None:
            numbers = self._named(self._bracket[1:-1])
        if not numbers:
            return self._literal()
        known = [number for number in numbers if number in self.valid]
        if self._is_index(all_known=len(known) == len(numbers)):
            text = self._literal()
            self._index = True
            return text
        self.removed += [f"[{number}]" for number in numbers if number not in self.valid]
        if not known:
            self._bracket, self._gap = "", True
            return ""
        spanned = set() if named else spanned_numbers(self._bracket[1:-1])
        as_written = len(known) == len(numbers) and not named and _PLAIN.fullmatch(self._bracket) is not None
        marker = self._bracket if as_written else "".join(f"[{number}]" for number in known)
        self._bracket = ""
        text = self._flush(marker)
        ranged = tuple(number for number in known if number in spanned)
        self.markers.append(Marker(self._length - len(marker), self._length, tuple(known), ranged))
        return text

    def _named(self, inside: str) -> list[int]:
        name = _NAME_LABEL.sub("", inside).strip().strip("`'\"*").lower()
        return list(self.names.get(name, ()))

    def _is_index(self, *, all_known: bool) -> bool:
        if self._held or not self._length:
            return False
        if self._tail.endswith("]"):
            return self._index
        match = _LAST_WORD.search(self._tail)
        word = match.group() if match else ""
        if re.fullmatch("[a-z]", word) or word in _ARRAY_NAMES:
            return True
        return not all_known and ("_" in word or "$" in word or bool(re.search(r"\.[A-Za-z]", word)))
