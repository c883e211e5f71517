"""Numbers of lists and headings in the forms of documents: letters, Roman, Chinese and others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_DIGITS = "零一二三四五六七八九"
_LEGAL_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_FIRSTS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_KANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
_IROHA = "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス"
_GANADA = "가나다라마바사아자차카타파하"
_HEBREW = "אבגדהוזחטיכלמנסעפצקרשת"
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщыэюя"


def letters(number: int) -> str:
    """Return a number as letters, as Word counts.

    >>> letters(1), letters(27), letters(28)
    ('a', 'aa', 'bb')
    """
    return chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 20) if number > 0 else str(number)


def letters_as_html(number: int) -> str:
    """Return a number as letters, as HTML counts.

    >>> letters_as_html(1), letters_as_html(27), letters_as_html(28)
    ('a', 'aa', 'ab')
    """
    found = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        found = chr(ord("a") + rest) + found
    return found or str(number)


def roman(number: int) -> str:
    """Return a number from 1 to 3999 in lower-case Roman numerals; others in figures.

    >>> roman(4), roman(4000)
    ('iv', '4000')
    """
    if not 0 < number < 4000:
        return str(number)
    found = ""
    for value, name in _ROMAN:
        found += name * (number // value)
        number %= value
    return found


def chinese(number: int, digits: str = _DIGITS, units: str = "十百千") -> str:
    """Return a number in Chinese numerals.

    >>> chinese(10), chinese(12), chinese(20), chinese(105), chinese(10_030)
    ('十', '十二', '二十', '一百零五', '一万零三十')
    """
    if number < 0 or number >= 100_000_000:
        return str(number)
    if number >= 10_000:
        rest = number % 10_000
        gap = digits[0] if 0 < rest < 1000 else ""
        tail = chinese(rest, digits, units) if rest else ""
        tail = digits[1] + tail if 10 <= rest < 20 else tail
        return chinese(number // 10_000, digits, units) + "万" + gap + tail
    if number < 10:
        return digits[number]
    found, zero = "", False
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit:
            found += (digits[0] if zero and found else "") + digits[digit] + (units[power - 1] if power else "")
            zero = False
        else:
            zero = True
    return found[1:] if 10 <= number < 20 and units[0] == "十" else found


def one_of(row: Sequence[str]) -> Callable[[int], str]:
    """Return a function that numbers by a row of signs, and by figures beyond it.

    >>> one_of("甲乙丙")(2), one_of("甲乙丙")(4)
    ('乙', '4')
    """
    return lambda number: row[number - 1] if 0 < number <= len(row) else str(number)


def circled(number: int) -> str:
    """Return a number from 1 to 35 in a circle; others in figures.

    >>> circled(3), circled(36)
    ('③', '36')
    """
    if 0 < number <= 20:
        return chr(0x2460 + number - 1)
    return chr(0x3251 + number - 21) if 21 <= number <= 35 else str(number)


def ordinal(number: int) -> str:
    """Return an English ordinal in figures.

    >>> ordinal(2), ordinal(11)
    ('2nd', '11th')
    """
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def in_words(number: int) -> str:
    """Return a number from 1 to 99 in English words; others in figures.

    >>> in_words(21)
    'twenty-one'
    """
    if not 0 < number < 100:
        return str(number)
    if number < 20:
        return _ONES.split()[number - 1]
    tens, rest = _TENS.split()[number // 10 - 2], number % 10
    return f"{tens}-{_ONES.split()[rest - 1]}" if rest else tens


def _ordinal_word(number: int) -> str:
    return _FIRSTS.split()[number - 1] if 0 < number <= 12 else ordinal(number)


def _full_width(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "０１２３４５６７８９"))


def _digital(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "〇一二三四五六七八九"))


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "decimalZero": lambda number: f"{number:02d}",
    "lowerLetter": letters,
    "upperLetter": lambda number: letters(number).upper(),
    "lowerRoman": roman,
    "upperRoman": lambda number: roman(number).upper(),
    "ordinal": ordinal,
    "cardinalText": lambda number: in_words(number).capitalize(),
    "ordinalText": lambda number: _ordinal_word(number).capitalize(),
    "hex": lambda number: f"{number:X}",
    "numberInDash": lambda number: f"- {number} -",
    "decimalFullWidth": _full_width,
    "decimalFullWidth2": _full_width,
    "decimalEnclosedCircle": circled,
    "decimalEnclosedCircleChinese": circled,
    "decimalEnclosedParen": lambda number: chr(0x2474 + number - 1) if 0 < number <= 20 else f"({number})",
    "decimalEnclosedFullstop": lambda number: f"{number}.",
    "ideographEnclosedCircle": lambda number: chr(0x3280 + number - 1) if 0 < number <= 10 else str(number),
    "chineseCounting": chinese,
    "chineseCountingThousand": chinese,
    "chineseLegalSimplified": lambda number: chinese(number, _LEGAL_DIGITS, "拾佰仟"),
    "taiwaneseCounting": chinese,
    "taiwaneseCountingThousand": chinese,
    "taiwaneseDigital": _digital,
    "ideographLegalTraditional": lambda number: chinese(number, "零壹貳參肆伍陸柒捌玖", "拾佰仟"),
    "japaneseCounting": chinese,
    "japaneseDigitalTenThousand": _digital,
    "japaneseLegal": lambda number: chinese(number, "零壱弐参四伍六七八九", "拾百阡"),
    "koreanCounting": lambda number: chinese(number, "영일이삼사오육칠팔구", "십백천"),
    "koreanDigital": lambda number: str(number).translate(str.maketrans("0123456789", "영일이삼사오육칠팔구")),
    "ideographDigital": _digital,
    "ideographTraditional": one_of(_STEMS),
    "ideographZodiac": one_of(_BRANCHES),
    "ideographZodiacTraditional": one_of([_STEMS[at % 10] + _BRANCHES[at % 12] for at in range(60)]),
    "aiueo": one_of(_KANA),
    "aiueoFullWidth": one_of(_KANA),
    "iroha": one_of(_IROHA),
    "irohaFullWidth": one_of(_IROHA),
    "ganada": one_of(_GANADA),
    "chosung": one_of("ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"),
    "hebrew1": one_of(_HEBREW),
    "russianLower": one_of(_RUSSIAN),
    "russianUpper": one_of(_RUSSIAN.upper()),
}  # fmt: skip

_HTML: dict[str, Callable[[int], str]] = {
    "1": str,
    "a": letters_as_html,
    "A": lambda number: letters_as_html(number).upper(),
    "i": roman,
    "I": lambda number: roman(number).upper(),
    "decimal": str,
    "decimal-leading-zero": lambda number: f"{number:02d}",
    "lower-alpha": letters_as_html,
    "lower-latin": letters_as_html,
    "upper-alpha": lambda number: letters_as_html(number).upper(),
    "upper-latin": lambda number: letters_as_html(number).upper(),
    "lower-roman": roman,
    "upper-roman": lambda number: roman(number).upper(),
    "lower-greek": one_of("αβγδεζηθικλμνξοπρστυφχψω"),
    "cjk-decimal": _digital,
    "cjk-ideographic": chinese,
    "simp-chinese-informal": chinese,
    "trad-chinese-informal": chinese,
    "japanese-informal": chinese,
    "cjk-heavenly-stem": one_of(_STEMS),
    "cjk-earthly-branch": one_of(_BRANCHES),
    "katakana": one_of(_KANA),
}  # fmt: skip


def number_in(text: str | None, default: int) -> int:
    """Return the whole number that an attribute holds; ``default`` without one.

    >>> number_in("7", 1), number_in("seven", 1), number_in(None, 1)
    (7, 1, 1)
    """
    try:
        return int(text) if text else default
    except ValueError:
        return default


def office_number(number: int, form: str) -> str:
    """Return a number in a format of OOXML (``w:numFmt``); in figures if the format is unknown.

    >>> office_number(4, "upperRoman"), office_number(12, "chineseCounting")
    ('IV', '十二')
    """
    return _FORMATS.get(form, str)(number)


def html_mark(number: int, form: str) -> str:
    """Return the mark of an item of an ordered list, by ``type`` or ``list-style-type``.

    >>> html_mark(3, "lower-alpha"), html_mark(4, "cjk-ideographic")
    ('c. ', '四、')
    """
    words = _HTML.get(form, str)(number)
    return f"{words}、" if form.startswith(("cjk-", "simp-", "trad-", "japanese")) else f"{words}. "
