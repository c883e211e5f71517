"""Numbers in Chinese and English text, by value: "1,000", "1000", "一千" and "one thousand" are the same number."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from indexes.text.numerals import CHINESE_NUMERAL, ZH_DIGITS, ZH_IDIOMS, ZH_MYRIADS, ZH_UNITS, parse_chinese
from rag.answer.words.times import same_time, times_in
from rag.answer.words.units import unit_at

_ZH_MEASURES = "个天年月日岁次名条章回节句页种位只台块米斤里层人元倍点步项号折"

_EN_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_EN_SMALL = {word: value for value, word in enumerate(_EN_UNITS.split())} | {
    word: 10 * ten for ten, word in enumerate(_EN_TENS.split(), 2)
}
_EN_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_SHORT_SCALES = {"k": 10**3, "mn": 10**6, "bn": 10**9}
ENGLISH_NUMBER_WORDS = frozenset({*_EN_SMALL, *_EN_SCALES})
_EN_NUMERAL = re.compile(
    rf"\b(?:{'|'.join([*_EN_SMALL, *_EN_SCALES])})(?:[ -](?:and )?(?:{'|'.join([*_EN_SMALL, *_EN_SCALES])}))*\b"
)
# Digits that are not part of an identifier such as bge-m3, v2 or sha256.
_ARABIC = re.compile(
    r"(?<![A-Za-z0-9_])(?<![A-Za-z]-)(?<![A-Za-z]\.)"
    r"(\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:[ '\u00a0\u202f]\d{3})+(?![\d.])|\d+)((?:\.\d+)*)"
    r"(?:\s?(dozen|hundred|thousand|million|billion|mn|bn|k)\b|\s?([百千万亿]+))?"
)
_GROUPED = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{3}){2,}(?![\d.])")  # 1.250.000
_DECIMAL_COMMA = re.compile(r"(?<![\d,.])(\d+),(\d{2}|\d(?=\s?[%€°a-z]))(?![\d,])")  # 14,92
_PERCENT = re.compile("百分之([零〇一二两三四五六七八九十百千万点\\d.]+)")
_ZH_POINT = re.compile("([零〇一二两三四五六七八九十百千]+)点([零〇一二三四五六七八九]+)")
_HALF_DOZEN = re.compile(r"\bhalf a dozen\b")
# A sign before a number, or a phrase behind it: -5, minus five, 零下5度, 5 degrees below zero.
_MINUS = re.compile(r"(?:(?<![A-Za-z0-9_)\].,%°])(?<!\d\s)[-−]|\b(?:minus|negative)\s|负\s?|零下\s?)$")
_BELOW_ZERO = re.compile(r"\s?below (?:zero|freezing)\b")
_NOUGHT = re.compile(r"零下|(?<=below )zero\b")  # these are no numbers
# Words of losing: beside them "5 million" may be the table's "-5 million".
_LOSS = re.compile(
    r"\b(?:loss|losses|lost|loses?|deficit|declin\w+|decreas\w+|fell|falls?|fallen|dropp?\w*|down|less|fewer|lower|under|"
    r"below|negative|minus|debts?|owe[sd]?|shr[aiu]nk\w*)\b|亏|损失|赤字|下降|减少|降低|跌|低于|负|欠|缩水"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sept sep", "october oct", "november nov", "december dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_DATES = (
    (re.compile(rf"\b{_DAY} (?:of )?({_MONTH})\.?(?:,? (\d{{4}}))?\b"), "dmy"),
    (re.compile(rf"\b({_MONTH})\.? {_DAY}(?:,? (\d{{4}}))?\b(?!\d)"), "mdy"),
    (re.compile(rf"\b({_MONTH})\.?,? (\d{{4}})\b"), "my"),
    (re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)"), "ymd"),
    (re.compile(r"(?<!\d)(\d{4})\s?年\s?(\d{1,2})\s?月(?:\s?(\d{1,2})\s?[日号])?"), "ymd"),
    (re.compile(r"(?<![\d年])(\d{1,2})\s?月\s?(\d{1,2})\s?[日号]"), "md"),
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text.

    >>> metre, centimetres = numbers_in("1 m")[0], numbers_in("100 cm")[0]
    >>> metre.value, centimetres.value, metre.same(centimetres)
    ('1', '100', True)

    Args:
        value: normal form; of a date year-month-day, with "?" for what is not stated, of a time of day hour:minute.
        strict: whether evidence must hold it (digits, 第三, 十五天).
        unit: dimension of the unit beside the number (each currency is one), "date", "time", or "".
        base: value in the base unit, of a time its clock, or "".
        start, end: character offsets.
        unsigned: whether the text speaks of a loss, so that its sign says nothing.
    """

    value: str
    strict: bool
    unit: str = ""
    base: str = ""
    start: int = 0
    end: int = 0
    unsigned: bool = False

    def same(self, other: Number) -> bool:
        """Return whether both are the same quantity; if one has no unit (a table's header may hold it), by value."""
        if self.unit == "date" or other.unit == "date":
            return _same_date(self, other)
        if self.unit == "time" or other.unit == "time":
            return _same_time(self, other)
        if self.unit and other.unit:
            return self.unit == other.unit and self._signed(self.base, other.base, other)
        return self._signed(self.value, other.value, other)

    def _signed(self, mine: str, theirs: str, other: Number) -> bool:
        if mine == theirs or "degree" in (self.unit, other.unit):
            return mine == theirs
        return (self.unsigned or other.unsigned) and mine.lstrip("-") == theirs.lstrip("-")


