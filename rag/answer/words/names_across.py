"""Compare names across writing systems, by rule: "Wang Zhiyuan" and 王志远, "Lisbon" and 里斯本, "China" and 中国.

Chinese names are compared in pinyin (every reading of each character), foreign names in Chinese characters by their
consonants. A translated name ("Northwind Trust", 北风信托) cannot be compared, so a name that is not found is
"unknown", and "other" only if a comparable name takes its place.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from indexes.text.characters import HAN
from rag.answer.language import words_of
from rag.answer.words.romanised import consonants, in_pinyin, readings, spells, without_accents
from rag.answer.words.terms import STOP_WORDS, ZH_NAMES, normal

Names = Literal["held", "other", "unknown", "none"]

SOUND = 0.8  # share of consonants in the same order from which two names are the same
UNLIKE = 0.4  # share below which two names do not sound alike at all
SHORTEST = 3  # consonants: two occur in too many words, and three must all be equal
SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖"
    "邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_HAN_RUN = re.compile(f"[{HAN}]+(?:[·・•‧][{HAN}]+)*")
_CAPITAL = r"[A-Z][A-Za-z-]*"
_LATIN_NAME = re.compile(rf"(?<![A-Za-z]){_CAPITAL}(?:[ ](?:(?:of|de|van|von|der|la|al) )?{_CAPITAL})*")
_STARTS = re.compile(r"(?:^|[.!?:;。！？：；\n\"“(（])\s*$")
_NO_NAMES = words_of(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday i chinese english mr mrs ms dr captain professor president director"
)
# Words of Latin names that are translated, not transcribed.
_TRANSLATED = words_of(
    "trust works society mutual insurance bank company corporation university college school institute group ministry "
    "department committee council association foundation labs laboratory press museum hospital library office court "
    "church party union league agency authority board bureau centre center club commission federation fund guild house "
    "street river lake mountain island sea bay park road bridge north south east west new great royal national "
    "international united state city county province army navy school harbour harbor red white black blue green golden"
)
# Places whose names in the two languages do not sound alike.
_KNOWN = dict(
    pair.split("=")
    for pair in words_of(
        "china=中国 chinese=中国 japan=日本 korea=韩国 america=美国 usa=美国 us=美国 britain=英国 uk=英国 england=英国 "
        "germany=德国 france=法国 russia=俄罗斯 india=印度 spain=西班牙 greece=希腊 sweden=瑞典 switzerland=瑞士 "
        "europe=欧洲 asia=亚洲 africa=非洲 australia=澳大利亚 taiwan=台湾 macau=澳门 tibet=西藏 egypt=埃及 "
        "turkey=土耳其 thailand=泰国 vietnam=越南 singapore=新加坡 hongkong=香港 unitedstates=美国 newyork=纽约 "
        "unitedkingdom=英国 "
        "sanfrancisco=旧金山 cambridge=剑桥 oxford=牛津 peking=北京 canton=广州 unitednations=联合国 hawaii=夏威夷 "
        "newzealand=新西兰 canada=加拿大 yangtze=长江 yellowriver=黄河 holland=荷兰 netherlands=荷兰 portugal=葡萄牙 "
        "prussia=普鲁士"
    )
)


def compare_names(claim: str, sentence: str) -> Names:
    """Return what ``sentence``, in the other language, says of the names of ``claim``.

    "held" if it holds them all, "other" if it has another name instead of one, "unknown" if spelling and sound do not
    tell, "none" if the claim has no name.

    >>> compare_names("It was built by Wang Zhiyuan.", "它是王志远建造的。")
    'held'
    """
    mine, theirs = _names(claim), _names(sentence)
    if not mine:
        return "none"
    missing = [name for name in mine if not any(_same(name, other) for other in theirs) and not _in(name, sentence)]
    if len(missing) < len(mine):  # beside a name that was found, this one may be an ordinary word
        missing = [name for name in missing if name.isascii() or _transcribed(name)]
    if not missing:
        return "held"
    free = [other for other in theirs if not any(_same(name, other) for name in mine) and not _in(other, claim)]
    return "other" if any(_excludes(name, other) for name in missing for other in free) else "unknown"


def _excludes(name: str, other: str) -> bool:
    """Return whether the two would look or sound alike if they were the same name."""
    if name.isascii() == other.isascii():
        return name.isascii()
    latin, han = (name, other) if name.isascii() else (other, name)
    letters = _letters(latin)
    if letters in _KNOWN:
        return han in _KNOWN.values()
    if len(in_pinyin(letters)) > 1:
        return True
    if any(word in _TRANSLATED for word in latin.lower().split()):
        return False
    named = "·" in han or _transcribed(han)
    return named and len(consonants(latin)) >= SHORTEST and _likeness(latin, han) < UNLIKE


@lru_cache(maxsize=4096)
def _transcribed(han: str) -> bool:
    """Return whether it is the name of a person or a place, which is transcribed; a firm's may be translated."""
    import rjieba

    if len(han) == 3 and han[0] in SURNAMES:
        return True
    return any(tag == "ns" and word == han for word, tag in rjieba.tag(han))


