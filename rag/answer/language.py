"""Languages of prompts and answers: detecting a question's, and the sentence that says "not found" in each."""

from __future__ import annotations

import re
from typing import Literal

from indexes.text.characters import HAN, HANGUL, KANA

Language = Literal["en", "zh"]

NOT_FOUND: dict[Language, str] = {
    "en": "The answer is not in these documents.",
    "zh": "这些文档中没有找到答案。",
}

_HAN = re.compile(f"[{HAN}]")
_OTHER_CJK = re.compile(f"[{KANA}{HANGUL}]")
_LATIN_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z0-9]+)*")
_QUOTED = re.compile(r"“[^”]*”|「[^」]*」|『[^』]*』|《[^》]*》|\"[^\"]*\"|`[^`]*`")


def words_of(text: str) -> frozenset[str]:
    """Split a word list at blanks.

    >>> sorted(words_of("yes no"))
    ['no', 'yes']
    """
    return frozenset(text.split())


# Words that only sentences in that language hold, other than names and technical terms.
_ENGLISH_CUES = words_of(
    "a an the is are was were be do does did has have can could should would will may what which who whom whose "
    "where when why how of in on to for from with by and or not it this that i you we they there tell show explain "
    "describe list please"
)
_CHINESE_CUES = re.compile("[的了是吗呢吧么什怎哪谁几请把被这那您你我它们在和与及为何如有没不]")


# Words that only sentences in that language hold; those that are English words too are left out.
_CUES: dict[str, frozenset[str]] = {
    "German": words_of(
        "der das dem des ein eine einen einem einer ist sind wird werden und oder nicht wie wer wo wann warum welche "
        "welcher welches für mit von auf zum zur ich sie wir gibt kann wurde haben kostet beträgt"
    ),
    "French": words_of(
        "le la les du une est sont qui que quoi quel quelle quels quelles où quand comment pourquoi dans pour avec sur "
        "ce cette il elle nous vous combien et"
    ),
    "Spanish": words_of(
        "el la los las del una es qué quién quiénes cuál cuánto cuánta cuántos cuántas dónde cuándo cómo por para "
        "en y se"
    ),
    "Italian": words_of(
        "il lo gli della delle dei di che è sono chi quale quali quanto quanti dove quando perché nel una"
    ),
}
CHINESE_NAMES = {"German": "德语", "French": "法语", "Spanish": "西班牙语", "Italian": "意大利语"}
_SURE_ENGLISH = words_of("the is are of and to what how when where which who does did were with from this that")
_WORD = re.compile(r"[^\W\d_]+")


def foreign_language(text: str) -> str | None:
    """Return the language of a German, French, Spanish or Italian text; None for any other, and if in doubt.

    >>> foreign_language("Wie heißt der Autor?"), foreign_language("Who is the author of Der Steppenwolf?")
    ('German', None)
    """
    words = [word.lower() for word in _WORD.findall(_QUOTED.sub(" ", text))]
    held = {language: sum(word in cues for word in words) for language, cues in _CUES.items()}
    first, second = sorted(held.values(), reverse=True)[:2]
    if first < 2 or first == second or any(word in _SURE_ENGLISH for word in words):
        return None
    return max(held, key=lambda language: held[language])


def is_english(text: str) -> bool:
    """Return whether a text is an English sentence, more than a name or a value.

    >>> is_english("The pass costs 40 euros."), is_english("Der Pass kostet 40 Euro."), is_english("40 euros")
    (True, False, False)
    """
    words = [word.lower() for word in _WORD.findall(_QUOTED.sub(" ", text))]
    sure = sum(word in _SURE_ENGLISH for word in words)
    return len(words) >= 4 and sure >= 1 and not any(word in cues for word in words for cues in _CUES.values())


def detect_language(text: str) -> Language:
    """Return "zh" for Chinese, "en" for everything else; foreign terms and names in a sentence do not change it.

    Japanese and Korean get the English prompt, which asks to answer in the language of the question. Quoted words count
    only if there is nothing outside the quotes.

    >>> detect_language("BGE-M3 怎么安装？"), detect_language("Who is 孙悟空?")
    ('zh', 'en')
    """
    outside = _QUOTED.sub(" ", text)
    if not (_HAN.search(outside) or _LATIN_WORD.search(outside) or _OTHER_CJK.search(outside)):
        outside = text
    han = len(_HAN.findall(outside))
    if not han:
        return "en"
    other = len(_OTHER_CJK.findall(outside))
    if other * 5 >= han + other:  # Japanese mixes kana into every clause; Chinese quotes one at most
        return "en"
    words = [word.lower() for word in _LATIN_WORD.findall(outside)]
    if not any(word in _ENGLISH_CUES for word in words):
        return "zh" if han * 4 >= len(words) else "en"
    if not _CHINESE_CUES.search(outside):
        return "en" if len(words) >= 2 else "zh"
    return "zh" if han * 7 >= (han + len(words)) * 3 else "en"


def answers_in_another(question: Language, answer: str) -> bool:
    """Return whether ``answer`` is in the other language: Chinese for an English question, or the reverse.

    Names, numbers, code and quotes are ignored.

    >>> answers_in_another("en", "港口是每天早上六点开放的。")
    True
    """
    plain = re.sub(r"```.*?```|`[^`]*`", " ", _QUOTED.sub(" ", answer), flags=re.DOTALL)
    han = len(_HAN.findall(plain))
    words = [word.lower() for word in _LATIN_WORD.findall(plain)]
    if question == "zh":
        return not han and len(words) >= 4 and any(word in _ENGLISH_CUES for word in words)
    return han >= 6 and bool(_CHINESE_CUES.search(plain)) and not any(word in _ENGLISH_CUES for word in words)
