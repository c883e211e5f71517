"""Excel's number formats: the text that a cell shows for its value (ECMA-376, 18.8.30 and 18.8.31).

A format has up to four sections (positive; negative; zero; text), which may have conditions ([>100]). Values that
cannot be formatted are shown as with ``General``, never left out.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<ampm>AM/PM|A/P|上午/下午)|(?P<general>General)|(?P<exponent>E[+-])"
    r"|(?P<date>y+|m+|d+|h+|s+|aaaa?|e+|g+)|(?P<digit>[0#?])|(?P<char>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+)")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_EPOCH = datetime.datetime(1899, 12, 30)
_LOCAL_DATES = {"mm-dd-yy": "yyyy-mm-dd", "m/d/yy h:mm": "yyyy-mm-dd h:mm", "m/d/yyyy": "yyyy-mm-dd"}  # Excel's own
Token = tuple[str, str]  # kind, text


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None
    is_date: bool
    is_text: bool


def shown(value: object, number_format: str | None) -> str:
    """Format the value of a cell as Excel shows it.

    >>> shown(0.15, "0%"), shown(42, "00000"), shown(1234.5, '"€"#,##0.00'), shown(-3, "0;(0)")
    ('15%', '00042', '€1,234.50', '(3)')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    form = number_format or "General"
    if type(value) is int and form == "General":
        return str(value)
    try:
        return _shown(value, type(value).__name__, _LOCAL_DATES.get(form, form))
    except (ValueError, ArithmeticError, IndexError):
        return _general(value)


@lru_cache(maxsize=4096)  # columns repeat dates, percentages and prices
def _shown(value: Hashable, _: str, form: str) -> str:
    sections = _sections(form)
    if isinstance(value, str):
        text = next((section for section in sections if section.is_text), None)
        if text is None or (len(sections) < 4 and text is not sections[-1]):
            return value
        return "".join(value if (kind, name) == ("char", "@") else _literal(kind, name) for kind, name in text.tokens)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)):
        section = next((item for item in sections if item.is_date), None)
        return _date(value, section) if section is not None else _general(value)
    if not isinstance(value, (int, float)):
        return str(value)
    if form == "General" or value != value or value in (float("inf"), float("-inf")):
        return _general(value)
    section, number = _choose(sections, value)
    if section.is_date:
        return _date(_EPOCH + datetime.timedelta(days=float(value)), section)
    return _number(number, section).strip()


def _general(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.15G}"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d") if value.time() == datetime.time() else value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


@lru_cache(maxsize=512)
def _sections(form: str) -> tuple[_Section, ...]:
    parts: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(form):
        kind = match.lastgroup or "char"
        text = match.group(kind)
        if kind == "char" and text == ";":
            parts.append([])
        else:
            parts[-1].append((kind, text))
    return tuple(map(_section, parts))


def _section(tokens: list[Token]) -> _Section:
    condition = None
    kept: list[Token] = []
    digits = any(kind == "digit" for kind, _ in tokens)
    for kind, text in tokens:
        if kind == "bracket":
            if match := _CONDITION.match(text):
                condition = (match.group(1), float(match.group(2)))
            elif text.startswith("$"):
                kept.append(("quoted", text[1:].partition("-")[0]))
            elif _ELAPSED.fullmatch(text):
                kept.append(("elapsed", text.lower()))
            continue  # a colour, a locale
        if kind == "date" and text[0] in "eEgG" and digits:
            kind = "char"
        kept.append((kind, text))
    is_date = any(kind in ("date", "elapsed", "ampm") for kind, _ in kept) and not any(
        kind in ("general", "exponent") for kind, _ in kept
    )
    return _Section(tuple(kept), condition, is_date, any(item == ("char", "@") for item in kept))


def _choose(sections: tuple[_Section, ...], value: float) -> tuple[_Section, float]:
    if any(section.condition for section in sections):
        for section in sections:
            if section.condition is None or _holds(value, *section.condition):
                return section, value
        return sections[-1], value
    numeric = [section for section in sections[:3] if not (section.is_text and len(sections) > 1)]
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], value
    return numeric[0] if numeric else sections[0], value


def _holds(value: float, sign: str, limit: float) -> bool:
    compared: dict[str, Callable[[], bool]] = {
        "<": lambda: value < limit, ">": lambda: value > limit, "=": lambda: value == limit,
        "<=": lambda: value <= limit, ">=": lambda: value >= limit, "<>": lambda: value != limit,
    }  # fmt: skip
    return compared[sign]()