def _same_time(one: Number, other: Number) -> bool:
    if one.unit != "time":
        one, other = other, one
    if other.unit == "time":
        return same_time(one.value, one.base, other.value, other.base)
    if other.unit:
        return False
    hour, minute = one.value.split(":")
    if minute == "00":
        return (
            other.value.isdigit()
            and int(other.value) <= 24
            and same_time(one.value, one.base, f"{int(other.value) % 24}:00", "open")
        )
    return other.value == f"{hour}.{minute}".rstrip("0")


def _same_date(one: Number, other: Number) -> bool:
    if one.unit != "date":
        one, other = other, one
    parts = one.value.split("-")
    if other.unit != "date":
        return other.value in (parts[0], *((parts[1], parts[2]) if not other.unit else ()))
    return all(a == b or "?" in (a, b) for a, b in zip(parts, other.value.split("-"), strict=True))


def numbers_in(text: str) -> list[Number]:
    """Return the numbers of ``text`` (lower case, half-width) by kind: dates, digits, Chinese numerals, English words.

    >>> [number.value for number in numbers_in("1,250,000 or 1.25 million or 125万")]
    ['1250000', '1250000', '1250000']
    >>> [(number.value, number.unit) for number in numbers_in("on 5 march 2024")]
    [('2024-3-5', 'date')]
    """
    text = _GROUPED.sub(lambda match: match.group().replace(".", "").ljust(len(match.group())), text)
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    found: list[Number] = []
    rest = list(text)

    def take(start: int, end: int) -> None:
        rest[start:end] = " " * (end - start)

    for pattern, order in _DATES:
        for match in pattern.finditer("".join(rest)):
            found.append(Number(_date(match, order), True, "date", "", match.start(), match.end()))
            take(match.start(), match.end())
    for time in times_in("".join(rest), parse_chinese):
        found.append(Number(time.value, not time.named, "time", time.clock, time.start, time.end))
        take(time.start, time.end)
    for match in _NOUGHT.finditer("".join(rest)):
        take(match.start(), match.end())
    for match in _HALF_DOZEN.finditer("".join(rest)):
        found.append(_measured("6", False, text, match.start(), match.end()))
        take(match.start(), match.end())
    for match in _PERCENT.finditer("".join(rest)):
        value = _chinese_value(match.group(1))
        if value is not None:
            found.append(Number(value, True, "percent", value, match.start(), match.end()))
            take(match.start(), match.end())
    for match in _ARABIC.finditer("".join(rest)):
        whole, tail = re.sub(r"[,'\s\u00a0\u202f]", "", match.group(1)), match.group(2)
        scale = (_EN_SCALES | _SHORT_SCALES).get(match.group(3) or "", 1)
        for char in match.group(4) or "":
            scale *= (ZH_UNITS | ZH_MYRIADS)[char]
        found.append(_measured(_normal_digits(whole, tail, scale), True, text, match.start(), match.end()))
        take(match.start(), match.end())
    for match in _ZH_POINT.finditer("".join(rest)):
        value = _chinese_value(match.group())
        if value is not None:
            found.append(_measured(value, True, text, match.start(), match.end()))
            take(match.start(), match.end())
    remaining = "".join(rest)
    for match in CHINESE_NUMERAL.finditer(remaining):
        numeral = match.group()
        if numeral in ZH_IDIOMS:
            continue
        parsed = parse_chinese(numeral)
        if parsed is None:
            continue
        before, after = remaining[: match.start()][-1:], remaining[match.end() :][:1]
        counted = before == "第" or (after != "" and after in _ZH_MEASURES)
        number = _measured(str(parsed), False, text, match.start(), match.end())
        strict = before == "第" or bool(number.unit and parsed > 2)
        strict = strict or (parsed not in (1, 2) and (counted or (len(numeral) > 1 and parsed > 10)))
        found.append(Number(number.value, strict, number.unit, number.base, number.start, number.end))
    for match in _EN_NUMERAL.finditer(remaining):
        spoken = parse_english(match.group())
        if spoken is not None:
            number = _measured(str(spoken), False, text, match.start(), match.end())
            strict = spoken > 2 and bool(number.unit or spoken > 12)
            found.append(Number(number.value, strict, number.unit, number.base, number.start, number.end))
    unsigned = bool(_LOSS.search(text))
    return [_with_sign(number, text, unsigned) for number in found]


