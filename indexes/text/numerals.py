"""Chinese numerals by value: 三百 is 300, 二〇二四 is 2024."""

from __future__ import annotations

import re

ZH_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
ZH_UNITS = {"十": 10, "百": 100, "千": 1000}
ZH_MYRIADS = {"万": 10**4, "亿": 10**8}
CHINESE_NUMERAL = re.compile("[零〇一二两三四五六七八九十百千万亿]+")
ZH_IDIOMS = ("万一", "千万", "十分", "一一", "百般", "万万", "千百", "三三两两", "四方", "八方", "五花八门")


def parse_chinese(numeral: str) -> int | None:
    """Return the value of a Chinese numeral, also of digits in a row; None for an invalid one.

    >>> parse_chinese("三百零五"), parse_chinese("二〇二四"), parse_chinese("十百")
    (305, 2024, None)
    """
    if all(char in ZH_DIGITS for char in numeral):
        return int("".join(str(ZH_DIGITS[char]) for char in numeral))
    total = section = digit = 0
    last_unit = 10**9
    for char in numeral:
        if char in ZH_DIGITS:
            digit = ZH_DIGITS[char]
        elif char in ZH_UNITS:
            unit = ZH_UNITS[char]
            if unit >= last_unit:
                return None
            section += (digit or 1) * unit
            digit, last_unit = 0, unit
        else:
            section += digit
            if not section and not total:
                return None
            scale = ZH_MYRIADS[char]
            total = (total + section) * scale if scale > 10**4 else total + section * scale
            section = digit = 0
            last_unit = 10**9
    return total + section + digit
