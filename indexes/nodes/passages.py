"""Passages for the encoder: consecutive sentences of a section, read together after the words of their place.

A passage ends after the first sentence past its half whose hash says so, or when it is full. A changed sentence
therefore changes its own passage and seldom the next, but never all that follow, as it would with counting from the
start of the section.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from indexes.nodes.record import SentenceRecord, place_of
from indexes.text.characters import is_han
from indexes.text.invisible import searched

CHARS_OF_TOKEN = 3.5  # characters per token; a Chinese character is one token


@dataclass(frozen=True, slots=True)
class EncoderPassage:
    """A text that the encoder reads at once.

    >>> records = [SentenceRecord("a.md", at, text, after=" ") for at, text in enumerate(["It rains.", "We stay in."])]
    >>> passage = passages_of(records, 100)[0]
    >>> [passage.text[start:end] for start, end in passage.spans]
    ['It rains.', 'We stay in.']

    Args:
        text: the sentences and the white space between them, after the words of their place on separate lines.
        spans: (start, end) of each sentence in it.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


class PassageBorders:
    """Decides for each record, in order, whether it begins a passage.

    >>> borders = PassageBorders(100)
    >>> [borders.begins(SentenceRecord("a.md", at, "It rains.", section=at // 2)) for at in range(4)]
    [True, False, True, False]

    Args:
        size: size of a full passage in estimated tokens.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._last: SentenceRecord | None = None
        self._filled = 0.0
        self._ends = False

    def begins(self, record: SentenceRecord) -> bool:
        """Return whether the next record begins a passage. Call it once per record."""
        last, size = self._last, _tokens(record.text)
        begins = (
            last is None
            or self._ends
            or (last.doc_id, last.section) != (record.doc_id, record.section)
            or self._filled + size > self._size
        )
        self._filled = size if begins else self._filled + size
        self._last = record
        self._ends = 2 * self._filled >= self._size and zlib.crc32(record.text.encode("utf-8", "replace")) & 1 == 0
        return begins


def passages_of(records: Sequence[SentenceRecord], size: int) -> list[EncoderPassage]:
    """Group records into passages; the first record must begin one and the last must end one.

    >>> records = [SentenceRecord("a.md", at, text, after=" ") for at, text in enumerate(["It rains.", "We stay in."])]
    >>> passages_of(records, 100)[0].text
    'It rains. We stay in.'
    """
    borders, groups = PassageBorders(size), []
    for record in records:
        if borders.begins(record):
            groups.append([record])
        else:
            groups[-1].append(record)
    return [_passage(group) for group in groups]


def _passage(records: Sequence[SentenceRecord]) -> EncoderPassage:
    place = searched(place_of(records[0]))
    parts = [f"{place}\n"] if place else []
    at = sum(map(len, parts))
    spans = []
    for record in records:
        text = searched(record.text)
        spans.append((at, at + len(text)))
        parts += [text, record.after]
        at += len(text) + len(record.after)
    parts.pop()  # the white space after the last sentence
    return EncoderPassage("".join(parts), tuple(spans))


def _tokens(text: str) -> float:
    han = sum(map(is_han, text))
    return han + (len(text) - han) / CHARS_OF_TOKEN
