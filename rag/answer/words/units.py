"""Units of measure beside a number: "EUR 95", "95 euros" and "95欧元" are the same quantity."""

from __future__ import annotations

import re
from decimal import Decimal

# canonical dimension, factor to its base, English and signs, Chinese
_TABLE: tuple[tuple[str, str, str, str], ...] = (
    ("usd", "1", r"us\$|usd|us dollars?|dollars?|\$", "美元|美金"),
    ("eur", "1", r"eur|euros?|€", "欧元"),
    ("gbp", "1", r"gbp|pounds? sterling|£", "英镑"),
    ("jpy", "1", r"jpy|yen", "日元"),
    ("chf", "1", r"chf|(?:swiss )?francs?", "瑞士法郎|法郎"),
    ("cny", "1", r"cny|rmb|yuan|¥", "人民币|元|块钱"),
    ("percent", "1", r"%|percent|per cent|percentage points?", "个百分点"),
    ("working day", "1", r"(?:working|business) days?|workdays?", "个工作日|工作日"),
    ("second", "1", r"seconds?|secs?", "秒钟|秒"),
    ("second", "60", r"minutes?|mins?", "分钟"),
    ("second", "3600", r"hours?|hrs?", "个小时|小时|个钟头"),
    ("second", "86400", r"(?:calendar )?days?", "天"),
    ("second", "604800", r"weeks?", "个星期|个礼拜|星期|周"),
    ("month", "1", r"months?", "个月"),
    ("month", "12", r"years?", "周年|年"),
    ("metre", "0.001", r"mm|millimet(?:er|re)s?", "毫米"),
    ("metre", "0.01", r"cm|centimet(?:er|re)s?", "厘米|公分"),
    ("metre", "1000", r"km|kilomet(?:er|re)s?", "公里|千米"),
    ("metre", "1", r"met(?:er|re)s?|m", "米"),
    ("gram", "0.001", r"mg|milligrams?", "毫克"),
    ("gram", "1000", r"kg|kilograms?|kilos?", "公斤|千克"),
    ("gram", "1000000", r"tonnes?|tons?", "吨"),
    ("gram", "1", r"grams?|g", "克"),
    ("litre", "0.001", r"ml|millilit(?:er|re)s?", "毫升"),
    ("litre", "1", r"lit(?:er|re)s?|l", "升"),
    ("degree", "1", r"°\s?c|degrees?(?: celsius)?|℃|°", "摄氏度|度"),
    ("byte", "1", r"gb|gigabytes?", ""),
)
CURRENCIES = frozenset(row[0] for row in _TABLE[:6])
_AFTER = [
    (dimension, Decimal(factor), re.compile(rf"[\s-]?(?:(?:{latin})(?![a-z])" + (rf"|(?:{han})" if han else "") + ")"))
    for dimension, factor, latin, han in _TABLE
]
_BEFORE = [
    (dimension, re.compile(rf"(?<![a-z])(?:{latin})\s?$|(?:{han})\s?$"))
    for dimension, _, latin, han in _TABLE[:6]  # currencies
]


def unit_at(text: str, start: int, end: int) -> tuple[str, Decimal, int, int] | None:
    """Return (dimension, factor, start, end) of the unit of the number ``text[start:end]``; None if it has none.

    >>> unit_at("it costs 95 euros", 9, 11)
    ('eur', Decimal('1'), 9, 17)

    Args:
        text: lower case, half-width.
    """
    best: tuple[str, Decimal, int, int] | None = None
    for dimension, factor, pattern in _AFTER:
        match = pattern.match(text, end)
        if match and (best is None or match.end() > best[3]):
            best = (dimension, factor, start, match.end())
    if best is not None:
        return best
    before = text[max(0, start - 10) : start]
    for dimension, pattern in _BEFORE:
        match = pattern.search(before)
        if match:
            return dimension, Decimal(1), start - len(before) + match.start(), end
    return None
