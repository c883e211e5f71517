"""The rules of the sentence splitter: one function for each kind of terminator. ``sentences.py`` walks the text.

Every rule looks at a bounded stretch around its terminator, so that the walk stays linear. ``begin`` is where
the present sentence starts, ``stop`` the end of the text to split; a rule returns where to go on and the boundary it
found, or -1.
"""

from __future__ import annotations

import re

from indexes.text.sentence_words import BEFORE_NUMBER, LABELS, LONG_ABBREVIATIONS, MAY_END, STARTERS, TITLES

_CJK = (
    "\u2e80-\u2fff\u3001-\u30ff\u3100-\u312f\u31a0-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003ffff"
)
_CLOSERS = "」』”’）》】〕〗〉］｝"
STRONG = "。！？；｡．…‥‼⁇⁈⁉"
BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

# First characters of everything that matters; a single character class is the regex engine's fast path.
CANDIDATE = re.compile(f"[{STRONG}.!?;《（(`{BREAKS}]")
_STRONG_RUN = re.compile(f"[{STRONG}][{STRONG}!?.{_CLOSERS}]*+")
_WEAK_RUN = re.compile(f"[.!?]++[{STRONG}.!?{_CLOSERS})\\]}}\"'*_]*+")
SKIP = {
    "《": re.compile("《[^《》\n]{1,60}+》"),
    "（": re.compile("（[^（）\n]{1,80}+）"),
    "(": re.compile(r"\([^()\n]{1,100}+\)"),
    "`": re.compile(r"`++(?:[^`\n]{1,200}+`++)?"),
}
_NOTE = re.compile(r"(?:\[\d{1,4}\])++")  # "end.[7] The": note marks go with the sentence before
_SPACE = re.compile(r"\s*+")
_IS_CJK = re.compile(f"[{_CJK}]")
_ATTRIBUTION = re.compile(
    "(?![没无不])[\u4e00-\u9fff]{0,8}?(?:说道|问道|答道|喊道|叫道|笑道|想道|说|道|问|答|喊|叫|想|回答|表示|写道)(?:着|过)?[。，,]"
)
_INTRODUCED = re.compile('[：:][“「『"]')  # 她问：“几点了？” has its attribution already
_OPENER_OF = {"”": "“", "’": "‘", "」": "「", "』": "『"}
_CONTINUES = frozenset("，,、：:；;的")
_LINE_STARTS_BLOCK = re.compile(
    r"[-*+•·●○■□◆▪‣–—]\s|\d{1,3}[.)、．）](?!\d)|[(（][一二三四五六七八九十百\da-zA-Z]{1,3}[)）]|[一二三四五六七八九十百]{1,3}[、.．]"
    r"|第[一二三四五六七八九十百千零〇两\d]{1,8}[章节回卷部篇条]|#{1,6}\s|\||```|~~~|[①-⑳]|[a-zA-Z][.)]\s|[ivxIVX]{1,4}[.)]\s"
    r"|\[?\d{4}[-/]\d\d|\[?\d\d:\d\d|　"
)
_NO_WORD = LONG_ABBREVIATIONS | TITLES | MAY_END
_LIST_NUMBER = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){0,4}|[a-zA-Z]|[ivxlcIVXLC]{1,5})\Z")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]{1,2}\Z")
_WORD = re.compile(r"[A-Za-z]+")
_OPENERS = "\"'“‘«([{（「『【《*_"


class Paragraph:
    """Straight quotes and line starts of the paragraph so far, counted as far as they were asked for."""

    __slots__ = ("counted", "hashed", "line", "quotes", "width")

    def __init__(self, at: int) -> None:
        self.hashed = False  # does the line begin with "#"? Asked where its beginning is out of sight
        self.reset(at)

    def reset(self, at: int) -> None:
        self.counted, self.quotes, self.line, self.width = at, 0, at, 0

    def gap(self, text: str, start: int, end: int) -> None:
        """Note the white space ``text[start:end]`` that followed a sentence."""
        breaks = text.count("\n", start, end)
        if breaks > 1:
            self.reset(end)
        elif breaks:
            self.line = end

    def copy(self) -> Paragraph:
        other = Paragraph(self.line)
        other.counted, other.hashed, other.quotes, other.width = self.counted, self.hashed, self.quotes, self.width
        return other

    def settle(self, text: str, at: int) -> None:
        """Reading goes on at ``at``, and what lies before it may be out of sight then."""
        self.open_quote(text, at)
        self.hashed = self.hash_line(text)

    def shift(self, by: int) -> None:
        """The text has lost its first ``by`` characters."""
        self.line -= by
        self.counted -= by

    def hash_line(self, text: str) -> bool:
        """Does the present line begin with "#"?"""
        return text.startswith("#", self.line) if self.line >= 0 else self.hashed

    def open_quote(self, text: str, at: int) -> bool:
        """Is a straight double quote open before ``at``? Counts each character once."""
        self.quotes += text.count('"', self.counted, at)
        self.counted = max(self.counted, at)
        return self.quotes % 2 == 1