def _literal(kind: str, text: str) -> str:
    if kind in ("quoted", "escaped", "char", "date", "ampm", "digit", "exponent"):
        return text
    return " " if kind == "space" else ""


def _number(value: float, section: _Section) -> str:
    tokens = section.tokens
    if any(kind == "general" for kind, _ in tokens):
        return "".join(
            _general(value) if kind == "general" else _literal(kind, text) for kind, text in tokens if kind != "fill"
        )
    if ("char", "@") in tokens and not any(kind == "digit" for kind, _ in tokens):
        return "".join(
            _general(value) if (kind, text) == ("char", "@") else _literal(kind, text) for kind, text in tokens
        )
    places = [at for at, (kind, _) in enumerate(tokens) if kind == "digit"]
    if not places:
        return ("-" if value < 0 else "") + "".join(_literal(kind, text) for kind, text in tokens)
    if any(token == ("char", "/") for token in tokens[places[0] : places[-1]]):
        return _fraction(value, tokens, places)
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    number *= Decimal(100) ** sum(token == ("char", "%") for token in tokens)
    exponent = next((at for at, (kind, _) in enumerate(tokens) if kind == "exponent"), None)
    power = 0
    if exponent is not None:
        power = number.adjusted() if number else 0
        number = number.scaleb(-power)
    last = places[-1] if exponent is None else max(at for at in places if at < exponent)
    at = last + 1
    while at < len(tokens) and tokens[at] == ("char", ","):  # shown in thousands
        number /= 1000
        at += 1
    point = next((i for i in range(places[0], last + 1) if tokens[i] == ("char", ".")), None)
    if point is None and places[0] and tokens[places[0] - 1] == ("char", "."):
        point = places[0] - 1
    decimals = [tokens[i][1] for i in places if point is not None and point < i <= last]
    grouped = any(tokens[i] == ("char", ",") for i in range(places[0], point if point is not None else last))
    figures = abs(number).quantize(Decimal(1).scaleb(-len(decimals)), rounding=ROUND_HALF_UP)
    whole, _, part = f"{figures:f}".partition(".")
    while part and decimals[len(part) - 1] in "#?" and part[-1] == "0":
        part = part[:-1]
    negative = value < 0 and (int(whole) or part.strip("0"))
    return ("-" if negative else "") + _filled(tokens, places, point, last, whole, part, grouped, exponent, power)


def _filled(
    tokens: tuple[Token, ...], places: list[int], point: int | None, last: int, whole: str, part: str, grouped: bool,
    exponent: int | None, power: int,
) -> str:  # fmt: skip
    """Put digits into their places, with the other characters of the format around them."""
    before = [at for at in places if at < (point if point is not None else last + 1)]
    digits = whole if whole.strip("0") else ""
    shown: dict[int, str] = {}
    for index, at in enumerate(reversed(before)):
        if index == len(before) - 1:
            piece, digits = digits, ""
        else:
            piece, digits = digits[-1:], digits[:-1]
        shown[at] = piece or {"0": "0", "?": " ", "#": ""}[tokens[at][1]]
    if grouped:
        joined = "".join(shown[at] for at in before).strip()
        pad = f"{int(joined):,}" if joined.isdecimal() else joined
        pad = pad if len(pad.replace(",", "")) >= len(joined) else joined
        shown = dict.fromkeys(before, "") | {before[0]: pad}
    out: list[str] = []
    for at, (kind, text) in enumerate(tokens):
        if kind == "digit":
            if at in shown:
                out.append(shown[at])
            elif exponent is not None and at > exponent:
                if at == exponent + 1:
                    width = sum(1 for i in places if i > exponent)
                    sign = "-" if power < 0 else "+" if tokens[exponent][1][1] == "+" else ""
                    out.append(f"{sign}{abs(power):0{width}d}")
            elif point is not None and at > point and part:
                out.append(part[0])
                part = part[1:]
        elif at == point:
            out.append("." if part else "")
        elif kind == "exponent":
            out.append("E")
        elif (kind, text) == ("char", ",") and places[0] < at:
            continue
        else:
            out.append(_literal(kind, text))
    return "".join(out)


