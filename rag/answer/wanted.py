"""What kind of thing a question asks for (a person, a number, a time, a reason), and whether a sentence holds it."""

from __future__ import annotations

import re

from rag.answer.words.numbers import numbers_in
from rag.answer.words.terms import normal, terms_of

ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|old|far|large|big|often|high|tall|fast)\b|"
    r"\bwhat (?:percent|number|amount|size|port|version)|"
    r"多少|几[个条次年月天种位名层章回句]|多[大长久高远快重]|百分之几|第几|端口|数量",
    re.IGNORECASE,
)
ASKS_TIME = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|time)\b|"
    r"什么时候|何时|哪[一]?[年月天日]|几[年月日点]|时间",
    re.IGNORECASE,
)
ASKS_PERSON = re.compile(r"\bwho(?:m|se)?\b|谁|哪位|哪个人|什么人", re.IGNORECASE)
ASKS_REASON = re.compile(r"\bwhy\b|\bwhat (?:causes?|caused|reason)\b|为什么|为何|原因|怎么会", re.IGNORECASE)
ASKS_MEANING = re.compile(
    r"^\W*what (?:is|are|was|were|does)\b|\bmeaning of\b|\bdefine\b|"
    r"是什么|什么是|什么叫|是指|指的是什么|何谓|含义|定义",
    re.IGNORECASE,
)
ASKS_HOW = re.compile(r"\bhow (?:do|does|can|to|should|would)\b|怎么|怎样|如何|步骤|方法", re.IGNORECASE)
_LENGTH = re.compile(r"\bhow long\b|多久|多长时间", re.IGNORECASE)
_ROLE = re.compile(
    r"\b(?:head|manager|director|officer|president|chair(?:man|woman|person)?|secretary|minister|committee|board|team|"
    r"department|office|supervisor|owner|employer|trustee|editor|teacher|doctor|nurse|engineer|author|king|queen|"
    r"founder|inventor|captain|mayor|judge|lawyer|accountant|administrator|council|staff|employees?|members?)\b|"
    r"主管|经理|主任|主席|总裁|董事|负责人|部门|科长|处长|局长|部长|委员会|秘书|校长|院长|老师|医生|护士|工程师|作者|"
    r"国王|皇帝|女王|创始人|发明者|船长|市长|法官|律师|会计|管理员|员工|成员|[一-龥]{1,4}(?:部|处|科|局|委)(?![分署的])",
    re.IGNORECASE,
)
_TIME_UNITS = ("second", "month", "working day")


def needs_more(question: str, sentence: str, following: str) -> bool:
    """Return whether the question asks who, how much or how long, and only the next sentence holds it.

    >>> needs_more("Who signs it?", "Only long trips are allowed.", "The director signs.")
    True
    """
    for asks, holds in (
        (ASKS_PERSON, _holds_person),
        (_LENGTH, _holds_length),
        (ASKS_NUMBER, _holds_number),
    ):
        if asks.search(question):
            return not holds(sentence) and holds(following)
    return False


def _holds_person(text: str) -> bool:
    return bool(_ROLE.search(text)) or any(term.kind == "name" for term in terms_of(text))


def _holds_number(text: str) -> bool:
    return any(number.strict or number.value not in ("1", "2") for number in numbers_in(normal(text).lower()))


def _holds_length(text: str) -> bool:
    return any(number.unit in _TIME_UNITS for number in numbers_in(normal(text).lower()))