def after_space(text: str, at: int, stop: int) -> int:
    if at < stop and text[at].isspace():
        match = _SPACE.match(text, at, stop)
        return match.end() if match else at
    return at


def skip(text: str, i: int, begin: int, stop: int, char: str) -> tuple[int, int]:
    """Step over a title, code span or short bracket; a bracket that is a sentence by itself ends one."""
    match = SKIP[char].match(text, i, stop)
    if match is None:
        return i + 1, -1
    at = match.end()
    if i == begin and char in "（(" and text[at - 2] in "。！？.!?…" and (at == stop or text[at] not in _CONTINUES):
        following = _next_letter(text, at, stop)
        return at, -1 if following.islower() else at
    return at, -1


def strong(text: str, i: int, begin: int, stop: int, state: Paragraph) -> tuple[int, int]:
    """A Chinese terminator and what belongs to it."""
    match = _STRONG_RUN.match(text, i, stop)
    at = match.end() if match else i + 1
    run = text[i:at]
    before = text[i - 1] if i > begin else ""
    if run == "．" and before.isdigit():
        label = text[max(begin, i - 6) : i]
        if (at < stop and text[at].isdigit()) or (label.isdigit() and i - len(label) == begin and len(label) <= 3):
            return at, -1  # 3．14, or the list number 1．
    while at < stop and text[at] in "\"'*_)]}":  # closers that look like openers
        char = text[at]
        if char == '"':
            closes = state.open_quote(text, at)
        else:
            closes = at + 1 == stop or text[at + 1].isspace() or text[at + 1] in STRONG or char in ")]}"
        if not closes:
            break
        at += 1
    note = _NOTE.match(text, at, stop)
    if note:
        at = note.end()
    if at >= stop:
        return at, at
    following = text[at]
    if following in _CONTINUES:
        return at, -1
    if following.isspace():
        return at, at if run[0] not in "…‥" or not _next_letter(text, at, stop).islower() else -1
    if not run.strip("…‥"):  # "我……我不知道" and "苹果、香蕉……等" go on; "天黑了，人都走了……他还在等" does not
        goes_on = at - begin < 8 or before == following or following in "等到和与及" or not _IS_CJK.match(following)
    elif text[at - 1] in "」』”’\"'":
        introduced = _INTRODUCED.search(text, max(begin, i - 200), i) is not None
        told = not introduced and _ATTRIBUTION.match(text, at, min(stop, at + 14)) is not None
        goes_on = told or following in "时等吗呢吧" or _quoted_word(text, at, begin)
    else:
        goes_on = False
    return at, -1 if goes_on else at


def _quoted_word(text: str, at: int, begin: int) -> bool:
    """Is the quotation that closes before ``at`` a part of its clause, as in 他写下“为什么？”三个字?

    It is where it opens right behind a word; a verb of saying there (他说“走吧。”) makes it a speech.
    """
    opener = _OPENER_OF.get(text[at - 1])
    opens = text.rfind(opener, max(begin, at - 60), at - 1) if opener else -1
    before = text[opens - 1] if opens > begin else ""
    return "\u4e00" <= before <= "\u9fff" and before not in "说道问答喊叫想曰云"


def semicolon(text: str, i: int, begin: int, stop: int) -> tuple[int, int]:
    """A half-width semicolon counts between Chinese characters only (elsewhere it is code or an English clause)."""
    at = i + 1
    between = i > begin and at < stop and _IS_CJK.match(text[i - 1]) and _IS_CJK.match(text[at])
    return at, at if between else -1


def weak(text: str, i: int, begin: int, stop: int, state: Paragraph) -> tuple[int, int]:
    """A run of . ! ? with its closers: returns where to go on and the boundary, or -1."""
    match = _WEAK_RUN.match(text, i, stop)
    at = match.end() if match else i + 1
    if at >= stop:
        return at, at
    note = _NOTE.match(text, at, stop)
    if note:
        at = note.end()
        if at >= stop:
            return at, at
    following = text[at]
    if not following.isspace():
        return at, at if _weak_before_cjk(text, i, at, begin, state) else -1
    run = text[i : note.start() if note else at]
    dots = len(run) - len(run.lstrip("."))
    after = after_space(text, at, stop)
    if after >= stop:
        return at, at
    if text[after] in ".!?,":
        return at, -1  # ". . ." and spaced punctuation
    if dots > 1 and i > begin and text[i - 1].isspace():
        return at, -1  # "cd .. && ls", "a ... b"
    letter = _next_letter(text, after, stop)
    lower = letter.islower()
    if dots != 1:  # ! ? or an ellipsis
        if not lower:
            return at, at
        token = _token(text, i, begin)
        quoted = run[-1] in "\"'”’)]}»"
        return at, -1 if dots or quoted or token[:1].isupper() else at
    if run[-1] in "\"'”’)]}*_":
        return at, -1 if lower else at
    return at, at if _full_stop_ends(text, i, begin, after, stop, lower) else -1