def _fraction(value: float, tokens: tuple[Token, ...], places: list[int]) -> str:
    slash = tokens.index(("char", "/"))
    below = tokens[slash + 1 :]
    fixed = "".join(text for kind, text in below if kind in ("char", "digit") and text.isdecimal())
    number = Fraction(repr(abs(value))) if isinstance(value, float) else Fraction(abs(value))
    mixed = any(kind == "char" and text == " " for kind, text in tokens[places[0] : slash])
    whole = number.numerator // number.denominator if mixed else 0
    rest = number - whole
    if fixed.strip("0"):
        bottom = int(fixed)
        top = round(rest * bottom)
    else:
        limited = rest.limit_denominator(10 ** max(sum(kind == "digit" for kind, _ in below), 1) - 1)
        top, bottom = limited.numerator, limited.denominator
    if mixed and top == bottom:
        whole, top = whole + 1, 0
    sign = "-" if value < 0 else ""
    if not top and mixed:
        return f"{sign}{whole}"
    return f"{sign}{whole} {top}/{bottom}" if mixed and whole else f"{sign}{top}/{bottom}"


def _date(value: object, section: _Section) -> str:
    moment, elapsed = _moment(value)
    tokens = list(section.tokens)
    half = any(kind == "ampm" for kind, _ in tokens)
    midnight = isinstance(value, datetime.datetime) and value.time() == datetime.time()
    named = {text[0].lower() for kind, text in tokens if kind == "date"}
    if midnight and "d" in named and "h" in named and not half:  # a date, although its format could show a time
        tokens = tokens[: next(at for at, (kind, text) in enumerate(tokens) if kind == "date" and text[0] in "hH")]
    out: list[str] = []
    for at, (kind, text) in enumerate(tokens):
        if kind == "elapsed":
            seconds = elapsed.total_seconds()
            count = int(abs(seconds) // {"h": 3600, "m": 60, "s": 1}[text[0]])
            out.append(("-" if seconds < 0 else "") + f"{count:0{len(text)}d}")
        elif kind == "date":
            out.append(_date_part(moment, text.lower(), _is_minute(tokens, at), half))
        elif kind == "ampm":
            late = moment.hour >= 12
            out.append(text.split("/")[1 if late else 0])
        elif kind == "digit":
            if at and tokens[at - 1] == ("char", "."):  # parts of a second
                width = sum(1 for item in tokens[at:] if item[0] == "digit")
                out.append(f"{moment.microsecond:06d}"[:width])
        else:
            out.append(_literal(kind, text))
    return "".join(out).strip()


def _moment(value: object) -> tuple[datetime.datetime, datetime.timedelta]:
    if isinstance(value, datetime.timedelta):
        return _EPOCH + value, value
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(_EPOCH.date(), value)
        return value, value - _EPOCH
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    assert isinstance(value, datetime.datetime)  # noqa: S101
    return value, value - _EPOCH


def _is_minute(tokens: list[Token], at: int) -> bool:
    """Return whether m is the minute (after h or before s), not the month."""
    if tokens[at][1][0] not in "mM" or len(tokens[at][1]) > 2:
        return False
    before = next((text[0].lower() for kind, text in reversed(tokens[:at]) if kind in ("date", "elapsed")), "")
    after = next((text[0].lower() for kind, text in tokens[at + 1 :] if kind in ("date", "elapsed")), "")
    return before == "h" or after == "s"


def _date_part(moment: datetime.datetime, text: str, minute: bool, half: bool) -> str:
    width, sign = len(text), text[0]
    if sign in "ye":
        return f"{moment.year:04d}" if width > 2 or sign == "e" else f"{moment.year % 100:02d}"
    if sign == "m" and minute:
        return f"{moment.minute:0{width}d}"
    if sign == "m":
        name = _MONTHS[moment.month - 1]
        return {3: name[:3], 4: name, 5: name[0]}.get(width, f"{moment.month:0{min(width, 2)}d}")
    if sign == "d":
        name = _DAYS[moment.weekday()]
        return {3: name[:3], 4: name}.get(width, f"{moment.day:0{min(width, 2)}d}")
    if sign == "a":
        day = "一二三四五六日"[moment.weekday()]
        return f"星期{day}" if width > 3 else day
    if sign == "h":
        hour = (moment.hour % 12 or 12) if half else moment.hour
        return f"{hour:0{min(width, 2)}d}"
    if sign == "s":
        return f"{moment.second:0{min(width, 2)}d}"
    return ""
