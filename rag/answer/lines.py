"""The sentences of a model's answer: line by line, without list marks, headings and fenced code."""

from __future__ import annotations

import re

from indexes.sentences import split_sentences

_LINE = re.compile(r"[^\n]+")
_LINE_MARK = re.compile(
    r"\s*(?:[-*+•·]\s+|>\s*|#{1,6}\s+|\(?\d{1,3}[.)、）]\s*|[（(]?[一二三四五六七八九十]{1,3}[、）)]\s*)*"
)
_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING_LINE = re.compile(r"\s*#{1,6}\s")
_MARKERS_BEHIND = re.compile(r"(?:\s*[\[【［][\d,，、 -]+[\]】］])*")
REPEATS = 3  # times in a row that make a loop
LONGEST_BLOCK = 4  # sentences that may repeat together


def sentence_places(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence that holds a letter."""
    places: list[tuple[int, int]] = []
    fence = ""
    for line in _LINE.finditer(text):
        mark = _FENCE.match(line.group())
        if mark:
            fence = "" if fence == mark.group(1) else fence or mark.group(1)
            continue
        if fence or _HEADING_LINE.match(line.group()):
            continue
        lead = _LINE_MARK.match(line.group())
        offset = line.start() + (lead.end() if lead else 0)
        body = text[offset : line.end()]
        for span in split_sentences(body):
            if any(char.isalpha() for char in body[span.start : span.end]):
                places.append((offset + span.start, offset + span.end))
    return places


def cut_loops(text: str) -> str:
    """Small models fall into loops. One to four sentences that come three times or more in a row are kept once.

    A list of equal items counts ("1. Yes it is.\\n2. Yes it is. ..."), and so does the broken last round when the model
    ran out of tokens. Text without a loop comes back unchanged.
    """
    places = sentence_places(text)
    said = [_plain(text[start:end]) for start, end in places]
    kept: list[str] = []
    done = index = 0
    while index < len(places):
        size, rounds = _loop_at(said, index)
        if not rounds:
            index += 1
            continue
        first_end, after = places[index + size - 1][1], index + size * rounds
        first_end += len(_MARKERS_BEHIND.match(text, first_end).group())  # type: ignore[union-attr]
        kept.append(text[done:first_end])
        done = places[after - 1][1]
        tail = said[after:]
        if (
            len(tail) <= size
            and "```" not in text[done:]
            and all(_begins(part, whole) for part, whole in zip(tail, said[index:], strict=False))
        ):
            return "".join(kept)  # nothing but the broken last round is left
        index = after
    return "".join([*kept, text[done:]])


def is_looping(text: str) -> bool:
    """True once the text ends in a loop: time to stop the model. Cheap enough to ask at each sentence's end."""
    tail = text[-4000:]
    said = [_plain(tail[start:end]) for start, end in sentence_places(tail)]
    for size in range(1, LONGEST_BLOCK + 1):
        last = said[-size * REPEATS :]
        if len(last) == size * REPEATS and all(last[i] == last[i + size] for i in range(len(last) - size)):
            return True
    return False


def _loop_at(said: list[str], index: int) -> tuple[int, int]:
    """(sentences in the block, times it comes) of a loop that begins at ``index``, (0, 0) where none does."""
    for size in range(1, LONGEST_BLOCK + 1):
        block = said[index : index + size]
        rounds = 1
        while said[index + size * rounds : index + size * (rounds + 1)] == block:
            rounds += 1
        if rounds >= REPEATS and len(block) == size:
            return size, rounds
    return 0, 0


def _begins(part: str, whole: str) -> bool:
    return whole.startswith(part)


def _plain(sentence: str) -> str:
    """Letters and digits only, without citation markers."""
    return "".join(char for char in re.sub(r"[\[【［][\d,，、 -]+[\]】］]", "", sentence).lower() if char.isalnum())