def _weak_before_cjk(text: str, i: int, at: int, begin: int, state: Paragraph) -> bool:
    """Does a . ! ? directly before Chinese end a sentence? Before anything else it never does."""
    following = text[at]
    if not _IS_CJK.match(following) or following in _CONTINUES or following in "）」』》】〉～":
        return False
    token = _token(text, i, begin)
    if "://" in token or "@" in token:
        return False
    if text[at - 1] == '"' and not state.open_quote(text, at - 1):
        return False
    if text[i] != ".":
        return True
    if text[i + 1 : at].strip("\"'*_.)]}"):
        return True
    return not (_starts(text, i, begin, token) and _LIST_NUMBER.match(token)) and not _abbreviates(token)


def _full_stop_ends(text: str, i: int, begin: int, after: int, stop: int, lower: bool) -> bool:
    """Does the full stop at ``i``, followed by white space, end a sentence?"""
    token = _token(text, i, begin)
    if not token:
        return not lower
    word = token.lower()
    starts = _starts(text, i, begin, token)
    if starts and _LIST_NUMBER.match(token):
        return False
    if lower:
        return len(token) >= 5 and token.isalpha() and word not in _NO_WORD
    if word in TITLES:
        return False
    if word in BEFORE_NUMBER and (text[after].isdigit() or text[after] in "([#§"):
        return False
    if token.isdigit() and _labelled(text, i - len(token), begin):
        return False
    initial = len(token) == 1 and token.isupper()
    if initial or word in MAY_END or word in BEFORE_NUMBER or _DOTTED.match(token):
        if word in BEFORE_NUMBER and word not in MAY_END and not initial:
            return True
        match = _WORD.match(text, _skip_openers(text, after, stop), stop)
        if match is None:
            return not initial and word != "al" and text[after] not in "(["
        return match.group().lower() in STARTERS
    return True


def _abbreviates(token: str) -> bool:
    word = token.lower()
    return word in TITLES or word in BEFORE_NUMBER or (len(token) == 1 and token.isupper())


def _token(text: str, i: int, begin: int) -> str:
    """The run of non-space, non-Chinese characters before ``i`` (at most 60), without opening quotes and brackets."""
    chunk = text[max(begin, i - 60) : i].split()
    if not chunk or text[i - 1].isspace():
        return ""
    token = chunk[-1]
    if not token.isascii():
        for at in range(len(token) - 1, -1, -1):
            if _IS_CJK.match(token[at]) or token[at] in "“‘—–…":
                token = token[at + 1 :]
                break
    return token.lstrip(_OPENERS)


def _starts(text: str, i: int, begin: int, token: str) -> bool:
    """Is the token before ``i`` the first of its sentence (opening marks aside)?"""
    first = i - len(token)
    return first == begin or (first - begin <= 3 and not text[begin:first].strip(_OPENERS + "-+• "))


def _labelled(text: str, number: int, begin: int) -> bool:
    """Is the number at ``number`` that of a "Step 1." at the beginning of the sentence?"""
    if number - begin > 20:
        return False
    return text[begin:number].strip(_OPENERS + "# ").lower() in LABELS


def _skip_openers(text: str, at: int, stop: int) -> int:
    last = min(stop, at + 8)
    while at < last and (text[at] in _OPENERS or text[at].isspace()):
        at += 1
    return at


def _next_letter(text: str, at: int, stop: int) -> str:
    """The character that begins the next word, quotes and white space skipped; "" at the end."""
    at = _skip_openers(text, after_space(text, at, stop), stop)
    return text[at] if at < stop else ""


def line_ends(text: str, i: int, after: int, begin: int, stop: int, state: Paragraph) -> bool:
    """Does the line break at ``i`` (white space up to ``after``) end a sentence?"""
    gap = text[i:after]
    if gap.count("\n") > 1 or gap.count("\r") > 1 or "\u2029" in gap or "\x0c" in gap:
        state.reset(after)
        return True
    length = i - state.line
    hashed, width = state.hash_line(text), state.width
    state.line, state.width = after, max(width, length)
    if _LINE_STARTS_BLOCK.match(text, after, stop) or "　" in gap or hashed:
        return True
    last = i - 1
    while last > begin and text[last].isspace():
        last -= 1
    if text[last] in "，、,":
        return False
    if _IS_CJK.match(text[last]):
        return True
    following = text[after]
    if following.islower() or following in ",.;:!?)]}":
        return False
    if _IS_CJK.match(following):
        return length < 35
    if not (following.isupper() or following.isdigit()):
        return False
    # A wrapped line is full: a next word that would have fitted means that somebody ended the line on purpose.
    line_end = text.find("\n", after, min(stop, after + 200))
    next_length = (line_end if line_end >= 0 else min(stop, after + 200)) - after
    word_end = text.find(" ", after, after + 40)
    word = (word_end if word_end >= 0 else after + 40) - after
    return length < 35 or length + 1 + word <= max(width, next_length if next_length < 120 else 0)
