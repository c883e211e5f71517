"""The sentences of a model's answer: line by line, without list marks, headings and fenced code."""

from __future__ import annotations

import re

from indexes.text.sentences import split_sentences

_LINE = re.compile(r"[^\n]+")
_LINE_MARK = re.compile(
    r"\s*(?:[-*+•·]\s+|>\s*|#{1,6}\s+|\(?\d{1,3}[.)、）]\s*|[（(]?[一二三四五六七八九十]{1,3}[、）)]\s*)*"
)
_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING_LINE = re.compile(r"\s*#{1,6}\s")


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
