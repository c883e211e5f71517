"""Join the lines of PDF pages to paragraphs: drop running heads and page numbers, rejoin wrapped lines and words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

from indexes.readers.builder import glue_between
from indexes.readers.pdf.layout import Line

ENDS = frozenset('.!?。！？：:；;…”」』)）"')
BULLET = re.compile(
    r"[-*•·●○■□◦▪‣–—]\s|\d{1,3}[.)、．]\s|[(（][\w一二三四五六七八九十]{1,3}[)）]|[一二三四五六七八九十]{1,3}、|第\w{1,5}[章节条]|[①-⑳]"
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SOFT = re.compile(r"([^\W\d_]*+)[\ufffe\x02\xad]\s*([^\W\d_]*)")  # pdfium's mark for a hyphen at a line end
_HYPHENS = ("-", "\u2010")
_LONG_WORD = 200  # characters examined at the end of a line
_LINE_END_HYPHEN = re.compile(r"([^\W\d_]+)[-\u2010]\Z")
_FIRST_WORD = re.compile(r"[^\W_]+")
_LEADERS = re.compile(r"(?:\.[ ]?){4,}|…{2,}")
_DIGITS = re.compile(r"\d+")
_ROMAN = re.compile(r"[-–—\s]*[ivxlc]{1,7}[-–—\s]*", re.IGNORECASE)
_MARGIN_PAGES = 4  # with fewer pages a running title can hardly be told from text
_SHORT_ZONE = 0.12  # of the page's height, in files of few pages
_PAGE_NUMBER = re.compile(
    r"(?:page|seite|p\.|第)?\s*[-–—]?\s*\d{1,4}\s*[-–—]?(?:\s*(?:of|/|von|页|頁|共)\s*\d{0,4}\s*页?)?", re.IGNORECASE
)
_MARGIN_ZONE = 0.1  # of the page's height
_PREFIXES = frozenset(("self", "well", "ex", "non", "quasi", "cross", "half", "semi", "all"))  # keep their hyphen


class Hyphens:
    """Decides whether a hyphen at a line end belongs to the word, by how the document writes the word elsewhere.

    It stays if the word occurs with it (well-known) and goes if it occurs without (hearing); it stays after prefixes
    such as self-, and if both halves occur as words but never as one; else it goes.

    >>> hyphens = Hyphens([[Line("A well-known mill. The hearing is over.")]])
    >>> hyphens.keeps("well", "known"), hyphens.keeps("hear", "ing")
    (True, False)
    """

    def __init__(self, pages: list[list[Line]]) -> None:
        self.words = Counter[str]()
        for lines in pages:
            text = "\n".join([line.text.rstrip("-\u2010") for line in lines])
            self.words.update(map(str.lower, _WORD.findall(text)))

    def keeps(self, left: str, right: str) -> bool:
        left, right = left.lower(), right.lower()
        if f"{left}-{right}" in self.words:
            return True
        if left + right in self.words:
            return False
        both = len(left) > 2 and len(right) > 2 and self.words[left] > 1 and self.words[right] > 0
        return left in _PREFIXES or both


def without_margins(pages: list[list[Line]], heights: list[float]) -> list[list[Line]]:
    """Return the pages without running heads and feet: lines near the edge that recur, digits aside.

    A line recurs if it is on more than half of the pages, or on nearly half of those from its first to its last (the
    running head of a chapter), and at least three times. In a file of two or three pages it must be on all of them,
    and be separated from the text by a gap, or have a page number.

    >>> texts = "It rains.", "It snows.", "It hails.", "It thaws."
    >>> pages = [[Line("The mill", 50, 800, 200, 812), Line(text, 50, 400, 200, 412)] for text in texts]
    >>> [line.text for page in without_margins(pages, [842.0] * 4) for line in page]
    ['It rains.', 'It snows.', 'It hails.', 'It thaws.']
    """
    if len(pages) < 2:
        return pages
    short = len(pages) < _MARGIN_PAGES
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    marked: list[list[tuple[tuple[str, str], int]]] = []
    for number, (lines, height) in enumerate(zip(pages, heights, strict=True)):
        marks = list(_marginal(lines, height))
        if short:
            marks = [(key, index) for key, index in marks if _stands_apart(lines, index, key[0], height, number + 1)]
        marked.append(marks)
        for key in {key for key, _ in marks}:
            found[key].append(number)
    if short:
        common = {key for key, numbers in found.items() if len(numbers) == len(pages)}
    else:
        common = {
            key
            for key, numbers in found.items()
            if len(numbers) * 2 > len(pages)
            or (len(numbers) > 2 and len(numbers) > 0.45 * (numbers[-1] - numbers[0] + 1))
        }
    kept = []
    for lines, marks in zip(pages, marked, strict=True):
        dropped = {index for key, index in marks if key in common}
        kept.append([line for index, line in enumerate(lines) if index not in dropped])
    return kept


def _stands_apart(lines: list[Line], index: int, edge: str, height: float, number: int) -> bool:
    line = lines[index]
    if not line.placed or height <= 0:
        return False
    zone = _SHORT_ZONE * height
    if not (line.bottom > height - zone if edge == "top" else line.top < zone):
        return False
    if _PAGE_NUMBER.fullmatch(line.text) or str(number) in _DIGITS.findall(line.text):
        return True
    others = [other for other in lines if other is not line and (other.text or other.rows) and other.placed]
    if edge == "top":
        gaps = [line.bottom - other.top for other in others if other.bottom < line.bottom]
    else:
        gaps = [other.bottom - line.top for other in others if other.top > line.top]
    return not gaps or min(gaps) > 1.5 * line.height


def over_pages(pages: list[list[Line]], hyphens: Hyphens) -> None:
    """Rejoin words hyphenated across a page break: the rest moves to the page where they begin.

    >>> pages = [[Line("We know the hear-")], [Line("ing is over. It rains.")]]
    >>> over_pages(pages, Hyphens(pages))
    >>> [page[0].text for page in pages]
    ['We know the hearing', 'is over. It rains.']
    """
    for before, after in pairwise(pages):
        last = next((line for line in reversed(before) if line.text), None)
        first = next((line for line in after if line.text), None)
        if last is None or first is None or last.rows or first.rows:
            continue
        begun = _LINE_END_HYPHEN.search(last.text)
        goes = _FIRST_WORD.match(first.text)
        if not begun or not goes or not goes.group()[0].islower():
            continue
        rest = re.match(r"\S+\s*", first.text)
        assert rest is not None  # noqa: S101 - a word was found there
        kept = last.text if hyphens.keeps(begun.group(1), goes.group()) else last.text[:-1]
        last.text = kept + rest.group().strip()
        first.text = first.text[rest.end() :]


def _marginal(lines: list[Line], height: float) -> list[tuple[tuple[str, str], int]]:
    """Return ((edge, words without digits), index) of the lines that may be running heads or feet."""
    worded = [index for index, line in enumerate(lines) if line.text or line.rows]
    if not worded:
        return []
    found = {(worded[0], "top"), (worded[-1], "bottom")}
    for index in worded:
        line = lines[index]
        if line.placed and height > 0:
            if line.bottom > (1 - _MARGIN_ZONE) * height:
                found.add((index, "top"))
            elif line.top < _MARGIN_ZONE * height:
                found.add((index, "bottom"))
    return [((edge, _normal(lines[index].text)), index) for index, edge in sorted(found) if lines[index].text]


def _normal(text: str) -> str:
    return "#" if _ROMAN.fullmatch(text) else _DIGITS.sub("#", text).casefold()


def unwrap(lines: list[str], hyphens: Hyphens) -> list[tuple[str, bool]]:
    """Join lines of a page to (paragraph, whether it follows the one before without a blank line, like list items).

    >>> unwrap(["The mill was restored in 1932 by the", "village. It turns again.", "", "- flour"], Hyphens([]))
    [('The mill was restored in 1932 by the village. It turns again.', False), ('- flour', False)]

    Args:
        lines: without surrounding blanks; "" is a blank line.
    """
    lengths = sorted(len(line) for line in lines if line)
    width = lengths[int(len(lengths) * 0.8)] if lengths else 0
    paragraphs: list[tuple[list[str], bool]] = []
    before = ""
    for line in lines:
        if not line:
            before = ""
            continue
        tight = bool(before)
        if not before or _starts_paragraph(before, line, width):
            paragraphs.append(([_softened(line, hyphens)], tight))
        else:
            parts = paragraphs[-1][0]
            parts += _joined(parts.pop(), _softened(line, hyphens), hyphens)
        before = line
    return [(" ".join(_without_leaders("".join(parts)).split()), tight) for parts, tight in paragraphs]


def goes_on(before: str, after: str) -> bool:
    """Return whether the text of the previous page continues: in lower case, or Chinese after a full line of it.

    >>> goes_on("The mill was restored by", "the village."), goes_on("The mill was restored.", "It turns again.")
    (True, False)
    """
    if not before or BULLET.match(after):
        return False
    last_line = before[before.rfind("\n") + 1 :]
    return after[0].islower() or (len(last_line) >= 25 and glue_between(before, after) == "")


def _starts_paragraph(before: str, line: str, width: int) -> bool:
    if BULLET.match(line) or _has_leaders(before) or _has_leaders(line):
        return True
    if before[-1] in ENDS:
        return len(before) < 0.8 * width
    return len(before) < 0.6 * width and not line[0].islower() and before[-1] not in "，、,-"


def _has_leaders(line: str) -> bool:
    """Return whether there is a row of dots, as between a title and its page; few lines need the search."""
    return (".." in line or ". ." in line or "……" in line) and _LEADERS.search(line) is not None


def _without_leaders(text: str) -> str:
    return _LEADERS.sub(" ", text) if _has_leaders(text) else text


def _joined(before: str, line: str, hyphens: Hyphens) -> list[str]:
    match = _LINE_END_HYPHEN.search(before[-_LONG_WORD:]) if before[-1:] in _HYPHENS else None
    following = _FIRST_WORD.match(line)
    if not match or not following:
        return [before, glue_between(before, line), line]
    if not following.group()[0].islower() or hyphens.keeps(match.group(1), following.group()):
        return [before, line]  # Anglo-Saxon, Covid-19, well-known
    return [before[:-1], line]


def _softened(line: str, hyphens: Hyphens) -> str:
    """Resolve the marks that pdfium puts where it joins a hyphenated line end."""
    if "\ufffe" not in line and "\x02" not in line and "\xad" not in line:
        return line

    def mend(match: re.Match[str]) -> str:
        left, right = match.groups()
        keeps = not left or not right[:1].islower() or hyphens.keeps(left, right)
        return f"{left}-{right}" if keeps else left + right

    return _SOFT.sub(mend, line)