def _in(name: str, text: str) -> bool:
    """Return whether the text holds the name anywhere, recognised as a name or not."""
    if name.isascii():
        if _letters(name) in _letters(text):
            return True
        runs = _HAN_RUN.findall(normal(text))
        return any(_same(name, run) if "·" in run else _spelled(name, run) for run in runs)
    return name in normal(text) or any(spells(_letters(one), name, whole=True) for one in _names(text) if one.isascii())


@lru_cache(maxsize=4096)
def _same(one: str, other: str) -> bool:
    """Return whether both are the same name: in the same letters, in pinyin, by the list, or by sound."""
    if one.isascii() == other.isascii():
        return one == other or (one.isascii() and _letters(one) in _letters(other))
    latin, han = (one, other) if one.isascii() else (other, one)
    if _spelled(latin, han):
        return True
    return any(_sounds_like(tried, han) for tried in _orders(latin)[:2])


@lru_cache(maxsize=4096)
def _spelled(latin: str, han: str) -> bool:
    """Return whether the characters hold the name in pinyin or by the list."""
    letters = [_letters(tried) for tried in _orders(latin)]
    return any(_KNOWN.get(one, "\0") in han or spells(one, han) for one in letters)


def _orders(latin: str) -> list[str]:
    """Return the name, the name without its first word (a title, a surname), and with its last word first."""
    words = latin.split()
    return [latin, " ".join(words[1:]), " ".join([words[-1], *words[:-1]])] if len(words) > 1 else [latin]


def _sounds_like(latin: str, han: str) -> bool:
    wanted = consonants(latin)
    if len(wanted) < SHORTEST:
        return False
    strict = len(wanted) == SHORTEST or bool(in_pinyin(_letters(latin)))
    return _likeness(latin, han) >= (1.0 if strict else SOUND)


@lru_cache(maxsize=4096)
def _likeness(latin: str, han: str) -> float:
    """Return how similar the consonants are to the most similar part of the characters, 0 to 1."""
    wanted = consonants(latin)
    spoken = [readings(char)[0] for char in han if readings(char)]
    best = 0.0
    for start in range(len(spoken)):
        heard = ""
        for syllable in spoken[start : start + len(wanted) + 2]:
            heard += consonants(syllable, pinyin=True)
            if len(heard) > len(wanted) + 1:
                break
            if len(heard) >= len(wanted) - 1:
                best = max(best, SequenceMatcher(None, wanted, heard).ratio())
    return best


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalpha() and char.isascii())


@lru_cache(maxsize=512)
def _names(text: str) -> tuple[str, ...]:
    """Return the names in a sentence: runs of capitalised words, and Chinese words tagged as person, place or group."""
    text = without_accents(normal(text))
    found: list[str] = []
    for match in _LATIN_NAME.finditer(text):
        words = match.group().split()
        first = bool(_STARTS.search(text[: match.start()]))
        while words and (words[0].lower() in _NO_NAMES or (first and words[0].lower() in STOP_WORDS)):
            words, first = words[1:], False
        alone = first and len(words) == 1 and not _HAN_RUN.match(text, match.end())
        if not words or alone:
            continue  # every English sentence begins with a capital
        found.append(" ".join(words))
    for run in _HAN_RUN.findall(text):
        if any(mark in run for mark in "·・•‧"):
            found.append(run)
            continue
        found += _han_names(run)
    return tuple(dict.fromkeys(found))


def _han_names(run: str) -> list[str]:
    """Return the words tagged as names; a surname that was cut off, or joined to the word before, is put back."""
    import rjieba

    found: list[str] = []
    before = ""
    for word, tag in rjieba.tag(run):
        if tag in ZH_NAMES and len(word) < 3 and before and before[-1] in SURNAMES and word[0] not in SURNAMES:
            if found and found[-1] == before:
                found.pop()
            found.append(before[-1] + word)
        elif tag in ZH_NAMES and len(word) > 1:
            found.append(word)
        before = word
    return found
