"""Pinyin of Chinese characters, and the consonants by which foreign names are transcribed in them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SYLLABLE = re.compile(
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|iao|ian|uai|uan|van|ai|ei|ao|ou|an|en|er|"
    r"ia|ie|iu|in|ua|uo|ue|ui|un|ve|a|o|e|i|u|v)"
)
_LATIN = (
    ("zh", "s"), ("tsch", "s"), ("sch", "s"), ("tch", "s"), ("ph", "f"), ("th", "t"), ("sh", "s"), ("ch", "s"),
    ("gh", "k"), ("ck", "k"), ("qu", "k"), ("ce", "s"), ("ci", "s"), ("cy", "s"), ("x", "ks"),
)  # fmt: skip
_CLASSES = str.maketrans("bdgcqjzrvw", "ptkkkssl" + "ff")
_PINYIN_INITIAL = {
    "zh": "s", "ch": "s", "sh": "s", "z": "s", "c": "s", "s": "s", "j": "s", "q": "s", "x": "s", "b": "p", "p": "p",
    "d": "t", "t": "t", "g": "k", "k": "k", "h": "h", "f": "f", "w": "f", "m": "m", "n": "n", "l": "l", "r": "l",
}  # fmt: skip


@lru_cache(maxsize=8192)
def readings(char: str) -> tuple[str, ...]:
    """Return all readings of a character in plain letters, the usual one first; () if it is not a Chinese character.

    >>> readings("重")
    ('zhong', 'chong', 'tong')
    """
    from pypinyin.constants import PINYIN_DICT

    known = PINYIN_DICT.get(ord(char), "")
    return tuple(dict.fromkeys(without_accents(one, umlaut="v") for one in known.split(",") if one))


def spells(letters: str, han: str, *, whole: bool = False) -> bool:
    """Return whether the letters spell consecutive characters of ``han`` (with ``whole``, all of them).

    >>> spells("wangzhiyuan", "由王志远设计")
    True
    """
    if len(letters) < 4:
        return False
    return any(_spells_from(letters, han, start, whole) for start in range(1 if whole else len(han)))


def _spells_from(letters: str, han: str, place: int, whole: bool) -> bool:
    if not letters:
        return not whole or place == len(han)
    if place >= len(han):
        return False
    return any(
        _spells_from(letters[len(form) :], han, place + 1, whole)
        for reading in readings(han[place])
        for form in ({reading, reading.replace("v", "u"), reading.replace("v", "yu")})
        if letters.startswith(form)
    )


@lru_cache(maxsize=4096)
def in_pinyin(letters: str) -> tuple[str, ...]:
    """Split letters into as few pinyin syllables as possible; () if they are not pinyin.

    >>> in_pinyin("zhiyuan"), in_pinyin("lisbon")
    (('zhi', 'yuan'), ())
    """
    if not letters:
        return ()
    match = _SYLLABLE.match(letters)
    longest = match.end() if match else 0
    for end in range(longest, 0, -1):
        if not _SYLLABLE.fullmatch(letters[:end]):
            continue
        rest = in_pinyin(letters[end:])
        if rest or end == len(letters):
            return (letters[:end], *rest)
    return ()


@lru_cache(maxsize=4096)
def consonants(text: str, *, pinyin: bool = False) -> str:
    """Return a name's consonants in classes that survive transcription: b and p are one, r and l, c, s, x and z.

    >>> consonants("Lisbon"), "".join(consonants(one, pinyin=True) for one in ("li", "si", "ben"))
    ('lspn', 'lspn')
    """
    text = without_accents(text.lower())
    if pinyin:
        if text == "er":
            return "l"
        initial = text[:2] if text[:2] in _PINYIN_INITIAL else text[:1]
        return _PINYIN_INITIAL.get(initial, "") + ("n" if text.endswith(("n", "ng")) else "")
    for written, heard in _LATIN:
        text = text.replace(written, heard)
    kept = "".join(char for char in text.translate(_CLASSES) if char in "ptksfhmnl")
    return re.sub(r"(.)\1+", r"\1", kept.replace("nk", "n"))


def without_accents(text: str, *, umlaut: str = "u") -> str:
    """Remove tones and accents; ``umlaut`` replaces ü.

    >>> without_accents("lǚ Chéng", umlaut="v")
    'lv Cheng'
    """
    marked = unicodedata.normalize("NFD", text).replace("u\u0308", umlaut)
    return "".join(char for char in marked if not unicodedata.combining(char))
