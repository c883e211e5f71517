"""Passages: consecutive sentences of a section that are read together, behind the words of their place.

Where a passage ends is decided by its own sentences: once it is half full, after the first one whose text says so (a
hash), at the latest where it is full. So a changed sentence changes its own passage, seldom the one after it too, and
never all that follow, as counting from the start of the section would.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from indexes.nodes.record import SentenceRecord, place_of
from indexes.text.characters import is_han
from indexes.text.invisible import searched

CHARS_OF_TOKEN = 3.5  # other than Chinese characters, which are a token each


@dataclass(frozen=True, slots=True)
class EncoderPassage:
    """What is read in one go.

    Args:
        text: the sentences with what stands between them, behind the words of their place on lines of their own.
        spans: (start, end) of each sentence in it.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


class PassageBorders:
    """Says, record by record in their order, where a passage begins.

    Args:
        size: of a full one, in estimated tokens.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._last: SentenceRecord | None = None
        self._filled = 0.0
        self._ends = False

    def begins(self, record: SentenceRecord) -> bool:
        """Whether the next record begins a passage. Ask once for each."""
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
    """Cut records, which begin and end with a passage, into passages."""
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
    parts.pop()  # what stands behind the last one
    return EncoderPassage("".join(parts), tuple(spans))


def _tokens(text: str) -> float:
    han = sum(map(is_han, text))
    return han + (len(text) - han) / CHARS_OF_TOKEN
