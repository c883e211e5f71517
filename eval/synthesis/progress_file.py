"""What ``synthesize`` has done so far: an append-only file, and the questions that stand already."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from eval.datasets.rows import KeptRows
from indexes.errors import SettingsError, SourceError
from rag.answer.check.repetition import SAME, word_pairs
from rag.answer.words.numbers import numbers_in
from rag.answer.words.terms import normal, terms_of

VERSION = 1


class WorkFile:
    """JSON lines: the settings first, then one line a passage that is done. A half line at the end is forgotten.

    Args:
        path: made where it is not there.
        settings: what must be equal for the lines to fit together.

    Raises:
        SettingsError: the file was begun with other settings.
        SourceError: it is not a work file.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        remedy = "move it away, or name another output"
        self._file = KeptRows(path, "row of a work file", remedy)
        head = {"synthesize": VERSION, **settings}
        there, *rows = self._file.rows or [head]
        if "synthesize" not in there or any(not {"id", "digest"} <= row.keys() for row in rows):
            raise SourceError(f"{path} is not a work file", remedy=remedy)
        for key, value in head.items():
            if there.get(key) != value:
                raise SettingsError(
                    f"{path} was begun with {key} = {there.get(key)!r}, and now it is {value!r}",
                    remedy="use the same settings, name another output, or delete that file to begin again",
                )
        self.rows = {(row["id"], row["digest"]): row for row in rows}
        if not self._file.rows:
            self._file.add(head)

    def done(self, passage: str, digest: str) -> dict[str, Any] | None:
        """The row of a passage with this very text."""
        return self.rows.get((passage, digest))

    def add(self, row: dict[str, Any]) -> None:
        """Write a passage's row; it is in the file when this returns."""
        self.rows[row["id"], row["digest"]] = row
        self._file.add(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._file.__exit__(*ended)


class PastQuestions:
    """Questions so far, to tell those that were asked in nearly the same words: four fifths of the word pairs.

    Where each has a number or content word that the other lacks, they ask about two things ("... of tank 1", "... of
    tank 2"). Each is compared only with those that share a pair.
    """

    def __init__(self) -> None:
        self._plain: set[str] = set()
        self._with: defaultdict[str, list[int]] = defaultdict(list)  # word pair -> questions
        self._seen: list[tuple[int, frozenset[str]]] = []  # number of pairs, terms

    def repeats(self, question: str) -> bool:
        if _plain(question) in self._plain:
            return True
        pairs, terms = word_pairs(question), _terms(question)
        shared: Counter[int] = Counter()
        for pair in pairs:
            shared.update(self._with.get(pair, ()))
        for number, common in shared.items():
            size, others = self._seen[number]
            if common >= SAME * (len(pairs) + size - common) and (others <= terms or terms <= others):
                return True
        return False

    def add(self, question: str) -> None:
        """Remember a question. Other threads may ask ``repeats`` meanwhile: what is listed is there already."""
        pairs, number = word_pairs(question), len(self._seen)
        self._seen.append((len(pairs), _terms(question)))
        for pair in pairs:
            self._with[pair].append(number)
        self._plain.add(_plain(question))


def _plain(question: str) -> str:
    return "".join(filter(str.isalnum, normal(question).lower()))


def _terms(question: str) -> frozenset[str]:
    numbers = (f"number {number.value}" for number in numbers_in(normal(question).lower()))
    return frozenset((*numbers, *(term.key for term in terms_of(question))))
