"""Numbers in Chinese and English text, by value: "1,000", "1000", "一千" and "one thousand" are one number."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ZH_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_ZH_UNITS = {"十": 10, "百": 100, "千": 1000}
_ZH_MYRIADS = {"万": 10**4, "亿": 10**8}
CHINESE_NUMERAL = re.compile("[零〇一二两三四五六七八九十百千万亿]+")
_ZH_MEASURES = "个天年月日岁次名条章回节句页种位只台块米斤里层人元倍点步项号"
_ZH_IDIOMS = ("万一", "千万", "十分", "一一", "百般", "万万", "千百", "三三两两", "四方", "八方", "五花八门")

_EN_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_EN_SMALL = {word: value for value, word in enumerate(_EN_UNITS.split())} | {
    word: 10 * ten for ten, word in enumerate(_EN_TENS.split(), 2)
}
_EN_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
ENGLISH_NUMBER_WORDS = frozenset({*_EN_SMALL, *_EN_SCALES})
_EN_NUMERAL = re.compile(
    rf"\b(?:{'|'.join([*_EN_SMALL, *_EN_SCALES])})(?:[ -](?:and )?(?:{'|'.join([*_EN_SMALL, *_EN_SCALES])}))*\b"
)
# A digit run that is no part of an identifier such as bge-m3, v2 or sha256.
_ARABIC = re.compile(
    r"(?<![A-Za-z0-9_])(?<![A-Za-z]-)(?<![A-Za-z]\.)"
    r"(\d{1,3}(?:,\d{3})+(?!\d)|\d+)((?:\.\d+)*)"
    r"(?:\s?(hundred|thousand|million|billion)\b|([百千万亿]+))?"
)


@dataclass(frozen=True, slots=True)
class Number:
    """``value`` in normal form; ``strict`` when a claim that holds it is false without it (digits, 第三, 十五天)."""

    value: str
    strict: bool


def numbers_in(text: str) -> list[Number]:
    """All numbers of ``text`` (lower case, half-width), in order of kind: digits, Chinese numerals, English words."""
    found: list[Number] = []
    rest = list(text)
    for match in _ARABIC.finditer(text):
        whole, tail, english, chinese = match.group(1).replace(",", ""), match.group(2), match.group(3), match.group(4)
        scale = 1
        if english:
            scale = _EN_SCALES[english]
        for char in chinese or "":
            scale *= (_ZH_UNITS | _ZH_MYRIADS)[char]
        found.append(Number(_normal_digits(whole, tail, scale), strict=True))
        rest[match.start() : match.end()] = " " * (match.end() - match.start())
    remaining = "".join(rest)
    for match in CHINESE_NUMERAL.finditer(remaining):
        numeral = match.group()
        if numeral in _ZH_IDIOMS:
            continue
        value = parse_chinese(numeral)
        if value is None:
            continue
        before, after = remaining[: match.start()][-1:], remaining[match.end() :][:1]
        counted = before == "第" or (after != "" and after in _ZH_MEASURES)
        strict = before == "第" or (value not in (1, 2) and (counted or (len(numeral) > 1 and value > 10)))
        found.append(Number(str(value), strict))
    for match in _EN_NUMERAL.finditer(remaining):
        english_value = parse_english(match.group())
        if english_value is not None:
            found.append(Number(str(english_value), strict=False))
    return found


def _normal_digits(whole: str, tail: str, scale: int) -> str:
    whole = whole.lstrip("0") or "0"
    if tail.count(".") > 1:  # a version or a date: no number to calculate with
        return whole + tail
    fraction = tail[1:]
    if scale > 1:
        shifted = int(whole + fraction) * scale
        quotient, remainder = divmod(shifted, 10 ** len(fraction))
        if not remainder:
            return str(quotient)
        return f"{quotient}.{str(remainder).zfill(len(fraction)).rstrip('0')}"
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def parse_chinese(numeral: str) -> int | None:
    """Value of a Chinese numeral, None where it is none ("十百"). Digits in a row are read as such (二〇二四)."""
    if all(char in _ZH_DIGITS for char in numeral):
        return int("".join(str(_ZH_DIGITS[char]) for char in numeral))
    total = section = digit = 0
    last_unit = 10**9
    for char in numeral:
        if char in _ZH_DIGITS:
            digit = _ZH_DIGITS[char]
        elif char in _ZH_UNITS:
            unit = _ZH_UNITS[char]
            if unit >= last_unit:
                return None
            section += (digit or 1) * unit
            digit, last_unit = 0, unit
        else:
            section += digit
            if not section and not total:
                return None
            scale = _ZH_MYRIADS[char]
            total = (total + section) * scale if scale > 10**4 else total + section * scale
            section = digit = 0
            last_unit = 10**9
    return total + section + digit


def parse_english(phrase: str) -> int | None:
    """Value of number words ("twenty-one", "two hundred and five"), None where they do not form one number."""
    total = current = 0
    seen = False
    for word in re.split(r"[ -]", phrase):
        if word == "and":
            continue
        if word in _EN_SMALL:
            value = _EN_SMALL[word]
            if seen and not (current % 100 == 0 or (current % 10 == 0 and current % 100 >= 20 and value < 10)):
                return None
            current += value
        elif word == "hundred":
            current = (current or 1) * 100
        else:
            total += (current or 1) * _EN_SCALES[word]
            current = 0
        seen = True
    return total + current if seen else None
