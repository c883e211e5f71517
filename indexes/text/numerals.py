"""Chinese numerals by value: 三百 is 300, 二〇二四 is 2024."""

from __future__ import annotations

import re

ZH_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
ZH_UNITS = {"十": 10, "百": 100, "千": 1000}
ZH_MYRIADS = {"万": 10**4, "亿": 10**8}
CHINESE_NUMERAL = re.compile("[零〇一二两三四五六七八九十百千万亿]+")
ZH_IDIOMS = ("万一", "千万", "十分", "一一", "百般", "万万", "千百", "三三两两", "四方", "八方", "五花八门")

_FORMAL = str.maketrans("壹贰叁参肆伍陆柒捌玖拾佰仟", "一二三三四五六七八九十百千")
_IS_FORMAL = re.compile("[零〇壹贰叁参肆伍陆柒捌玖拾佰仟万亿]{2,}")
_TENS = re.compile("([廿卅])(?=[一二三四五六七八九年日号])")


def usual_numerals(text: str) -> str:
    """Replace the numerals of cheques and contracts and the short tens by the usual ones.

    >>> usual_numerals("人民币叁佰伍拾元"), usual_numerals("廿五日"), usual_numerals("收拾")
    ('人民币三百五十元', '二十五日', '收拾')

    Args:
        text: in simplified characters.
    """
    text = _IS_FORMAL.sub(lambda match: _usual(match.group()), text)
    return _TENS.sub(lambda match: "二十" if match[1] == "廿" else "三十", text)


def _usual(numeral: str) -> str:
    """Return a formal numeral as the usual one; it holds a digit and a unit, or it is something else."""
    units = sum(char in "拾佰仟" for char in numeral)
    digits = sum(char in "壹贰叁参肆伍陆柒捌玖" for char in numeral)
    return numeral.translate(_FORMAL) if (units and digits) or digits > 2 else numeral


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
