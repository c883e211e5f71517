"""The parts of a sentence around its numbers or names: "pears cost 3 dollars" and "apples 9".

A part that leaves out its subject or verb ("and 400 a year") inherits the words before the number of the part before,
less those that its own words replace: another subject ("apples"), time, or phrase with the same preposition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Literal

from indexes.text.characters import HAN, is_han
from rag.answer.language import words_of
from rag.answer.words.numbers import ENGLISH_NUMBER_WORDS, Number, numbers_in
from rag.answer.words.terms import ZH_NAMES, Evidence, Term, is_stop_word, normal, stem

Anchor = Literal["numbers", "names"]

_LINKS = words_of(
    "in on at to from with by about into onto over under between through during before after above below of off as "
    "like per for since until till within without near against among across around along towards unlike via than "
    "在 于 从 由 向 对 到 自 被 给 跟 按"
)
_RATES = words_of("a an each every per 每")  # after a number: 400 a year
_PASSED_OVER = words_of("the a an this these those each every all both some any its their his her our")
_PRONOUNS = words_of(
    "it its they their he his she her we our you your i my there here who which that whose where when if as "
    "它 其 他 她 它们 他们 她们 我们 您 你 该 其中"
)
_BE = words_of(
    "is are was were be been being am has have had do does did will would can could may might must shall should "
    "是 为 有 要 需 需要 收 须 必须 应 可 能"
)
_TIMES = words_of(
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays "
    "sundays weekday weekdays weekend weekends holiday holidays january february march april may june july august "
    "september october november december spring summer autumn fall winter morning mornings afternoon afternoons "
    "evening evenings night nights today tomorrow yesterday daily weekly monthly yearly annually"
)
_ADVERBS = words_of(
    "now later then once twice today currently formerly previously still already soon sometimes often always never "
    "rarely usually again afterwards thereafter meanwhile today tomorrow yesterday instead otherwise almost nearly "
    "about up down least most"
)
_PERSONS = words_of("nr nrt nrfg")
_STRONG = words_of("; ； while whereas but although though however 而 但 但是 然而 \n")
_MIDDLE = words_of(", ，")
_WEAK = words_of("and or plus & 、 和 及 与 或 以及")
_TOKEN = re.compile(rf"[{HAN}]+|[^\W\d_][\w'’-]*|[;；,，、&\n]")
_START = re.compile(r"(?:^|[.!?:。！？：\n\"“(（|])\s*$")
_CAPITALS = re.compile(r"(?<![\w'’-])[A-Z][\w'’-]*(?:[ ](?:(?:of|de|van|von|der|la|al) )?[A-Z][\w'’-]*)*")
_TITLE_WORDS = 6  # a run of capitals this long is a heading, no name


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a sentence, or a separator.

    >>> part, *_ = parts_of("The pass costs 40 euros in Lisbon.", "numbers")
    >>> [(word.key, word.link, word.name) for word in part.after if word.content]
    [('lisbon', 'in', True)]

    Args:
        key: stem, or the Chinese word.
        start, end: character offsets in the sentence.
        content: whether it is neither a function word nor a separator.
        link: the preposition that governs it, "" for none.
        first: whether it follows its preposition directly.
        name, person, time: whether it names someone or some place, someone (in Chinese), or a time.
        subject: whether its form allows it to be a subject.
        level: of a separator its strength, 1 to 3; else 0.
        tag: part of speech of a Chinese word.
    """

    key: str
    start: int
    end: int
    content: bool = False
    link: str = ""
    first: bool = False
    name: bool = False
    person: bool = False
    time: bool = False
    subject: bool = False
    level: int = 0
    chinese: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a sentence.

    >>> part, *_ = parts_of("Sales is led by Anna Berg.", "names")
    >>> [(sorted(name.keys), name.link, name.initial) for name in part.names]
    [(['sale'], '', True), (['anna', 'berg'], 'by', False)]

    Args:
        keys: stems of its words, or the Chinese name.
        start, end: character offsets in the sentence.
        link: the preposition before it; "" at the start of its part, "-" after another word.
        initial: whether it is one English word at the start of the sentence, which may be no name.
    """

    keys: frozenset[str]
    start: int
    end: int
    link: str = ""
    initial: bool = False


@dataclass
class Part:
    """A part of a sentence, with the words that it inherits.

    >>> first, second = parts_of("The pass costs 40 euros a month and 400 a year.", "numbers")
    >>> first.text, second.text, [word.key for word in second.inherited if word.content]
    ('The pass costs 40 euros a month', '400 a year.', ['pass', 'cost'])

    Args:
        text: the part as it stands.
        start: its place in the sentence.
        before: its words before its first number or name.
        after: its words behind that.
        numbers, names: its numbers and names.
        inherited, inherited_numbers: those of the part before that hold for this one too.
        own: its own words that replace words of the part before.
        upto: what the next part may inherit: the words before its last number or name, with those inherited.
        tail: the words behind its last number, or those of the part before if it has none.
        opened: strength of the separator before it.
    """

    text: str
    start: int
    before: list[Word]
    after: list[Word]
    numbers: list[Number]
    names: list[Name]
    upto: list[Word]
    tail: list[Word]
    opened: int = 0
    inherited: list[Word] = field(default_factory=list)
    inherited_numbers: list[Number] = field(default_factory=list)
    own: frozenset[str] = frozenset()

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.text)

    @property
    def bare(self) -> bool:
        """Whether nothing but a noun, and a preposition after it, stands before its number."""
        words = [word for word in self.before if word.key not in _PASSED_OVER and not word.level]
        while words and not words[-1].content:
            words = words[:-1]
        return bool(words) and words[-1].subject and all(word.content for word in words)

    def holds(self, term: Term) -> bool:
        """Return whether the part says or inherits the term."""
        if term.kind == "number":
            wanted = term.number or Number(term.key, term.strict)
            return any(wanted.same(number) for number in (*self.numbers, *self.inherited_numbers))
        return self.evidence.holds(term) >= 1 or any(same_word(word, term) for word in self.inherited)


def same_word(word: Word, term: Term) -> bool:
    """Return whether the word of a sentence is the term; Chinese may be segmented otherwise.

    >>> [word] = [word for part in parts_of("Pears at 3 euros", "numbers") for word in part.before if word.content]
    >>> same_word(word, Term("pear", "word", 1.0))
    True
    """
    if word.key == term.key:
        return True
    return word.chinese and term.chinese and word.content and (word.key in term.key or term.key in word.key)


def is_year(number: Number) -> bool:
    """Return whether a number may be a year.

    >>> [is_year(number) for number in numbers_in("60 in 2020")]
    [False, True]
    """
    return not number.unit and len(number.value) == 4 and number.value.isdigit() and number.value[0] in "12"


def parts_of(text: str, by: Anchor) -> list[Part]:
    """Split a sentence between its numbers (or names) at the strongest separator there.

    Numbers with nothing but a separator between them ("1, 2 and 3 euros") stay together, and so do those without one
    ("9 to 17"). If several separators are equally strong, the words between them belong to both parts.

    >>> [part.text for part in parts_of("Anna Berg leads sales and Tom Reed leads support.", "names")]
    ['Anna Berg leads sales', 'Tom Reed leads support.']
    """
    text = normal(text)
    numbers = sorted((one for one in numbers_in(text.lower()) if one.strict), key=lambda one: one.start)
    words = _words(text, numbers)
    names = _names(text, words)
    spans = [(one.start, one.end) for one in (numbers if by == "numbers" else names)]
    cuts: list[tuple[int, int, int]] = []  # end of a part, start of the next, level
    for at, ((_, end), (start, _)) in enumerate(pairwise(spans)):
        unlike = by == "numbers" and is_year(numbers[at]) != is_year(numbers[at + 1])  # in 2019, 60 in 2020
        between = [word for word in words if end <= word.start and word.end <= start]
        level = max((word.level for word in between), default=0)
        if not level or (by == "names" and all(word.key == "、" for word in between if word.level)):
            continue
        if all(word.level or word.key in _PASSED_OVER for word in between) and not unlike:
            continue
        same = [word for word in between if word.level == level]
        cuts.append((same[-1].start, same[0].end, level))
    found: list[Part] = []
    for place in range(len(cuts) + 1):
        _, begin, opened = cuts[place - 1] if place else (0, 0, 0)
        end = cuts[place][0] if place < len(cuts) else len(text)
        inside = [word for word in words if begin <= word.start and word.end <= end]
        own = [span for span in spans if begin <= span[0] and span[1] <= end]
        sure = [one.start for one in names if not one.initial and begin <= one.start and one.end <= end]
        first = min(sure) if by == "names" and sure else own[0][0] if own else end
        last = own[-1][0] if own else begin
        part = Part(
            text[begin:end].strip(),
            begin,
            [word for word in inside if word.end <= first],
            [word for word in inside if word.end > first],
            [one for one in numbers if begin <= one.start and one.end <= end],
            [_placed(one, inside) for one in names if begin <= one.start and one.end <= end],
            [word for word in inside if word.end <= last],
            [word for word in inside if word.start >= (own[-1][1] if own else end) and not word.level],
            opened,
        )
        if found:
            _inherit(part, found[-1], by)
        found.append(part)
    return found


def _words(text: str, numbers: Sequence[Number]) -> list[Word]:
    """Return the words and separators of a sentence, without numbers and their units."""
    found: list[Word] = []
    link, direct, end = "", False, 0
    for start, token, tag in _tokens(text):
        stop = start + len(token)
        low = token.lower()
        after = any(end <= one.start and one.end <= start for one in numbers)
        if after:
            link, direct = "", False
        if any(one.start < stop and start < one.end for one in numbers):
            continue
        end = stop
        level = 3 if low in _STRONG else 2 if low in _MIDDLE else 1 if low in _WEAK else 0
        if level:
            link, direct = "", False
            found.append(Word(low, start, stop, level=level))
        elif after and low in _RATES:
            link, direct = "per", True
            found.append(Word("per", start, stop))
        elif low in _LINKS or tag == "p":
            link, direct = low, True
            found.append(Word(low, start, stop))
        elif is_stop_word(low) or low in _BE or low in _PRONOUNS or low in ENGLISH_NUMBER_WORDS or tag[:1] in "ucryemq":
            if low not in _PASSED_OVER:
                direct = False
            found.append(Word(low, start, stop))
        else:
            chinese = is_han(token)
            key = token if chinese else stem(re.sub("['’]s?$", "", token))
            name = tag in ZH_NAMES if chinese else token[0].isupper() and not _START.search(text[:start])
            time = tag == "t" or low in _TIMES
            subject = tag[:1] in "njl" if chinese else not (low in _ADVERBS or low.endswith(("ly", "ed", "ing")))
            found.append(
                Word(key, start, stop, True, link, direct, name, tag in _PERSONS, time, subject, 0, chinese, tag)
            )
            direct = False
    return found


def _tokens(text: str) -> list[tuple[int, str, str]]:
    """Return (start, word, tag) of each word and separator; only Chinese words have a tag, others "-"."""
    import rjieba

    found = []
    for match in _TOKEN.finditer(text):
        if not is_han(match.group()):
            found.append((match.start(), match.group(), "-"))
            continue
        place = match.start()
        for word, tag in rjieba.tag(match.group()):
            found.append((place, word, tag))
            place += len(word)
    return found


def _names(text: str, words: Sequence[Word]) -> list[Name]:
    """Return the names in a sentence: runs of capitalised words, and Chinese words tagged as names."""
    found = [
        Name(frozenset({word.key}), word.start, word.end)
        for word in words
        if word.chinese and word.name and word.person and word.end - word.start > 1
    ]
    for match in _CAPITALS.finditer(text):
        tokens = match.group().split()
        initial = bool(_START.search(text[: match.start()]))
        start = match.start()
        if initial and is_stop_word(tokens[0].lower()):
            start += len(tokens[0])
            tokens, initial = tokens[1:], False
        if not tokens or len(tokens) > _TITLE_WORDS or all(token.lower() in _TIMES for token in tokens):
            continue
        keys = frozenset(stem(re.sub("['’]s?$", "", token)) for token in tokens if token[0].isupper())
        found.append(Name(keys, start, match.end(), initial=initial and len(tokens) == 1))
    return sorted(found, key=lambda one: one.start)


def _inherit(part: Part, previous: Part, by: Anchor) -> None:
    """Let a part inherit the words before the last number of the part before, less those that its own replace."""
    source = previous.upto
    replaced: set[Word] = set()
    own: set[str] = set()
    mine = {word.key for word in part.before if word.content}
    free = [word for word in source if word.content and word.key not in mine]

    def give_way(words: Sequence[Word], by: Sequence[Word]) -> None:
        if words and by:
            replaced.update(words)
            own.update(word.key for word in by)

    news = [word for word in part.before if word.content and not any(word.key == old.key for old in source)]
    for word in news:
        if word.first:
            give_way([old for old in free if old.first and old.link == word.link], [word])
    give_way([old for old in free if old.time], [word for word in news if word.time])
    made, before = [[word for word in words if not word.level][-2:] for words in (source, part.before)]
    if len(made) == len(before) == 2 and made[1].key == before[1].key == "by":  # designed by one, built by another
        give_way([old for old in free if old is made[0]], [word for word in news if word is before[0]])
    last = [word for word in source if word.content][-1:]
    if last and len(news) == len(part.before) == 1 and last[0].tag == news[0].tag == "a":  # 深40米，宽300米
        give_way(last, news)
    subject = _subject(part, previous, news)
    if subject:
        pivot = _pivot(source, part.before)
        old = [word for word in free if not word.first and not word.time and (not pivot or word.end <= pivot.start)]
        old = [word for word in old if word.key in previous.own] or old
        # Without a common word, where the old subject ends is not known.
        give_way(old[: len(subject) if pivot else 1], subject)
    part.own = frozenset(own)
    part.inherited = [word for word in source if word not in replaced and word.key not in mine]
    part.upto = [*part.inherited, *part.upto]
    if by == "numbers" and not any(word.content for word in part.tail):
        part.tail = previous.tail  # pears cost 3 and apples 9 euros at the market
        part.inherited = [*part.inherited, *part.tail]
    if len(part.numbers) < len(previous.numbers):
        part.inherited_numbers = [*previous.inherited_numbers, *previous.numbers[:-1]]
    if previous.numbers and part.numbers and (own or not part.before):
        part.numbers[0] = _lent_unit(part.numbers[0], previous.numbers[-1], part.after)


def _lent_unit(number: Number, previous: Number, after: Sequence[Word]) -> Number:
    """Return a number with the unit of the one before it if it has none and counts nothing: 40 euros and 400 a year."""
    counts = bool(after) and after[0].content and not after[0].link
    if number.unit or counts or previous.base != previous.value or is_year(number):
        return number
    return replace(number, unit=previous.unit, base=number.value)


def _pivot(words: Sequence[Word], others: Sequence[Word]) -> Word | None:
    """Return the last word that both hold, or a form of "be": a verb, or the noun that an adjective qualifies."""
    theirs = {word.key for word in others if word.content}
    shared = [word for word in words if (word.content and word.key in theirs) or word.key in _BE]
    return shared[-1] if shared else None


def _subject(part: Part, previous: Part, news: Sequence[Word]) -> list[Word]:
    """Return the words with which a part names a subject of its own; empty if it has none, or cannot be told."""
    words = [word for word in part.before if not word.level]
    while words and words[0].key in _PASSED_OVER:
        words = words[1:]
    if not words or words[0].key in _PRONOUNS:
        return []
    plain = [word for word in news if not word.first and not word.time]
    candidates = [word for word in plain if word.subject or word.name]
    pivot = _pivot(part.before, previous.upto)
    if pivot is not None:
        ahead = [word for word in plain if word.start < pivot.start and (word.chinese or word in candidates)]
        if ahead:
            return ahead
    if pivot is not None or words[0] not in news:
        return []
    if words[0].name or words[0].chinese:
        return list(takewhile(lambda word: word in candidates and (word.name or not words[0].name), words))
    # "apples 9 dollars", "apples for 9 dollars" behind "pears for 3 dollars": nothing but a noun, behind a comma or an
    # article, or where the part before is built alike.
    while not words[-1].content and words[-1].key in {word.key for word in previous.upto[-2:]}:
        words = words[:-1]
    article = part.before[0].key in _PASSED_OVER
    bare = words[-1] in candidates and all(word.content for word in words)
    return words if bare and (part.opened >= 2 or article or previous.bare) else []


def _placed(name: Name, inside: Sequence[Word]) -> Name:
    """Return the name with the preposition before it."""
    before = [word for word in inside if word.end <= name.start and word.key not in _PASSED_OVER]
    if not before or before[-1].level:
        return name
    link = before[-1].key if before[-1].key in _LINKS else "-"
    return replace(name, link=link)
