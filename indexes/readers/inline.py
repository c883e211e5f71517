"""Inline text, the same way for all formats: raised and lowered text, symbol fonts, non-breaking blanks.

Raised digits become Unicode's after letters (m²), "^" after numbers (10^6), and "[12]" for the number of a note.
"""

from __future__ import annotations

import re

_CHANGED = {"\u00a0": " ", "\u2007": " ", "\u202f": " ", "\u2028": "\n", "\u2029": "\n\n"}
# Characters of Wingdings and Symbol that files leave in the private area without naming the font.
_PRIVATE = {
    "\uf0b7": "•", "\uf0a7": "▪", "\uf0d8": "➢", "\uf0fc": "✓", "\uf06c": "●", "\uf06e": "■", "\uf075": "◆",
    "\uf076": "❖", "\uf0e0": "→", "\uf0a8": "◻", "\uf0fe": "☑", "\uf0b0": "°", "\uf0b1": "±", "\uf0b4": "×",
    "\uf0a3": "≤", "\uf0b3": "≥",
}  # fmt: skip
_PLAIN = {**_CHANGED, **_PRIVATE}
_ANY = frozenset(_PLAIN)
_SHORT = 400  # characters up to which checking each is faster than searching for each sign

_SUPER = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_SUB = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_SIGNED = re.compile(r"[+\-−–]?\d{1,4}")
_MARKS = re.compile(r"\d{1,3}(?:\s*[,，、\-–]\s*\d{1,3})*|[*†‡§¶]{1,3}|[a-z]")
_ORDINAL = re.compile(r"st|nd|rd|th|er|re|e|ème|o|a|º|ª", re.IGNORECASE)
_POWER_BASE = re.compile(r"(?<![\d.,])\d{1,3}$|(?<![^\W\d_])[^\W\d_]{1,2}$|[)\]}]$")
_UNITS = re.compile(
    r"(?:^|[^^\W\d_])(?:[kcmdµμn]?m|in|ft|yd|mi|s|min|h|kg|g|sec)$|(?:[分厘毫千]?米|公里|秒)$",
    re.IGNORECASE,
)
_PROGRAM = re.compile(
    r"^(?:Microsoft (?:Word|PowerPoint|Excel|Office \w+)|LibreOffice \w+|PowerPoint \w+)\s*[-–:]\s*",
    re.IGNORECASE,
)
_ENDING = re.compile(r"\.(?:docx?|pptx?|xlsx?|odt|rtf|pdf|txt|dvi|tex|indd|qxd)$", re.IGNORECASE)
_EMPTY_TITLE = re.compile(
    r"[(\[<]?(?:untitled(?: document)?|anonymous|unknown|unspecified|null|no title|new document|"
    r"powerpoint presentation|slide 1|word document|"
    r"无标题|未命名|无标题文档|新建文档|幻灯片 1|無題|sans titre|unbenannt|ohne titel)"
    r"[\s-]*\d{0,3}[)\]>]?(?:\.\w{2,5})?",
    re.IGNORECASE,
)
_CLOSED = ".,;:!?)]}”’\"'»。，；：！？、」』）】》"

_SYMBOL_LOW = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλµνοπθρστυϖωξψζ{|}∼"
_SYMBOL_HIGH = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\uf8ff〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
_FONTS: dict[str, dict[int, str]] = {
    "symbol": {
        **{0x20 + index: char for index, char in enumerate(_SYMBOL_LOW)},
        **{0xA0 + index: char for index, char in enumerate(_SYMBOL_HIGH)},
    },
    "wingdings": {
        0x22: "✂", 0x28: "☎", 0x2A: "✉", 0x3E: "✇", 0x41: "✌", 0x43: "👍", 0x44: "👎", 0x46: "☞", 0x4A: "☺", 0x4C: "☹",
        0x52: "☼", 0x6C: "●", 0x6D: "❍", 0x6E: "■", 0x6F: "□", 0x70: "□", 0x71: "❑", 0x72: "❒", 0x73: "◆", 0x74: "◆",
        0x75: "◆", 0x76: "❖", 0x77: "◆", 0x78: "⌧", 0x9E: "·", 0x9F: "•", 0xA0: "▪", 0xA1: "○", 0xA7: "▪", 0xA8: "◻",
        0xAB: "★", 0xD5: "⌫", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xEF: "⇦", 0xF0: "⇨",
        0xF1: "⇧", 0xF2: "⇩", 0xF3: "⬄", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
        **{0x80 + number: "⓪①②③④⑤⑥⑦⑧⑨⑩"[number] for number in range(11)},
        **{0x8B + number: "⓿❶❷❸❹❺❻❼❽❾❿"[number] for number in range(11)},
    },
    "wingdings 2": {
        0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0xA2: "■", 0xA3: "☐", 0xE8: "✦",
    },
    "wingdings 3": {0x66: "←", 0x67: "→", 0x68: "↑", 0x69: "↓", 0x70: "▲", 0x71: "▼", 0x74: "◀", 0x75: "▶", 0x7D: "▶"},
    "webdings": {0x33: "◀", 0x34: "▶", 0x35: "▲", 0x36: "▼", 0x61: "✓", 0x67: "■", 0x6E: "●", 0x72: "✗"},
}  # fmt: skip


