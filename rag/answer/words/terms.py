"""Terms of sentences, content words, names and numbers in Chinese and English, to match by overlap.

English words are stemmed (Snowball). Chinese is segmented by rjieba, and a text holds a word if it occurs anywhere in
it, however it is segmented there. Numbers are compared by value: "3", "three", "三" and "3.0" are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from indexes.text.characters import HAN, WITHOUT_BLANKS, compatible, is_han, simplified, straight, visible, without_gaps
from indexes.text.numerals import CHINESE_NUMERAL, usual_numerals
from indexes.text.words import SIGNS, folded, in_capitals, prepared, readings
from rag.answer.language import words_of
from rag.answer.words.numbers import ENGLISH_NUMBER_WORDS, Number, numbers_in

Kind = Literal["word", "name", "number"]

NAME_WEIGHT = 2.0
NUMBER_WEIGHT = 2.0
PARTIAL_CREDIT = 0.7  # for a longer Chinese word whose character pairs occur, but not consecutively

STOP_WORDS = words_of(
    "a an the this that these those is are was were be been being am do does did done has have had having can could "
    "shall should will would may might must of in on at to for from with by about into onto over under between "
    "through during before after above below up down out off again then than so such as if else when where which "
    "who whom whose what why how and or but nor not no yes it its itself he him his she her hers they them their "
    "theirs we us our ours you your yours i me my mine there here also only just very too more most some any all "
    "each both either neither other another same own via per etc however therefore thus because while according "
    "passage passages please tell explain describe let"
)
_ZH_STOP_WORDS = words_of(
    "的 了 是 在 和 与 及 或 而 且 就 都 也 还 又 很 更 最 被 把 将 让 使 对 从 向 到 由 以 于 为 为了 因为 "
    "所以 如果 但 但是 不过 然而 这 那 这个 那个 这些 那些 它 他 她 它们 他们 她们 我 我们 你 你们 您 其 其中 "
    "之 之一 一个 一种 一些 有 没有 并 并且 以及 等 等等 什么 怎么 怎样 如何 哪 哪个 哪些 哪里 哪儿 谁 几 "
    "多少 吗 呢 吧 啊 呀 请 请问 着 过 地 得 所 可以 能 能够 会 要 需要 应该 必须 根据 段落 一下 个 中 里 上 "
    "下 时 后 前 来 去 说 第 叫 叫做 称为 即 若 则 当 如 不 没 只 只有 才 便 却 为什么 是不是 有没有 属于 何 "
    "何时 何地 哪一 哪年 哪种 位 名 种 年 月 日 天"
)
# "How many", with its measure word in one: it asks for a number, and stands in no answer.
_ZH_HOW_MANY = re.compile("几[个天年月日条次种位名层章回句页岁点分秒块元米斤人]|多[长久远大高深宽快厚]")
# So do measures after "how" and 有多: "how long" is answered by a time, seldom by "long".
_HOW_MUCH = re.compile(
    r"\bhow\s+(?:long|much|many|far|often|old|tall|high|deep|wide|big|large|small|heavy|fast|soon|late|early)\b"
    r"|(?<!没)有多[长久远大高深宽快厚](?![学型])",
    re.I,
)
ZH_NAMES = frozenset({"nr", "nrt", "nrfg", "ns", "nt", "nz"})
_LETTER = rf"[^\W_{WITHOUT_BLANKS}]"
_LETTERS = rf"{_LETTER}+(?:[{SIGNS}]+{_LETTER}*)*"
_TOKEN = re.compile(rf"[{HAN}]+|(?!\d){_LETTERS}(?:[-_.'+#/:&]{_LETTERS})*(?:\+\+(?!_|{_LETTER})|#(?!_|{_LETTER}))?")
_JOINTS = re.compile(r"[-_.'+#/:&]")
_SUFFIX = re.compile(r"'s?$")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;。！？：；\n\"“(（\[])\s*$")


@dataclass(frozen=True, slots=True)
class Term:
    """One content term of a sentence.

    >>> [(term.key, term.kind) for term in terms_of("Anna Berg pays 150 euros.")]
    [('anna', 'word'), ('berg', 'name'), ('pay', 'word'), ('150', 'number')]

    Args:
        key: normal form: stem, Chinese word, or a number's value.
        kind: word, name or number.
        weight: how much it counts.
        strict: see ``Number``.
        chinese: whether it is a Chinese word.
        number: the number, if it is one.
    """

    key: str
    kind: Kind
    weight: float
    strict: bool = False
    chinese: bool = False
    number: Number | None = None


def normal(text: str) -> str:
    """Normalise width, Chinese variants, apostrophes and white space in running Chinese; keep the case.

    >>> normal("第１ 條")
    '第1 条'
    """
    return usual_numerals(simplified(without_gaps(straight(compatible(visible(text))))))


def terms_of(text: str) -> list[Term]:
    """Return the distinct content terms of a sentence, in order, without stop words and question words.

    >>> [(term.key, term.kind) for term in terms_of("The harbour of Porto opens at 6.")]
    [('harbour', 'word'), ('porto', 'name'), ('open', 'word'), ('6', 'number')]
    >>> [term.key for term in terms_of("How long is the pier?")]
    ['pier']
    """
    text = _HOW_MUCH.sub(lambda match: " " * len(match[0]), normal(text))
    found: dict[tuple[str, bool], Term] = {}
    numbers = numbers_in(text.lower())
    for number in numbers:  # their units are not words
        if number.unit:
            text = text[: number.start] + " " * (number.end - number.start) + text[number.end :]
    for match in _TOKEN.finditer(text):
        token = match.group()
        if not is_han(token):
            key = stem(_SUFFIX.sub("", token))
            if token.isupper() and len(token) > 1 and token.lower() in STOP_WORDS and not in_capitals(text):
                found.setdefault((token, False), Term(token, "name", NAME_WEIGHT))  # IT, WHO
                continue
            if (
                token.lower() in STOP_WORDS
                or token.lower() in ENGLISH_NUMBER_WORDS
                or (len(token) == 1 and not token.isupper())
            ):
                continue
            name = _looks_like_name(token, text[max(0, match.start() - 8) : match.start()])
            found.setdefault((key, False), Term(key, "name" if name else "word", NAME_WEIGHT if name else 1.0))
        else:
            for word, weight, name in _chinese_words(token):
                kind: Kind = "name" if name else "word"
                found.setdefault((word, True), Term(word, kind, NAME_WEIGHT if name else weight, chinese=True))
    for number in numbers:
        if number.strict or number.value != "1":
            weight = NUMBER_WEIGHT if number.strict else 1.0
            term = Term(number.value, "number", weight, number.strict, number=number)
            earlier = found.get((term.key, False))
            if earlier is None or (number.strict and not earlier.strict):
                found[term.key, False] = term
    return list(found.values())


def is_stop_word(word: str) -> bool:
    """Return whether a word, in lower case, is too common to be a term in English or Chinese.

    >>> is_stop_word("the"), is_stop_word("的"), is_stop_word("harbour")
    (True, True, False)
    """
    return word in STOP_WORDS or word in _ZH_STOP_WORDS


def asks_how_much(text: str) -> bool:
    """Return whether a question asks for a measure: "how long", 有多高.

    >>> asks_how_much("How long is the pier?"), asks_how_much("Who built the pier?")
    (True, False)
    """
    import rjieba

    text = normal(text)
    return bool(_HOW_MUCH.search(text)) or any(_ZH_HOW_MANY.fullmatch(word) for word, _ in rjieba.tag(text))


def stem(word: str) -> str:
    """Return the Snowball stem of an English word without accents; identifiers are only lower-cased.

    >>> stem("openings"), stem("BGE-M3")
    ('open', 'bge-m3')
    """
    import Stemmer

    word = folded(word.lower())
    # A stemmer per call: it costs microseconds and is not thread-safe.
    return Stemmer.Stemmer("english", 0).stemWord(word) if word.isalpha() else word


def _looks_like_name(token: str, before: str) -> bool:
    if any(char.isdigit() for char in token) or "_" in token or (len(token) > 1 and token.isupper()):
        return True
    if any(char.isupper() for char in token[1:]):
        return True
    return token[0].isupper() and not _SENTENCE_START.search(before)


def _chinese_words(run: str) -> Iterable[tuple[str, float, bool]]:
    """Yield (word, weight, whether it names a person, a place or an organisation)."""
    import rjieba

    for word, tag in rjieba.tag(run):
        if word in _ZH_STOP_WORDS or _ZH_HOW_MANY.fullmatch(word) or CHINESE_NUMERAL.fullmatch(word):
            continue
        yield word, 0.5 if len(word) == 1 else 1.0, len(word) > 1 and tag in ZH_NAMES


class Evidence:
    """A text prepared to look up terms in it.

    >>> opens, closes = terms_of("opens closes")
    >>> evidence = Evidence("The harbour opened at 6.")
    >>> evidence.holds(opens), evidence.holds(closes)
    (1.0, 0.0)
    """

    def __init__(self, text: str) -> None:
        mainland = prepared(text).mainland
        text = normal(text)
        self.text = text.lower()
        self.numbers = numbers_in(self.text)
        if mainland is not None:
            self.text += f"\n{mainland.lower()}"
        self.words: set[str] = set()
        self.pairs: set[str] = set()
        for match in _TOKEN.finditer(text):
            token = match.group()
            if is_han(token):
                self.pairs.update(a + b for a, b in pairwise(token))
                continue
            token = _SUFFIX.sub("", token)
            self.words.update((folded(token.lower()), stem(token), token))
            self.words.update(term for term, _ in readings(token, stem))
            parts = _JOINTS.split(token)
            if len(parts) > 1 and not token.endswith(("+", "#")):
                self.words.update(stem(part) for part in parts if part)

    def holds(self, term: Term) -> float:
        """Return 1.0 if the text holds the term, else 0.0; in between for a longer Chinese word held in parts."""
        if term.kind == "number":
            wanted = term.number or Number(term.key, term.strict)
            return float(any(wanted.same(number) for number in self.numbers))
        if term.chinese:
            if term.key in self.text:
                return 1.0
            pairs = [a + b for a, b in pairwise(term.key)]
            if len(pairs) < 2:
                return 0.0
            return PARTIAL_CREDIT * sum(pair in self.pairs for pair in pairs) / len(pairs)
        if term.key in self.words:
            return 1.0
        parts = [part for part in _JOINTS.split(term.key) if part]
        return float(len(parts) > 1 and all(stem(part) in self.words for part in parts))


def share_held(terms: Sequence[Term], evidence: Sequence[Evidence]) -> float:
    """Return the weighted share of terms that the texts hold together, 0 to 1; 0.0 without terms.

    >>> share_held(terms_of("the harbour opens"), [Evidence("a harbour"), Evidence("The lock opens.")])
    1.0
    """
    total = sum(term.weight for term in terms)
    if not total:
        return 0.0
    return sum(term.weight * max(one.holds(term) for one in evidence) for term in terms) / total
