"""Times of day: "9 pm", "21:00", "half past nine in the evening" and 晚上九点 are compared as hour and minute."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Clock = Literal["12", "24", "open"]

_HOURS = {
    word: hour
    for hour, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
    )
}
_WORD = "|".join(_HOURS)
_HOUR = rf"(?P<hour>\d{{1,2}}|{_WORD})"
_HALF_DAY = (
    r"(?P<half>a\.?m\b\.?|p\.?m\b\.?|in the (?:early |late )?(?:morning|afternoon|evening)|at night)"
    r"(?! of\b)"
)
_PATTERNS = (
    re.compile(rf"\b(?P<part>half past|(?:a )?quarter (?:past|to))\s{_HOUR}\b(?:\s?(?:o'clock\s?)?{_HALF_DAY})?"),
    re.compile(rf"(?<![a-z0-9_:.,])(?P<hour>\d{{1,2}})(?:[:.](?P<minute>[0-5]\d))?\s?(?:o'clock\s?)?{_HALF_DAY}"),
    re.compile(rf"\b(?P<hour>{_WORD})(?:[ -](?P<minute>fifteen|thirty|forty-five))?\s(?:o'clock\s?)?{_HALF_DAY}"),
    re.compile(rf"(?<![a-z0-9_:.,]){_HOUR}\s?o'clock\b"),
    re.compile(r"(?<![a-z0-9_:.,])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?![:\d])"),
    re.compile(r"\b(?P<named>noon|midday|midnight)\b"),
)
_ZH_HALF = "凌晨|清晨|清早|早上|早晨|上午|中午|正午|下午|傍晚|晚上|夜里|夜间|深夜|半夜|午夜|今晚|晚"
_ZH_NUMBER = "[零〇一二两三四五六七八九十]{1,3}"
_ZH = (
    re.compile(
        rf"(?P<half>{_ZH_HALF})\s?(?P<hour>\d{{1,2}}|{_ZH_NUMBER})\s?(?:点钟?|时|[:：])"
        rf"\s?(?:(?P<part>半|一刻|三刻|整)|(?P<minute>\d{{1,2}}|{_ZH_NUMBER})\s?分?)?"
    ),
    re.compile(
        r"(?<![\d.:])(?P<hour>\d{1,2})\s?(?:点钟?|时(?![间代候期段刻常效]))(?![\d零一二两三四五六七八九十])"
        r"(?:\s?(?P<part>半|一刻|三刻|整))?"
    ),
    re.compile(rf"(?<![\d.:])(?P<hour>\d{{1,2}})\s?[点时]\s?(?P<minute>\d{{1,2}}|{_ZH_NUMBER})\s?分"),
    re.compile(
        rf"(?<!第)(?P<hour>[三四五六七八九十]|十[一二]|二十[一二三四]?)点(?:钟|(?P<part>半|一刻|三刻|整)|(?P<minute>{_ZH_NUMBER})分)"
    ),
    re.compile(r"(?P<named>正午|午夜)"),
)
_MORNINGS = ("凌晨", "清晨", "清早", "早上", "早晨", "上午")
_EVENINGS = ("晚上", "晚", "今晚")
_NIGHTS = ("at night", "夜里", "夜间", "深夜", "半夜", "午夜", *_EVENINGS)
_PARTS = {"半": 30, "一刻": 15, "三刻": 45, "整": 0, "half past": 30, "quarter past": 15}
_MINUTES = {"fifteen": 15, "thirty": 30, "forty-five": 45}
_NAMED = {"noon": 12, "midday": 12, "midnight": 0, "正午": 12, "午夜": 0}


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day.

    >>> Time(21, 30, "12", 0, 9).value
    '21:30'

    Args:
        hour, minute: 0 to 23, 0 to 59.
        clock: "12" if the half of the day is stated, "24" if it is written as 9:30 or 21:00, else "open": at 9 o'clock.
        start, end: character offsets.
        named: whether it is a word such as "noon", which may mean no time.
    """

    hour: int
    minute: int
    clock: Clock
    start: int
    end: int
    named: bool = False

    @property
    def value(self) -> str:
        return f"{self.hour}:{self.minute:02}"


def times_in(text: str, numeral: Callable[[str], int | None]) -> list[Time]:
    """Return the times of day in ``text`` (lower case, half-width).

    >>> [(time.value, time.clock) for time in times_in("9 pm or 21:00 or 9 o'clock", numeral=lambda _: None)]
    [('21:00', '12'), ('21:00', '24'), ('9:00', 'open')]

    Args:
        numeral: returns the value of a Chinese numeral.
    """
    found: list[Time] = []
    for pattern in (*_PATTERNS, *_ZH):
        for match in pattern.finditer(text):
            if any(match.start() < one.end and one.start < match.end() for one in found):
                continue
            time = _time(match, numeral)
            if time is not None:
                found.append(time)
    return sorted(found, key=lambda one: one.start)


def _time(match: re.Match[str], numeral: Callable[[str], int | None]) -> Time | None:
    given = match.groupdict()
    if given.get("named"):
        return Time(_NAMED[given["named"]], 0, "12", match.start(), match.end(), named=True)

    def value(written: str | None) -> int | None:
        if not written:
            return 0
        if written.isdigit():
            return int(written)
        return _HOURS.get(written) or _MINUTES.get(written) or numeral(written)

    hour, minute = value(given["hour"]), value(given.get("minute"))
    if hour is None or minute is None or hour > 24 or minute > 59:
        return None
    part = (given.get("part") or "").removeprefix("a ")
    minute = _PARTS.get(part, minute)
    if part == "quarter to":
        hour, minute = (hour - 1) or 12, 45
    half = (given.get("half") or "").replace(".", "")
    if half and hour <= 12:
        hour = _in_half(hour, half)
    colon = ":" in match.group() or hour > 12
    return Time(hour % 24, minute, "12" if half else "24" if colon else "open", match.start(), match.end())


def _in_half(hour: int, half: str) -> int:
    """Return the hour, 1 to 12, of a half of the day on the clock of 24 hours."""
    if half in ("am", *_MORNINGS) or "morning" in half:
        return hour % 12
    if half in ("中午", "正午"):
        return hour if hour >= 10 else hour + 12
    if half in _NIGHTS and (hour == 12 or (hour < 6 and half not in _EVENINGS)):
        return hour % 12
    return hour % 12 + 12


def same_time(one: str, clock: str, other: str, others: str) -> bool:
    """Return whether two times, each with its clock, may be the same.

    >>> same_time("21:00", "24", "9:00", "open"), same_time("21:00", "24", "9:00", "24")
    (True, False)
    """
    if one == other:
        return True
    (hour, minute), (hours, minutes) = (tuple(map(int, time.split(":"))) for time in (one, other))
    if minute != minutes or hour % 12 != hours % 12:
        return False
    if (clock == "open" and hour <= 12) or (others == "open" and hours <= 12):
        return True
    # "9:30" may be in the evening where the other one says so.
    return (clock, others) in (("24", "12"), ("12", "24")) and (hour if clock == "24" else hours) <= 12
