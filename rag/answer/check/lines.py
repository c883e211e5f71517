"""The sentences of a model's answer: line by line, without list marks, headings and fenced code."""

from __future__ import annotations

import re

from indexes.text.sentences import split_sentences

_LINE = re.compile(r"[^\n]+")
_LINE_MARK = re.compile(
    r"\s*(?:[-*+•·]\s+|>\s*|#{1,6}\s+|\(?\d{1,3}[.)、）](?!\d)\s*|[（(]?[一二三四五六七八九十]{1,3}[、）)]\s*)*"
)
_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING_LINE = re.compile(r"\s*#{1,6}\s")


def sentence_places(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence that holds a letter or a digit: a bare value is a claim too.

    >>> text = "# Hours\\n- It opens at 6. It closes at 9."
    >>> [text[start:end] for start, end in sentence_places(text)]
    ['It opens at 6.', 'It closes at 9.']
    """
    places: list[tuple[int, int]] = []
    fence = ""
    alone = "\n" not in text.strip()  # "150." is a value as the whole answer, and a list mark in a list
    for line in _LINE.finditer(text):
        mark = _FENCE.match(line.group())
        if mark:
            fence = "" if fence == mark.group(1) else fence or mark.group(1)
            continue
        if fence or _HEADING_LINE.match(line.group()):
            continue
        lead = _LINE_MARK.match(line.group())
        offset = line.start() + (lead.end() if lead else 0)
        if alone and not any(char.isalnum() for char in text[offset : line.end()]):
            offset = line.start()
        body = text[offset : line.end()]
        for span in split_sentences(body):
            if any(char.isalnum() for char in body[span.start : span.end]):
                places.append((offset + span.start, offset + span.end))
    return places
