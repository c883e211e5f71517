"""Readings of a word: the forms in which people write and search for the same thing, for texts and questions alike.

A token yields its own term and other readings: "AB-1234" is ab1234, ab and 1234; "café" is also cafe; "10kg" also 10
and kg. As texts and questions are read alike, any form in a question matches any form in the text. BM25
(``indexes.encoders.bm25``) and the check of answers (``rag.answer.words``) use the same readings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from indexes.text.characters import WITHOUT_BLANKS, compatible, simplified
from indexes.text.invisible import without_invisible
from indexes.text.numerals import (
    CHINESE_NUMERAL,
    ZH_DIGITS,
    ZH_IDIOMS,
    ZH_MYRIADS,
    ZH_UNITS,
    parse_chinese,
    usual_numerals,
)

WORD_RULES = 3  # after a change old collections are incomparable: 'rag ingest --reindex' updates them

Stem = Callable[[str], str]
Reading = tuple[str, bool]  # (term, whether the text has it in this form)

_LETTER = rf"[^\W_{WITHOUT_BLANKS}]"
# Vowel signs of Indian scripts, Thai and others are part of the word, but not letters for a regular expression.
SIGNS = "\u0900-\u0963\u0966-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u102b-\u103e\u17b4-\u17d3"
_SIGN = re.compile(f"[{SIGNS}]")
_LETTERS = rf"{_LETTER}+(?:[{SIGNS}]+{_LETTER}*)*"
# Han (with extensions) and kana have no blanks between words. Everything else: letters and digits, joined by hyphens,
# dots, slashes and the like, with the marks that distinguish C++, C#, A+ and .NET from C, A and net.
TOKEN = re.compile(
    rf"([{WITHOUT_BLANKS}]+)"
    rf"|((?:(?<![\w.])\.(?=[A-Za-z]))?{_LETTERS}(?:[-‐–._/'’&+]{_LETTERS})*"
    rf"(?:\+\+(?![^\W\d_{WITHOUT_BLANKS}])|\+(?![+_]|{_LETTER})|#(?!_|{_LETTER}))?)"  # C++编程 is C++ too
)
_JOINT = re.compile(r"[-‐–._/&+]")
_LETTER_OR_DIGIT = re.compile(r"\d+|[^\W\d_]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ACRONYM = re.compile(r"\b(?:[A-Za-z]\.){2,}")  # U.S. is us
# Latin, Greek, Cyrillic with their accents; Arabic letters with hamza.
_FOLDED = re.compile("[\u00c0-\u024f\u0370-\u04ff\u0622-\u0626\u1e00-\u1fff]")
# Accents; vowel points of Hebrew and Arabic, which most texts leave out.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670]")
_OTHER_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "ß": "ss", "đ": "dj"})
_SPELT = re.compile("[äöüøåđ]")
_ELIDED = frozenset(
    ("l", "d", "j", "m", "t", "s", "c", "n", "qu", "dell", "all", "nell", "dall", "sull", "un")
)  # l'école
_NAMED_A = re.compile(r"(?<=[a-z0-9]) A(?![\w'’+#-])")  # vitamin A, not the article
# 2.10 is not 210, 192.168.1.11 not 192.168.11.1, and 1/2 not 12; but a phone number is the same with its hyphens.
_VERSION = re.compile(r"[vV]?\d+(?:\.\d+)+")
_DOTTED = re.compile(r"[1-9]\d{0,2}\.\d{3}")  # 250.000 may be 250,000
PHONE = 7  # digits
MAX_JOINED = 40  # longest term that joins its parts, in characters: not a whole web address

# ---- numbers and dates ----

_DIGIT = re.compile(r"\d")
_BLANKS_OF_NUMBERS = "\u00a0\u202f\u2009'’"
_SPACED = re.compile(rf"(?<![\d.,])(\d{{1,3}}(?:[{_BLANKS_OF_NUMBERS}]\d{{3}})+)(?!\d)")
_GROUPED = re.compile(r"(?<![\d,])(?<!\d\.)(\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?:\.\d{3}){2,})(?![\d,]*\d)")
_COMMA_LAST = re.compile(r"(?<![\d,])(?<!\d\.)(\d{1,3}(?:\.\d{3})+),(\d{1,2})(?![\d,]*\d)")  # 1.250,50
_TWO_NUMBERS = re.compile(r"\d \d{3} \d")
_BLANKS = re.compile(r"(?<![\d.,] )(?<![\d.,])\d{1,3}(?: \d{3}){2,}(?! ?\d)")
_PRICE = re.compile(r"(?<![\d.,])(?<!\d )\d{1,3} \d{3}(?= ?(?:[€$£₽]|EUR|CHF|[Ee]uros?|zł|Kč|kr|руб)(?![^\W\d_]))")
_SCALES = {
    name: scale
    for scale, names in {
        10**3: "thousand k tausend tsd",
        10**5: "lakh lakhs",
        10**6: "million millions mn mio mln millionen millones milioni",
        10**7: "crore crores",
        10**9: "billion bn milliard milliards milliarden mrd",
    }.items()
    for name in names.split()
}
_SCALED = re.compile(rf"(?<![\w.,])(\d+)(?:[.,](\d+))?\s?(?:({'|'.join(_SCALES)})\b|([百千万亿]+))", re.IGNORECASE)
_MILLIONS = re.compile(
    r"(?:[$€£¥₹] ?(\d+)(?:[.,](\d+))? ?[mM]|(?<![\w.,])(\d+)(?:\.(\d+))?M)\b"
)  # €1.2m, but 5 m is a length
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
BEFORE_YEAR, AFTER_YEAR = 24, 12  # characters before and after a year that may hold its month and day
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner janvier enero gennaio", "february feb februar février febrero febbraio",
            "march mar märz mars marzo", "april apr avril abril aprile", "may mai mayo maggio",
            "june jun juni juin junio giugno", "july jul juli juillet julio luglio", "august aug août agosto",
            "september sept sep septembre septiembre settembre", "october oct oktober octobre octubre ottobre",
            "november nov novembre noviembre", "december dec dezember décembre diciembre dicembre",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"(\d{1,2})(?:st|nd|rd|th|er|\.)?"
_DATES = (
    (re.compile(r"(?<!\d)(\d{4})\s?年\s?(\d{1,2})\s?月(?:\s?(\d{1,2})\s?[日号])?"), "ymd"),
    (re.compile(r"(?<![\d.])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\d.]*\d)"), "y-md"),
    (re.compile(r"(?<![\d.])(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})(?!\d)"), "dmy"),
    (re.compile(rf"\b{_DAY} (?:of |de )?({_MONTH})\.?,? (?:de )?(\d{{4}})\b", re.IGNORECASE), "dmy"),
    (re.compile(rf"\b({_MONTH})\.? {_DAY},? (\d{{4}})\b", re.IGNORECASE), "mdy"),
    (re.compile(rf"\b({_MONTH})\.?,? (?:de )?(\d{{4}})\b", re.IGNORECASE), "my"),
)
_ZH_NUMBER = re.compile(f"{CHINESE_NUMERAL.pattern[:-1]}{{2,}}")
_NUMERAL = f"{CHINESE_NUMERAL.pattern[:-1]}{{1,3}}"
_ZH_DAY = re.compile(rf"(?<=[年月]){_NUMERAL}(?=[月日号])|{_NUMERAL}(?=月(?:\d{{1,2}}|{_NUMERAL})[日号])")  # 年五月一日
_ZH_COUNTED = re.compile(f"(第?)({CHINESE_NUMERAL.pattern})([^\\d零〇一二两三四五六七八九十百千万亿]?)")


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text prepared for cutting into words.

    >>> prepared("Ｆee: 1,200 元")
    PreparedText(text='Fee: 1200 元', terms=[], mainland=None)

    Args:
        text: without invisible characters, in NFKC and simplified characters, numbers without separators, Chinese
            numerals as digits. Case is kept: IT and it differ.
        terms: dates and numbers that consist of several words in the text.
        mainland: for a text in traditional characters, the text with the words of the mainland: 軟體 is 软件.
    """

    text: str
    terms: list[str]
    mainland: str | None = None


