"""Other forms of marks, normalised before the scanner reads them: "(1)", "<1>", "①" and "¹" become "[1]".

A number in round or angle brackets or a circle is a mark if it follows words, is the number of a passage, and no square
mark came before: a list's "(1)" or "①" at the start of a line, "step ①", a call such as f(1), and "km²" are not marks.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rag.answer.check.boxes import Unboxed

_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_SQUARE = re.compile(r"[\[【［]\s*\^?\d{1,3}\s*[\]】］]")
_ROUND = re.compile(
    r"(?P<before>[^\s(（]\s+|[\u3400-\u9fff。！？.!?；;”\"』」)）\]])"
    r"[(（]\s*(?P<inside>\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\s*[)）](?=[\s.,;:!?。，；：！？、(（\[]|$)"
)
_RAISED = re.compile(
    r"(?P<before>[.!?。！？，,;；”\"』」)）]|[A-Za-z]{4}|[\u3400-\u9fff])(?P<inside>[¹²³⁴-⁹][⁰¹²³⁴-⁹]?)(?![⁰¹²³⁴-⁹\w])"
)
_ANGLE = re.compile(
    r"(?P<before>[^\s<＜〈]\s+|[\u3400-\u9fff。！？.!?；;”\"』」)）\]>＞〉])"
    r"[<＜〈](?P<inside>\d{1,2}(?:[,，、]\s?\d{1,2})*)[>＞〉](?=[\s.,;:!?。，；：！？、)）<＜〈]|$)"
)
# Not "step ①" or 第①: these count something else.
_CIRCLED = re.compile(
    r"(?P<before>(?<!步骤)(?<!第)(?<!图)(?<!表)(?<!条款)(?<!方法)(?<!\bstep)(?<!figure)(?<!\bitem)(?<!point)"
    # Behind a full stop it may begin the next item of a list.
    r"(?:(?<=[^\s.。!！?？;；:：①-⑳]) ?|(?<=[.。!！?？]) ?(?=[①-⑳]+\s*(?:\n|$))))"
    r"(?P<inside>[①-⑳]+)(?=[\s.,;:!?。，；：！？)）\]」』”]|$)",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"(?:\S\s*)?[(（<＜〈]\s*[\d\s,，、]{0,12}[)）>＞〉]?$|[^\s]{0,4}[⁰¹²³⁴-⁹]{1,2}$|(?:\S ?)?[①-⑳]{1,4}$"
)
_KEEP = 8


_LABEL = re.compile(
    r"\s*[*_#>]{0,4}\s*(?:(?:final |short )?answer|答案|回答|答)\s*[*_]{0,3}\s*[:：]\s*[*_]{0,3}\s*", re.IGNORECASE
)
_LABEL_LENGTH = 26
_SOURCES = re.compile(
    r"(?:^|\n)[\s*_#>-]*"
    r"(?:sources?|references?|citations?|works cited|quellen?|fuentes?|références?|fonti|источники|"
    r"出典|来源|资料来源|参考(?:资料|文献|来源)?|出处|引用(?:来源)?)"
    r"(?: used)?[\s*_]*(?:[:：][\s*_]*|\n)(?=[\s*_\-•]*(?:[\[【［(（\n]|\d{1,2}[.:)]|[^\s\n]+\.[a-z]{2,5}\b))",
    re.IGNORECASE,
)
_FOOTNOTES = re.compile(r"\n\s*\[\^?\d{1,2}\]:[ \t]")  # "[^1]: guide.md"
_MAY_BE_SOURCES = re.compile(
    r"\n[\s*_#>-]*[A-Za-zéи-я\u4e00-\u9fff ]{0,16}[\s*_]*[:：]?[\s*_\-•]*$|\n\s*\[\^?\d{0,2}\]?:?$"
)
# What an answer that is only a mark consists of: "(1)", "¹", "See [1].", "Passage 2".
_ONLY = re.compile(
    r"[\[【［(（<＜〈]\s*\^?\d{1,3}(?:\s*[,，、;–-]\s*\d{1,3})*\s*[\]】］)）>＞〉]|[⁰¹²³⁴-⁹①-⑳]"
    r"|\b(?:see|cf|passages?|sources?|documents?|refs?|references?|and)\b(?:\s*\d{1,2}\b)?|参[见考照]|见|段落|来源|资料|文档|和",
    re.IGNORECASE,
)
_LISTED = re.compile(r"[\[【［(（]\s*\^?(\d{1,2})\s*[\]】］)）]|^\s*(\d{1,2})[.:)]", re.MULTILINE)
_FEW = 3  # listed sources: a longer list names every passage of the prompt


def _sources(text: str) -> re.Match[str] | None:
    """Return where a list of sources begins, with a heading or as footnotes."""
    return _SOURCES.search(text) or _FOOTNOTES.search(text)


def is_only_marks(text: str) -> bool:
    """Return whether an answer consists of marks and words such as "see": it says nothing.

    >>> is_only_marks("See [1]."), is_only_marks("150 [1]")
    (True, False)
    """
    return not any(char.isalnum() for char in _ONLY.sub("", text))


def is_only_question(text: str, question: str) -> bool:
    """Return whether an answer, without its marks, is the question itself: it says nothing.

    A statement may be asked too, and confirmed in its own words.

    >>> is_only_question("When does it open? [1]", "when does it open"), is_only_question("It is open.", "it is open")
    (True, False)
    """
    if not any(mark in text + question for mark in "?？"):
        return False
    said, asked = ([char for char in part.casefold() if char.isalnum()] for part in (_ONLY.sub("", text), question))
    return bool(said) and said == asked


class MarkForms:
    """Normalise marks in text that is fed in pieces; joined, the returned pieces are the whole text.

    A box of LaTeX, a leading label ("Answer:") and a list of sources after the answer are removed; if the answer has no
    marks and the list is short, the listed marks are added to its last sentence.

    >>> forms = MarkForms({1, 2})
    >>> forms.feed("Answer: It opens at 6 (1).") + forms.finish()
    'It opens at 6 [1].'
    """

    def __init__(self, valid: Collection[int]) -> None:
        self._valid = frozenset(valid)
        self._box = Unboxed()
        self._held = ""
        self._before = ""
        self._raw = ""
        self._square = False
        self._begun = False
        self._sources: str | None = None  # a list of sources, from its heading on

    def feed(self, text: str) -> str:
        """Add a piece; return the text that is ready."""
        return self._add(self._box.feed(text))

    def _add(self, text: str) -> str:
        self._held += text
        if self._sources is not None:
            self._sources += text
            self._held = ""
            return ""
        if not self._begun:
            if len(self._held) < _LABEL_LENGTH and "\n\n" not in self._held.strip():
                return ""
            self._begin()
        listed = _sources(self._held) if self._before or self._held.strip() else None
        if listed and (self._before or listed.start() > 0):
            ready, self._sources = self._held[: listed.start()], self._held[listed.start() :]
            self._held = ""
            return self._give(ready)
        cut = len(self._held)
        for pattern in (_OPEN_END, _MAY_BE_SOURCES):
            waiting = pattern.search(self._held)
            cut = min(cut, waiting.start()) if waiting else cut
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._give(ready)

    def finish(self) -> str:
        """Return the rest of the text."""
        start = self._add(self._box.finish())
        return start + self._finish()

    def _finish(self) -> str:
        if not self._begun:
            self._begin()
        given = ""
        if self._sources is None:
            listed = _sources(self._held)
            if listed and (self._before or listed.start() > 0):
                self._sources, self._held = self._held[listed.start() :], self._held[: listed.start()]
        ready, self._held = self._held, ""
        given = self._give(ready)
        if self._sources is None:
            return given
        numbers = list(dict.fromkeys(int(a or b) for a, b in _LISTED.findall(self._sources)))
        known = [number for number in numbers if number in self._valid]
        if not self._square and known and len(numbers) <= _FEW:
            given += "".join(f"[{number}]" for number in known)
        return given

    def _begin(self) -> None:
        self._begun = True
        label = _LABEL.match(self._held)
        if label:
            self._held = self._held[label.end() :]

    def _give(self, text: str) -> str:
        if not text:
            return ""
        whole = self._before + text
        self._raw = (self._raw + text)[-60:] if len(text) < 60 else text
        self._square = self._square or bool(_SQUARE.search(self._raw))
        made = _RAISED.sub(self._mark, whole)
        if not self._square:
            for pattern in (_ROUND, _ANGLE, _CIRCLED):
                made = pattern.sub(self._mark, made)
        given = made[len(self._before) :]
        self._before = made[-_KEEP:]
        return given

    def _mark(self, match: re.Match[str]) -> str:
        inside = "".join(f" {ord(char) - 0x245F} " if "①" <= char <= "⑳" else char for char in match.group("inside"))
        numbers = re.findall(r"\d+", inside.translate(_SUPER))
        if not numbers or any(int(number) not in self._valid for number in numbers):
            return match.group()
        return match.group("before") + "".join(f"[{number}]" for number in numbers)
