"""The progress of ``synthesize``: an append-only work file, and the questions kept so far."""

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
    """JSON lines: the settings first, then one line per finished passage. An incomplete last line is dropped.

    >>> with WorkFile(folder / "work.jsonl", {"per_passage": 3}) as work:
    ...     work.add({"id": "rules.md#0-4", "digest": "3f", "kept": []})
    >>> with WorkFile(folder / "work.jsonl", {"per_passage": 3}) as work:  # after an interruption
    ...     work.done("rules.md#0-4", "3f")["kept"], work.done("rules.md#0-4", "another text")
    ([], None)

    Args:
        path: created if it does not exist.
        settings: settings that must be equal for all lines.

    Raises:
        SettingsError: the file was started with other settings.
        SourceError: the file is not a work file.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        remedy = "move it away, or name another output"
        self._file = KeptRows(path, "a row of a work file", remedy)
        head = {"synthesize": VERSION, **settings}
        there, *rows = self._file.rows or [head]
        if "synthesize" not in there or any(not {"id", "digest"} <= row.keys() for row in rows):
            raise SourceError(f"{path} is not a work file", remedy=remedy)
        for key, value in head.items():
            if there.get(key) != value:
                raise SettingsError(
                    f"{path} was started with {key} = {there.get(key)!r}, but now it is {value!r}",
                    remedy="use the same settings, name another output, or delete that file to start again",
                )
        self.rows = {(row["id"], row["digest"]): row for row in rows}
        if not self._file.rows:
            self._file.add(head)

    def done(self, passage: str, digest: str) -> dict[str, Any] | None:
        """Return the row of a finished passage, None if there is none with this digest of its text."""
        return self.rows.get((passage, digest))

    def add(self, row: dict[str, Any]) -> None:
        """Append a passage's row; it is in the file when this returns."""
        self.rows[row["id"], row["digest"]] = row
        self._file.add(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._file.__exit__(*ended)


class PastQuestions:
    """The questions so far, to recognise a new one in nearly the same words: four fifths of the word pairs are shared.

    If each of the two has a number or content word that the other lacks, they ask about different things ("... of tank
    1", "... of tank 2"). A question is only compared with those that share a word pair.

    >>> past = PastQuestions()
    >>> past.add("How deep is the water in tank 1?")
    >>> past.repeats("how deep is the water in tank 1"), past.repeats("How deep is the water in tank 2?")
    (True, False)
    """

    def __init__(self) -> None:
        self._plain: set[str] = set()
        self._with: defaultdict[str, list[int]] = defaultdict(list)  # word pair -> questions
        self._seen: list[tuple[int, frozenset[str]]] = []  # number of pairs, terms

    def repeats(self, question: str) -> bool:
        """Return whether nearly the same question was added before."""
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
        """Add a question. Other threads may call ``repeats`` meanwhile: pairs are listed only after their question."""
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
