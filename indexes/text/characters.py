"""What characters are: Chinese and its neighbours, forms of one character, and what a tokenizer spends on them.

Comparing two texts has one way, ``comparable``: each kind of folding is a function below, and what is to be folded
besides (traditional to simplified characters, accents) belongs into it too.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Any

# Ranges for a character class of a regular expression: ``re.compile(f"[{HAN}]")``.
HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # 々〇, all extensions
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
WITHOUT_BLANKS = f"\u2e80-\u2fdf{HAN}{KANA}"  # scripts that part no words, radicals included
# Chinese and Japanese text with its punctuation and full-width forms, but not the ideographic space.
CJK = "\u2e80-\u2fff\u3001-\u312f\u31a0-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
# Soft hyphen, zero-width blanks, byte order mark, marks of direction: one by one, so that each can be searched for.
INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
# They are letters of Persian, of Indian scripts and of emoji: ``indexes.text.invisible`` drops them elsewhere, and
# ``comparable`` everywhere.
JOINERS = "\u200c\u200d"

_HALF = re.compile("[\ud800-\udfff]")
_IS_HAN = re.compile(f"[{HAN}]")
_HAN_GAP = re.compile(rf"(?<=[{HAN}])\s+(?=[{HAN}])")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_SELECTORS = re.compile(f"[{JOINERS}\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_QUOTES = str.maketrans("‘’‛′＇", "'''''")


def valid(text: str) -> str:
    r"""Put U+FFFD in the place of half characters (lone surrogates), which no file, store or tokenizer takes.

    JSON can write them (``"\ud800"``), and so can names of files that are not UTF-8. Offsets stay as they are.
    """
    return _HALF.sub("\ufffd", text) if _has_half(text) else text


def valid_value(value: Any) -> Any:
    """As ``valid``, for all text within dicts and lists, names of keys included; tuples become lists."""
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, dict):
        return {valid_value(key): valid_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [valid_value(item) for item in value]
    return value


def half_characters(text: str) -> int:
    """Count what ``valid`` replaces."""
    return len(_HALF.findall(text)) if _has_half(text) else 0


def _has_half(text: str) -> bool:
    """UTF-8 has no form for a half character; to try takes a tenth of the time of a search for one."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def is_han(text: str) -> bool:
    """Whether ``text`` begins with a Chinese character."""
    return _IS_HAN.match(text) is not None


def holds_han(text: str) -> bool:
    """Whether ``text`` holds a Chinese character."""
    return not text.isascii() and _IS_HAN.search(text) is not None


def is_wide(character: str) -> bool:
    """Whether a character takes two columns of a terminal, as Chinese, Japanese and Korean ones do."""
    return unicodedata.east_asian_width(character) in "WF"


def columns(text: str) -> int:
    """The columns that a text takes in a terminal."""
    return len(text) if text.isascii() else sum(1 + is_wide(character) for character in text)


def visible(text: str) -> str:
    r"""Drop the characters that nobody sees and that part words for a machine: ``down\u00adstream`` is downstream."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def compatible(text: str) -> str:
    """Fold the forms of one character (NFKC): full and half width, ligatures, circled numbers, Kangxi radicals."""
    if text.isascii() or unicodedata.is_normalized("NFKC", text):
        return text
    return unicodedata.normalize("NFKC", text)


def simplified(text: str) -> str:
    """Fold traditional Chinese characters into simplified ones, by the word they stand in (OpenCC).

    >>> simplified("價格"), simplified("乾淨的乾坤")
    ('价格', '干净的乾坤')
    """
    return _converter().convert(text) if _IS_HAN.search(text) else text


@lru_cache(maxsize=1)
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def straight(text: str) -> str:
    """Make all apostrophes one."""
    return text.translate(_QUOTES)


def without_gaps(text: str) -> str:
    """Drop white space between two Chinese characters: a line break in running text."""
    return _HAN_GAP.sub("", text)


def comparable(text: str) -> str:
    r"""Fold all that does not part two texts in meaning: invisible characters, width and other forms, case; white space
    is one blank, and none beside Chinese, Japanese and Korean characters.

    >>> comparable("Ｆull-width  ＡＢＣ 在 这里"), comparable("down\u00adstream")
    ('full-width abc在这里', 'downstream')
    """
    text = " ".join(_SELECTORS.sub("", compatible(visible(text))).casefold().split())
    if text.isascii() or " " not in text:
        return text
    kept = [  # a blank is never first or last: split() saw to it
        c for i, c in enumerate(text) if c != " " or not (is_wide(text[i - 1]) or is_wide(text[i + 1]))
    ]
    return "".join(kept)


# ---- what a tokenizer spends ----

# With the margin, 500-character pieces of English Markdown come out at 1.09 to 1.27 times SmolLM2's own count, Python
# at 1.06 to 1.5 (tests/rag/llms/test_tokens.py).
MARGIN = 1.1
_SPENT = re.compile(
    r"(?P<letters>[A-Za-z]+)|(?P<cjk>[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]+)"
    r"|(?P<one>[0-9!-/:-@\[-`{-~\u0370-\u1fff]+)|(?P<accented>[\u00c0-\u024f]+)|(?P<gap>\n+|[ \t]{2,})"
    r"|(?P<rare>[^\s\x00-\x7f]+)"
)


def estimate_tokens(text: str, *, cjk: float = 1.0, letters: float = 5.0) -> int:
    """Estimate, on the high side, the tokens of a text for a vocabulary that nobody can be asked about.

    Digits and punctuation count one each, an accented letter two (it also splits its word), rare characters one a
    byte; a tenth is added.

    Args:
        cjk: tokens of a Chinese, Japanese or Korean character.
        letters: Latin letters of one token, as prose has them; 2 for logs and identifiers.
    """
    total = 0.0
    for match in _SPENT.finditer(text):
        length, kind = match.end() - match.start(), match.lastgroup
        if kind == "letters":
            total += max(1.0, length / letters)
        elif kind == "cjk":
            total += cjk * length
        elif kind == "one":
            total += length
        elif kind == "accented":
            total += 2.0 * length
        elif kind == "gap":
            total += math.ceil(length / 8)
        else:
            total += len(match.group().encode("utf-8", "replace"))
    return math.ceil(total * MARGIN)