def prepared(text: str) -> PreparedText:
    """Prepare a text for cutting into words.

    >>> prepared("Ｗorth 1,250,000").text, prepared("2024年5月").terms
    ('Worth 1250000', ['2024-05'])
    """
    han, mainland = False, None
    if not text.isascii():
        text = without_invisible(text)
        if any(blank in text for blank in _BLANKS_OF_NUMBERS) and _DIGIT.search(text):
            text = _SPACED.sub(lambda match: re.sub(r"\D", "", match.group()), text)
        text = compatible(text).replace("İ", "I").replace("♯", "#")
        if _MARKS.search(text):  # letters without a precomposed form with this accent
            text = _MARKS.sub("", text)
        plain = simplified(text)
        if plain != text:
            other = str(_converter().convert(text))
            mainland = other if other != plain else None
        text, han = usual_numerals(plain), True
    if text.count(".") > 1:
        text = _ACRONYM.sub(lambda match: match.group().replace(".", ""), text)
    if han and not text.isascii():
        text = _ZH_DAY.sub(_in_figures, _ZH_NUMBER.sub(_in_digits, text))
    terms = ["A"] if " A" in text and _NAMED_A.search(text) else []
    if not _DIGIT.search(text):
        return PreparedText(text, terms, mainland)
    if "," in text or "." in text:
        text = _COMMA_LAST.sub(lambda match: f"{match[1].replace('.', '')}.{match[2]}", text)
        text = _GROUPED.sub(lambda match: re.sub(r"[,.]", "", match.group()), text)
    terms += [*_dates(text), *_scaled(text)]
    if _TWO_NUMBERS.search(text):
        terms += [found.group().replace(" ", "") for found in _BLANKS.finditer(text)]
    if " " in text:
        terms += [found.group().replace(" ", "") for found in _PRICE.finditer(text)]
    return PreparedText(text, terms, mainland)