def plain(text: str) -> str:
    """Replace non-breaking blanks by plain ones, and characters of symbol fonts by what they look like.

    Invisible characters are removed later, for all formats at once (``indexes.text.invisible``).

    >>> plain("40\u00a0dollars")
    '40 dollars'
    """
    if text.isascii() or (len(text) < _SHORT and _ANY.isdisjoint(text)):
        return text
    for sign, shown in _PLAIN.items():
        if sign in text:
            text = text.replace(sign, shown)
    return text


def symbol(font: str | None, code: int) -> str:
    """Return the character that a symbol font shows for a code (F0xx in Office files, or xx); "" if unknown.

    >>> symbol("Symbol", 0xF0B0), symbol("Wingdings", 0xF0FC)
    ('°', '✓')
    """
    table = _FONTS.get((font or "").strip().lower())
    low = code - 0xF000 if 0xF000 <= code <= 0xF0FF else code
    if table is None:
        return "" if 0xE000 <= code <= 0xF8FF else chr(code)
    return table.get(low, "")


def is_symbol_font(font: str | None) -> bool:
    """Return whether a font is a known symbol font.

    >>> is_symbol_font("Wingdings"), is_symbol_font("Arial")
    (True, False)
    """
    return (font or "").strip().lower() in _FONTS


def in_symbol_font(font: str, text: str) -> str:
    """Convert text in a symbol font to the characters that it shows; unknown ones stay.

    >>> in_symbol_font("Symbol", "ab")
    'αβ'
    """
    return "".join(symbol(font, ord(char)) or char for char in text)


def raised(before: str, text: str, *, note: bool = False) -> str:
    """Return the plain form of raised text after ``before``.

    Args:
        before: the line up to it; its end decides whether this is a power or the number of a note.
        text: the raised text.
        note: whether it is known to be the mark of a note (a link to it).

    >>> raised("10", "6"), raised("40 m", "2"), raised("in 1932.", "12"), raised("the 3", "rd")
    ('^6', '²', '[12]', 'rd')
    """
    words = text.strip()
    if not words or words.startswith(("[", "(", "（", "［", "〔")):
        return text
    if note and _MARKS.fullmatch(words):
        return f"[{words}]"
    end = before.rstrip()[-24:]
    if end.endswith(("(", "[", "{", "（")) or (words == "A" and end.endswith("L")):
        return text  # its bracket is raised too; LaTeX
    if before[-1:].isspace() or not end:
        return f"[{words}]" if _MARKS.fullmatch(words) and end and words[0].isdigit() else text
    if _SIGNED.fullmatch(words):
        words = words.replace("–", "-").replace("−", "-")
        if end[-1].isdigit():
            return f"^{words}" if _POWER_BASE.search(end) or not words.isdigit() else f"[{words}]"
        if _UNITS.search(end) or (end[-1].isalpha() and not words.isdigit()) or _POWER_BASE.search(end):
            return words.translate(_SUPER) if len(words) < 3 else f"^{words}"
        return f"[{words}]"
    if end[-1].isdigit() and _ORDINAL.fullmatch(words):
        return words
    if _MARKS.fullmatch(words) and (words[0].isdigit() or end[-1] in _CLOSED):
        return f"[{words}]"
    if words in ("°", "º", "o", "®", "™", "©", "*", "†", "‡", "+", "-", "−", "TM", "′", "″", "'", "SM"):
        return words
    return f"^{words}" if len(words) <= 3 or " " not in words else text


def lowered(before: str, text: str) -> str:
    """Return the plain form of lowered text: Unicode's digits, "_" before letters.

    >>> lowered("H", "2"), lowered("v", "max")
    ('₂', '_max')
    """
    words = text.strip()
    if not words or not before or before[-1].isspace():
        return text
    if all(char in "0123456789+-−=()" for char in words):
        return words.translate(_SUB)
    return f"_{words}" if len(words) <= 12 and " " not in words and before[-1].isalnum() else text


def real_title(title: str) -> str:
    """Return a title without text added by programs; "" for one without meaning ("untitled").

    >>> real_title("Microsoft Word - lease.doc"), real_title("untitled"), real_title("The mill")
    ('lease', '', 'The mill')
    """
    words = _PROGRAM.sub("", " ".join(title.split()))
    if words != title:
        words = _ENDING.sub("", words)
    return "" if _EMPTY_TITLE.fullmatch(words) else words
