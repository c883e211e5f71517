"""The kind of a cell, from its words: number, measure, date, words or running text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from indexes.readers.tables.labels import LABELS

NUMBER, MEASURE, DATE, WORD, LONG, EMPTY = "number", "measure", "date", "word", "long", ""
TYPED = frozenset((NUMBER, MEASURE, DATE))
_LONG = 120  # characters; more is running text, not a name
_CURRENCY = "$€£¥￥₩₹₽"
_FIGURES = r"(?:\d{1,3}(?:[,.'’\s]\d{3})+|\d+)(?:[.,]\d+)?(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(
    rf"(?:约|ca\.|~|≈|<|>|≤|≥|±)?\s*[-+−(]?\s*(?:[A-Z]{{0,3}}[{_CURRENCY}]|(?:EUR|USD|GBP|CNY|RMB|JPY|CHF)\s)?\s*{_FIGURES}"
    rf"\s*(?:[%‰)]|[{_CURRENCY}]|(?:EUR|USD|GBP|CNY|RMB|JPY|CHF)\b)?\)?"
)
_CODE = re.compile(r"[+(]?\d[\d\s()./-]{4,}\d")  # a telephone number or an article number
_MEASURE = re.compile(
    rf"[-+−±~≈<>≤≥]?\s*{_FIGURES}\s*(?:[-–~x×*]\s*{_FIGURES}\s*)*"
    r"([^\W\d_°µμΩ]{1,8}\.?|[°µμΩ]\w{0,3}|[^\W\d_]{1,4}[/·²³]\S{0,4})"
)
_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august|september|"
    r"october|november|december)\.?"
)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?(?:[T ][\d:.]+Z?)?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})(?:[T ][\d:.]+)?"
    rf"|\d{{2,4}}\s*年(?:\s*\d{{1,2}}\s*月(?:\s*\d{{1,2}}\s*日)?)?|\d{{1,2}}\s*月(?:\s*\d{{1,2}}\s*日)?"
    rf"|\d{{1,2}}\.?\s+{_MONTH}(?:,?\s+\d{{2,4}})?|{_MONTH}\s+\d{{1,2}}(?:,\s*\d{{4}})?|{_MONTH}\s+\d{{4}}"
    r"|\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?|(?:fy\s?)?(?:19|20)\d{2}(?:[/-]\d{2})?[ae]?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:fy\s?)?((?:19|20)\d{2})(?:[/-]\d{2})?\s*(?:年|年度|[aef])?", re.IGNORECASE)
_NOTHING = frozenset(("-", "–", "—", "/", "n/a", "na", "n.a.", "none", "nil", "无", "暂无", ".", "..", "…", "?"))


def kind_of(text: str) -> str:
    """Return EMPTY, NUMBER, DATE, MEASURE, WORD or LONG; placeholders ("-", "n/a") are EMPTY.

    >>> [kind_of(text) for text in ("1,234.50", "€5", "15%", "230 V", "2021年3月1日", "2021", "Town", "-")]
    ['number', 'number', 'number', 'measure', 'date', 'date', 'word', '']
    """
    text = text.strip()
    if not text or text.casefold() in _NOTHING:
        return EMPTY
    if len(text) > 40:
        return LONG if len(text) > _LONG else WORD
    if not any(char.isdigit() for char in text):
        return WORD
    if _DATE.fullmatch(text):
        return DATE
    if _NUMBER.fullmatch(text) or _CODE.fullmatch(text):
        return NUMBER
    return MEASURE if _MEASURE.fullmatch(text) else WORD


def unit_of(text: str) -> str:
    """Return the unit of a measure.

    >>> unit_of("230 V")
    'V'
    """
    match = _MEASURE.fullmatch(text.strip())
    return match.group(1) if match else ""


def year_of(text: str) -> int | None:
    """Return the year that a text consists of; None for other texts.

    >>> year_of("2021"), year_of("in 2021")
    (2021, None)
    """
    match = _YEAR.fullmatch(text.strip())
    return int(match.group(1)) if match else None


def in_sequence(names: Sequence[str]) -> bool:
    """Return whether two or more numbers, years or dates form a sequence, ascending or descending, like in a head.

    >>> in_sequence(["2021", "2022"]), in_sequence(["1", "2", "3"]), in_sequence(["80", "30"])
    (True, True, False)
    """
    if len(names) < 2:
        return False
    years = [year_of(name) for name in names]
    if all(year is not None for year in years):
        return _steady([float(year or 0) for year in years])
    if all(kind_of(name) == DATE for name in names):
        figures = [tuple(map(int, re.findall(r"\d+", name))) for name in names]
        # Names of months have no figures.
        if not all(figures) or len({len(item) for item in figures}) > 1 or re.search("[A-Za-z]{3}", "".join(names)):
            return len(set(names)) == len(names)
        turned = [item if item[0] > 31 else item[::-1] for item in figures]  # day first, or year first
        return turned == sorted(set(turned)) or turned == sorted(set(turned), reverse=True)
    try:
        numbers = [float(re.sub(r"[^\d.]", "", name)) for name in names]
    except ValueError:
        return False
    steps = {round(after - before, 6) for before, after in pairwise(numbers)}
    if len(names) > 2:
        return len(steps) == 1 and 0 not in steps
    return steps in ({1.0}, {-1.0})


def _steady(values: Sequence[float]) -> bool:
    ordered = sorted(set(values))
    return list(values) in (ordered, ordered[::-1])


def is_label(text: str) -> bool:
    """Return whether a text is a name typical of forms (Name, Phone, 姓名), or ends in a colon.

    >>> is_label("Phone"), is_label("Colour:"), is_label("tea")
    (True, True, False)
    """
    words = " ".join(text.split()).casefold()
    return words.endswith((":", "：")) or words in LABELS or words.replace(" ", "") in LABELS