def _in_figures(match: re.Match[str]) -> str:
    value = parse_chinese(match.group())
    return match.group() if value is None else str(value)


def _in_digits(match: re.Match[str]) -> str:
    """Return a numeral of two or more characters in digits; 三四个 may be three or four, and 万一 is not a number."""
    numeral = match.group()
    positional = all(char in ZH_DIGITS for char in numeral)
    if numeral in ZH_IDIOMS or (positional and len(numeral) == 2 and not set(numeral) & set("零〇")):
        return numeral
    value = parse_chinese(numeral)
    if value is None:
        return numeral
    # A scale after digits belongs to them: 125万 is read below.
    before = match.string[: match.start()][-1:]
    return numeral if before.isdigit() or before == "." else str(value)


def _dates(text: str) -> list[str]:
    """Return the days and months in a text, as 2024-05-01 and 2024-05."""
    found: dict[str, None] = {}
    for year in _YEAR.finditer(text):
        near = text[max(year.start() - BEFORE_YEAR, 0) : year.end() + AFTER_YEAR]
        for pattern, order in _DATES:
            for match in pattern.finditer(near):
                if order == "y-md":
                    number, month, day = match.group(1), int(match.group(3)), match.group(4)
                else:
                    parts = dict(zip(order, match.groups(), strict=True))
                    number, day, named = parts["y"], parts.get("d"), parts["m"].lower()
                    month = int(named) if named.isdigit() else _MONTHS[named]
                if 1 <= month <= 12 and 1 <= int(day or 1) <= 31:
                    found[f"{number}-{month:02d}"] = None
                    if day:
                        found[f"{number}-{month:02d}-{int(day):02d}"] = None
    return list(found)


def _scaled(text: str) -> Iterator[str]:
    found = [(*match.groups()[:2], match[3], match[4]) for match in _SCALED.finditer(text)]
    found += [(match[1] or match[3], match[2] or match[4], "million", None) for match in _MILLIONS.finditer(text)]
    for whole, fraction, word, han in found:
        scale = _SCALES[word.lower()] if word else 1
        for char in han or "":
            scale *= (ZH_UNITS | ZH_MYRIADS)[char]
        fraction = fraction or ""
        value, rest = divmod(int(whole + fraction) * scale, 10 ** len(fraction))
        if not rest:
            yield str(value)


# ---- words ----


def readings(token: str, stem: Stem, stop: Callable[[str], bool] = lambda word: False) -> list[Reading]:
    """Return the readings of a token of letters and digits: (term, whether it is the first reading).

    >>> [term for term, _ in readings("AB1234", str)], [term for term, _ in readings("getName", str)]
    (['ab1234', 'ab', '1234'], ['getname', 'get', 'name'])
    """
    mark = re.search(r"[+#]+$", token)
    if mark is not None:
        bare = token[: mark.start()]
        own = [(token.lower(), True)]
        *first, last = [part for part in _JOINT.split(bare) if part] or [bare]
        if first:  # C/C++ is C and C++
            found = [reading for part in first for reading in readings(part, stem, stop)]
            return [*own, *found, *readings(last + mark.group(), stem, stop)]
        return own if len(bare) <= 2 and mark.group() != "+" else own + readings(bare, stem, stop)
    if token[0] == ".":
        return [(token.lower(), True), *readings(token[1:], stem, stop)]
    parts = [part for part in _JOINT.split(token) if part]
    found = [reading for part in parts for reading in _word(part, stem, stop)]
    if len(parts) > 1 and len(token) <= MAX_JOINED:
        joined = "".join(parts)
        if _VERSION.fullmatch(token):
            joined = token.lstrip("vV")
        elif joined.isdigit() and not ("-" in token and len(joined) >= PHONE):
            joined = token
        found += _word(joined, stem, stop, whole=any(char.isdigit() for char in joined))
        if _DOTTED.fullmatch(token) or (joined == token and len(parts) == 3 and len("".join(parts)) >= PHONE):
            found.append(("".join(parts), False))  # 12.345.67, an article number; four parts are an address
        if parts[-1].lower() == "net" and token.endswith(f".{parts[-1]}") and parts[-1] != "net":
            found.append((".net", False))  # ASP.NET
    return found


