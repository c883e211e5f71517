"""Words that exclude each other: a sentence about spring does not support one about autumn."""

from __future__ import annotations

import re

from indexes.text.characters import simplified

_SETS = (
    "spring|summer|autumn,fall|winter",
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday",
    "north,northern|south,southern|east,eastern|west,western",
    "red|green|blue|yellow|black|white|brown|orange|purple|grey,gray",
    "before|after",
    "above,over|below,under|between",
    "minimum,at least|maximum,at most",
    "increase,increased,increases,rise,rose,rises|decrease,decreased,decreases,fell,drop,dropped",
    "left|right",
    "male,men,man|female,women,woman",
    "optional,voluntary|mandatory,compulsory,required,must",
    "morning|afternoon|evening|night",
    "open,opens,opened|close,closes,closed",
    "oldest|newest",
    "largest,biggest|smallest",
    "first|second|third|last",
    "春季,春天,春|夏季,夏天|秋季,秋天|冬季,冬天",
    "星期一,周一|星期二,周二|星期三,周三|星期四,周四|星期五,周五|星期六,周六|星期日,周日,星期天",
    "东|南|西|北",
    "红色|绿色|蓝色|黄色|黑色|白色",
    "之前,以前|之后,以后",
    "以上,至少,不少于|以下,至多,不超过",
    "增加,上升,提高|减少,下降,降低",
    "左|右",
    "上午,早上|下午|晚上",
    "最大|最小",
    "最高|最低",
)
_GROUPS = tuple(tuple(tuple(member.split(",")) for member in line.split("|")) for line in _SETS)
_SHORTEST_HAN = 2  # a single character occurs in too many words
# What an amount is for: 18 euros a day, 每小时 6 元.
_RATE = re.compile(
    r"(?:\d|[€$£¥]|\b(?:euros?|dollars?|pounds?|francs?|yuan|yen|eur|usd|gbp|chf|cny|rmb|km|kilomet\w+|miles?|lit\w+))\s+"
    r"(?:an?|per|each|every)\s+(minute|hour|day|night|week|month|year)\b"
    r"|每(小时|[天日周月年晚]|个月|星期)\s?[^，。；,;]{0,4}?\d"
)
_SAME_RATE = {"日": "天", "星期": "周", "个月": "月"}
_WORDS = re.compile(r"[a-z]+")


def exclusive(claim: str, evidence: str) -> str | None:
    """Return a word of ``claim`` that ``evidence`` does not hold, but whose opposite it holds; None if there is none.

    >>> exclusive("The fee is due in spring.", "The fee is due in autumn.")
    'spring'
    >>> exclusive("Oars cost 6 euros an hour.", "Oars cost 6 euros a day.")
    'hour'
    """
    rates, others = _rates(claim), _rates(evidence)
    if rates and others and not set(rates) & set(others):
        return rates[0]
    mine, theirs = _present(claim), _present(evidence)
    for group, member in mine:
        rivals = {other for number, other in theirs if number == group}
        if rivals and member not in rivals:
            return member[0]
    return None


def _rates(text: str) -> list[str]:
    found = [english or chinese for english, chinese in _RATE.findall(simplified(text.lower()))]
    return [_SAME_RATE.get(rate, rate) for rate in found]


def _present(text: str) -> list[tuple[int, tuple[str, ...]]]:
    text = simplified(text.lower())
    words = set(_WORDS.findall(text))
    found = []
    for number, group in enumerate(_GROUPS):
        for member in group:
            if any(_stands(word, text, words) for word in member):
                found.append((number, member))
    return found


def _stands(word: str, text: str, words: set[str]) -> bool:
    if word.isascii():
        return word in words if " " not in word else word in text
    return len(word) >= _SHORTEST_HAN and word in text