def _with_sign(number: Number, text: str, unsigned: bool) -> Number:
    """Return the number negative if the text says so."""
    if number.unit in ("date", "time"):
        return number
    before = _MINUS.search(text[max(0, number.start - 12) : number.start])
    behind = _BELOW_ZERO.match(text, number.end) if number.unit == "degree" else None
    if before is None and behind is None:
        return replace(number, unsigned=True) if unsigned else number
    start = number.start - len(before.group()) if before else number.start
    end = behind.end() if behind else number.end
    base = f"-{number.base}" if number.base else ""
    return replace(number, value=f"-{number.value}", base=base, start=start, end=end, unsigned=unsigned)


def _measured(value: str, strict: bool, text: str, start: int, end: int) -> Number:
    """Return the number with the unit beside it. A year ("2011年") is not a length of time."""
    unit = unit_at(text, start, end)
    if unit is None or (
        unit[0] == "month" and len(value) == 4 and value[0] in "12" and text[end:].lstrip()[:1] == "年"
    ):
        return Number(value, strict, "", "", start, end)
    try:
        base = format((Decimal(value) * unit[1]).normalize(), "f")
    except ArithmeticError:  # a version: 1.2.3
        return Number(value, strict, "", "", start, end)
    return Number(value, strict, unit[0], base, unit[2], unit[3])


def _date(match: re.Match[str], order: str) -> str:
    parts = dict(zip(order, match.groups(), strict=True))
    month = parts.get("m") or ""
    year, day = parts.get("y") or "?", parts.get("d") or "?"
    return f"{year}-{_MONTHS.get(month) or int(month)}-{int(day) if day != '?' else day}"


def _chinese_value(numeral: str) -> str | None:
    if re.fullmatch(r"\d+(?:\.\d+)?", numeral):
        return _normal_digits(numeral.split(".")[0], numeral[len(numeral.split(".")[0]) :], 1)
    whole, _, fraction = numeral.partition("点")
    value = parse_chinese(whole) if CHINESE_NUMERAL.fullmatch(whole) else None
    digits = "".join(str(ZH_DIGITS.get(char, "")) for char in fraction)
    return None if value is None else _normal_digits(str(value), f".{digits}" if digits else "", 1)


def _normal_digits(whole: str, tail: str, scale: int) -> str:
    whole = whole.lstrip("0") or "0"
    if tail.count(".") > 1:  # a version or a date, not a number to calculate with
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


def parse_english(phrase: str) -> int | None:
    """Return the value of number words; None if they do not form one number.

    >>> parse_english("two hundred and five"), parse_english("five two")
    (205, None)
    """
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