def _word(word: str, stem: Stem, stop: Callable[[str], bool], *, whole: bool = True) -> Iterator[Reading]:
    lower = word.lower()
    if stop(lower):
        return
    yield stem(lower), whole
    if not word.isascii() and _FOLDED.search(lower):
        plain = folded(lower)
        if plain != lower:
            yield stem(plain), False
        if _SPELT.search(lower):
            yield stem(folded(lower.translate(_SPELLED_OUT))), False
    if word.isdigit():
        if word[0] == "0" and (bare := word.lstrip("0")):
            yield bare, False
        return
    if "'" in lower or "’" in lower:
        if "'" in stem(lower):  # O'Reilly, not the harbour's
            yield stem(lower.replace("'", "").replace("’", "")), False
        before, _, after = lower.replace("’", "'").partition("'")
        if before in _ELIDED and len(after) > 2:
            yield from ((term, False) for term, _ in _word(after, stem, stop))
        return
    if not word.isascii() and _SIGN.search(word):
        return
    if not word.isalpha():
        pieces = _LETTER_OR_DIGIT.findall(lower)
    elif word.islower() or word.isupper() or not word.isascii() or word[1:].islower():
        return
    else:
        pieces = [piece.lower() for piece in _CAMEL.findall(word)]
    if len(pieces) > 1:
        for piece in pieces:
            if not stop(piece):
                yield stem(piece), False


def folded(word: str) -> str:
    """Return a word in lower case without accents: café is cafe, straße is strasse.

    >>> folded("łódź"), folded("ёлка")
    ('lodz', 'елка')
    """
    return _MARKS.sub("", unicodedata.normalize("NFKD", word.translate(_OTHER_LETTERS)))


def in_capitals(text: str) -> bool:
    """Return whether a text of several words is all in capitals, which therefore have no meaning.

    >>> in_capitals("WHO SAID IT FIRST"), in_capitals("The WHO said it")
    (True, False)
    """
    return text.isupper() and sum(1 for match in TOKEN.finditer(text) if match.group(2)) > 3


def parts_of(word: str, known: Callable[[str], bool]) -> list[str]:
    """Return the dictionary words with which a Chinese word begins or ends, and those of these words.

    >>> parts_of("人民大会堂", {"人民", "大会堂", "大会"}.__contains__)
    ['人民', '大会堂', '大会']
    """
    found: list[str] = []
    waiting = [word]
    while waiting:
        whole = waiting.pop(0)
        begins = [whole[:cut] for cut in range(2, len(whole)) if known(whole[:cut])]
        ends = [whole[cut:] for cut in range(1, len(whole) - 1) if known(whole[cut:])]
        if begins:  # 据库 is in the dictionary, but is not a part of 数据库
            ends = [part for part in ends if len(part) > 2 or len(part) < len(whole) - 1]
        for part in [*begins, *ends]:
            if part not in found:
                found.append(part)
                waiting.append(part)
    return found


def counted(word: str) -> list[str]:
    """Return the number and the measure word of a Chinese word that counts: 四年 is 4 and 年.

    >>> counted("第三条"), counted("三天"), counted("一样")
    (['3', '条'], ['3', '天'], [])
    """
    match = _ZH_COUNTED.fullmatch(word)
    if match is None or not (match[1] or match[3]) or (match[2] == "一" and not match[1]) or word in ZH_IDIOMS:
        return []
    guessed = len(match[2]) > 1 and all(char in ZH_DIGITS for char in match[2])  # 三四个
    value = None if guessed else parse_chinese(match[2])
    return [] if value is None else [str(value), *filter(None, [match[3]])]


@lru_cache(maxsize=1)
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("tw2sp")
