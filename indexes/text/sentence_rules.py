"""The rules of the sentence splitter, one function per kind of terminator. ``sentences.py`` walks over the text.

Each rule reads a bounded part of the text around its terminator, so that the walk is linear. ``begin`` is the start of
the current sentence, ``stop`` the end of the text to split; a rule returns where to continue and the boundary it found,
or -1.
"""

from __future__ import annotations

import re

from indexes.text.characters import HAN, is_han
from indexes.text.lines import BREAKS, IS_CJK, Paragraph, after_space
from indexes.text.sentence_words import (
    AFTER_ORDINAL,
    BEFORE_NUMBER,
    I_AFTER,
    LABELS,
    LETTER_NOUNS,
    LETTER_NOUNS_CHINESE,
    LONG_ABBREVIATIONS,
    MAY_END,
    STARTERS,
    TITLES,
)

_CLOSERS = "」』”’）》】〕〗〉］｝"
STRONG = "。！？；｡．…‥‼⁇⁈⁉"

# First characters of everything relevant; a single character class is the regex engine's fast path.
# Arabic, Urdu, Devanagari (two), Ethiopic, Armenian, Khmer, Burmese, and the Greek question mark.
FOREIGN = "؟۔।॥።։។။\u037e"
CANDIDATE = re.compile(f"[{STRONG}{FOREIGN}.!?;《（(`{BREAKS}]")
_FOREIGN_RUN = re.compile(f"[{FOREIGN}!?.;]++[\"'”’»›)\\]}}]*+")
_STRONG_RUN = re.compile(f"[{STRONG}][{STRONG}!?.{_CLOSERS}]*+")
_WEAK_RUN = re.compile(f"[.!?]++[{STRONG}.!?{_CLOSERS}»›)\\]}}\"'*_]*+")
_GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
SKIP = {
    "《": re.compile("《[^《》\n]{1,60}+》"),
    "（": re.compile("（[^（）\n]{1,80}+）"),
    "(": re.compile(r"\([^()\n]{1,100}+\)"),
    "`": re.compile(r"`++(?:[^`\n]{1,200}+`++)?"),
}
_NOTE = re.compile(
    r"(?:\[\d{1,4}(?:\s?[,–-]\s?\d{1,4})*\]|［\d{1,4}］|【\d{1,4}】|[¹²³⁴-⁹][⁰¹²³⁴-⁹]*)++"
)  # "end.[7] The": note marks belong to the sentence before
_ATTRIBUTION = re.compile(
    f"(?![没无不])[{HAN}]{{0,8}}?(?:说道|问道|答道|喊道|叫道|笑道|想道|说|道|问|答|喊|叫|想|回答|表示|写道)(?:着|过)?[。，,]"
)
_INTRODUCED = re.compile('[：:][“「『"]')  # 她问：“几点了？” has its attribution already
_JAPANESE_QUOTED = re.compile(
    "と(?!ころ|ても|にかく|もかく|つぜん|りあえず|き|く)|って|を|の(?!ち)|が|など|だと|だっ|かと|から|は(?![いじやた])|に(?![ほちわ])"
)  # particles that continue the clause with the quotation
_OPENER_OF = {"”": "“", "’": "‘", "」": "「", "』": "『"}
_CONTINUES = frozenset("，,、：:；;的")
_NO_WORD = LONG_ABBREVIATIONS | TITLES | MAY_END
_LIST_NUMBER = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){0,4}|[a-zA-Z]|[ivxlcIVXLC]{1,5})\Z")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]{1,2}\Z")
_WORD = re.compile(r"[A-Za-z]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_OPENERS = "\"'“‘«([{（「『【《*_"


def skip(text: str, i: int, begin: int, stop: int, char: str) -> tuple[int, int]:
    """Skip a title, code span or short bracket; a bracket that is a sentence by itself ends one.

    >>> skip("（见附件。）然后", 0, 0, 8, "（"), skip("《雨。》很好", 0, 0, 6, "《")
    ((6, 6), (4, -1))
    """
    match = SKIP[char].match(text, i, stop)
    if match is None:
        return i + 1, -1
    at = match.end()
    if i == begin and char in "（(" and text[at - 2] in "。！？.!?…" and (at == stop or text[at] not in _CONTINUES):
        following = _next_letter(text, at, stop)
        return at, -1 if following.islower() else at
    return at, -1


def strong(text: str, i: int, begin: int, stop: int, state: Paragraph) -> tuple[int, int]:
    """Apply the rule for a Chinese terminator and its closing marks.

    >>> strong("下雨了。我们回家。", 3, 0, 9, Paragraph(0)), strong("“下雨了。”他说。", 4, 0, 9, Paragraph(0))
    ((4, 4), (6, -1))
    """
    match = _STRONG_RUN.match(text, i, stop)
    at = match.end() if match else i + 1
    run = text[i:at]
    before = text[i - 1] if i > begin else ""
    if run == "．" and before.isdigit():
        label = text[max(begin, i - 6) : i]
        if (at < stop and text[at].isdigit()) or (label.isdigit() and i - len(label) == begin and len(label) <= 3):
            return at, -1  # 3．14, or the list number 1．
    while at < stop and text[at] in "\"'*_)]}":  # closing marks that look like opening ones
        char = text[at]
        if char == '"':
            closes = state.open_quote(text, at)
        else:
            closes = at + 1 == stop or text[at + 1].isspace() or text[at + 1] in STRONG or char in ")]}"
        if not closes:
            break
        at += 1
    note = _NOTE.match(text, at, stop)
    if note:
        at = note.end()
    if at >= stop:
        return at, at
    following = text[at]
    if following in _CONTINUES or (run[0] == "；" and state.in_item(text)):
        return at, -1
    if following.isspace():
        after = after_space(text, at, stop)
        while after < stop and text[after] in "」』”’）】》" and text.count("\n", at, after) < 2:
            closed = _STRONG_RUN.match(text, after + 1, stop)  # a sentence does not begin with a closing mark
            at = closed.end() if closed else after + 1
            after = after_space(text, at, stop)
        if at >= stop or after >= stop or text[at].isspace():
            spaced = after < stop and text[after] in "!?»›"  # « Alors… ! »
            goes_on = run[0] in "…‥" and (spaced or _next_letter(text, at, stop).islower())
            return at, -1 if goes_on else at
        following = text[at]
    if not run.strip("…‥"):  # "我……我不知道" and "苹果、香蕉……等" continue; "天黑了，人都走了……他还在等" does not
        goes_on = at - begin < 8 or before == following or following in "等到和与及" or not IS_CJK.match(following)
    elif _JAPANESE_QUOTED.match(text, at, stop) and (text[at - 1] in "」』" or following == "と"):
        goes_on = True  # 「…？」と彼は聞いた
    elif text[at - 1] in "」』”’\"'":
        introduced = _INTRODUCED.search(text, max(begin, i - 200), i) is not None
        attributed = not introduced and _ATTRIBUTION.match(text, at, min(stop, at + 14)) is not None
        goes_on = attributed or following in "时等吗呢吧" or _quoted_word(text, at, begin)
    else:
        goes_on = False
    return at, -1 if goes_on else at


def _quoted_word(text: str, at: int, begin: int) -> bool:
    """Return whether the quotation that closes before ``at`` is part of its clause, as in 他写下“为什么？”三个字.

    It is if it opens directly after a word, unless that is a verb of saying (他说“走吧。”).
    """
    opener = _OPENER_OF.get(text[at - 1])
    opens = text.rfind(opener, max(begin, at - 60), at - 1) if opener else -1
    before = text[opens - 1] if opens > begin else ""
    return is_han(before) and before not in "说道问答喊叫想曰云"


def foreign(text: str, i: int, stop: int) -> tuple[int, int]:
    """Apply the rule for full stops and question marks of other scripts, which are not used in abbreviations.

    >>> foreign("बारिश है। चलो।", 8, 14)
    (9, 9)
    """
    match = _FOREIGN_RUN.match(text, i, stop)
    at = match.end() if match else i + 1
    after = after_space(text, at, stop)
    while after < stop and text[after] in "»›":  # with a blank before it
        at, after = after + 1, after_space(text, after + 1, stop)
    return at, -1 if after < stop and text[after] in "،,؛" else at


def semicolon(text: str, i: int, begin: int, stop: int, state: Paragraph) -> tuple[int, int]:
    """Apply the rule for a half-width semicolon.

    It counts between Chinese characters (elsewhere it is code or an English clause), but not in a list item; after
    Greek it is a question mark.

    >>> semicolon("今天下雨;明天晴", 4, 0, 8, Paragraph(0)), semicolon("a = 1; b = 2", 5, 0, 12, Paragraph(0))
    ((5, 5), (6, -1))
    """
    at = i + 1
    if i > begin and _GREEK.match(text[i - 1]) and (at == stop or text[at].isspace() or text[at] in '»"”'):
        return foreign(text, i, stop)
    if state.in_item(text):
        return at, -1
    between = i > begin and at < stop and IS_CJK.match(text[i - 1]) and IS_CJK.match(text[at])
    return at, at if between else -1


def weak(text: str, i: int, begin: int, stop: int, state: Paragraph) -> tuple[int, int]:
    """Apply the rule for a run of . ! ? with its closing marks.

    >>> weak("It rains. We stay.", 8, 0, 18, Paragraph(0)), weak("Dr. Li stays.", 2, 0, 13, Paragraph(0))
    ((9, 9), (3, -1))
    """
    match = _WEAK_RUN.match(text, i, stop)
    at = match.end() if match else i + 1
    if at >= stop:
        return at, at
    note = _NOTE.match(text, at, stop)
    if note:
        at = note.end()
        if at >= stop:
            return at, at
    following = text[at]
    if not following.isspace():
        return at, at if _weak_before_cjk(text, i, at, begin, state) else -1
    run = text[i : note.start() if note else at]
    dots = len(run) - len(run.lstrip("."))
    after = after_space(text, at, stop)
    while after < stop and text[after] in "»›" and text.count("\n", at, after) < 2:  # « Bonjour ! »
        at, after, run = after + 1, after_space(text, after + 1, stop), run + "»"
    if after >= stop:
        return at, at
    if after == at:
        return at, -1  # « Bonjour ! », dit-il
    if text[after] in ".!?,":
        return at, -1  # ". . ." and spaced punctuation
    if dots > 1 and i > begin and text[i - 1].isspace():
        return at, -1  # "cd .. && ls", "a ... b"
    letter = _next_letter(text, after, stop)
    if run[-1] in "»›”" and text[after] in "—–-":  # «Да!» — сказал он
        letter = _next_letter(text, after + 1, stop)
    lower = letter.islower()
    if dots != 1:  # ! ? or an ellipsis
        if not lower:
            return at, at
        token = _token(text, i, begin)
        quoted = run[-1] in "\"'”’)]}»"
        return at, -1 if dots or quoted or token[:1].isupper() else at
    if run[-1] in "\"'”’)]}*_»›":
        return at, -1 if lower else at
    return at, at if _full_stop_ends(text, i, begin, after, stop, lower) else -1


def _weak_before_cjk(text: str, i: int, at: int, begin: int, state: Paragraph) -> bool:
    """Return whether a . ! ? directly before Chinese ends a sentence."""
    following = text[at]
    if not IS_CJK.match(following) or following in _CONTINUES or following in "）」』》】〉～":
        return False
    token = _token(text, i, begin)
    if "://" in token or "@" in token:
        return False
    if text[at - 1] == '"' and not state.open_quote(text, at - 1):
        return False
    if text[i] != ".":
        return True
    if text[i + 1 : at].strip("\"'*_.)]}"):
        return True
    if _starts(text, i, begin, token) and _LIST_NUMBER.match(token):
        return False
    return not _abbreviates(token) or (len(token) == 1 and _is_letter_label(text, i, begin))


def _full_stop_ends(text: str, i: int, begin: int, after: int, stop: int, lower: bool) -> bool:
    """Return whether the full stop at ``i``, followed by white space, ends a sentence."""
    token = _token(text, i, begin)
    if not token:
        return not lower
    word = token.lower()
    starts = _starts(text, i, begin, token)
    if starts and _LIST_NUMBER.match(token):
        return False
    if lower:
        return len(token) >= 5 and token.isalpha() and word not in _NO_WORD
    if word in TITLES:
        return False
    if word in BEFORE_NUMBER and (text[after].isdigit() or text[after] in "([#§"):
        return False
    if token.isdigit():
        if _labelled(text, i - len(token), begin):
            return False
        match = _LETTERS.match(text, after, stop)
        if len(token) < 3 and match and match.group().lower() in AFTER_ORDINAL:
            return False  # Am 3. Mai
    initial = len(token) == 1 and token.isupper()
    if initial and _is_letter_label(text, i, begin):
        return True
    if initial or word in MAY_END or word in BEFORE_NUMBER or _DOTTED.match(token):
        if word in BEFORE_NUMBER and word not in MAY_END and not initial:
            return True
        match = _WORD.match(text, _skip_openers(text, after, stop), stop)
        if match is None:
            return not initial and word != "al" and text[after] not in "(["
        return match.group().lower() in STARTERS
    return True


def _is_letter_label(text: str, i: int, begin: int) -> bool:
    """Return whether the single capital before ``i`` names a thing ("vitamin C.", 维生素C) and is not an initial."""
    before = text[max(begin, i - 24) : i - 1]
    if not before or not before[-1].isspace():
        return before.endswith(LETTER_NOUNS_CHINESE)
    word = before.split()[-1] if before.split() else ""
    return word.lower().strip(_OPENERS) in (I_AFTER if text[i - 1] == "I" else LETTER_NOUNS)


def _abbreviates(token: str) -> bool:
    word = token.lower()
    return word in TITLES or word in BEFORE_NUMBER or (len(token) == 1 and token.isupper())


def _token(text: str, i: int, begin: int) -> str:
    """Return the run of characters before ``i`` (at most 60) without blanks, Chinese, opening quotes and brackets."""
    chunk = text[max(begin, i - 60) : i].split()
    if not chunk or text[i - 1].isspace():
        return ""
    token = chunk[-1]
    if not token.isascii():
        for at in range(len(token) - 1, -1, -1):
            if IS_CJK.match(token[at]) or token[at] in "“‘—–…":
                token = token[at + 1 :]
                break
    return token.lstrip(_OPENERS)


def _starts(text: str, i: int, begin: int, token: str) -> bool:
    """Return whether the token before ``i`` is the first of its sentence, opening marks aside."""
    first = i - len(token)
    return first == begin or (first - begin <= 3 and not text[begin:first].strip(_OPENERS + "-+• "))


def _labelled(text: str, number: int, begin: int) -> bool:
    """Return whether the number at ``number`` is that of a "Step 1." at the beginning of the sentence."""
    if number - begin > 20:
        return False
    return text[begin:number].strip(_OPENERS + "# ").lower() in LABELS


def _skip_openers(text: str, at: int, stop: int) -> int:
    last = min(stop, at + 8)
    while at < last and (text[at] in _OPENERS or text[at].isspace()):
        at += 1
    return at


def _next_letter(text: str, at: int, stop: int) -> str:
    """Return the first character of the next word, after quotes and white space; "" at the end."""
    at = _skip_openers(text, after_space(text, at, stop), stop)
    return text[at] if at < stop else ""
