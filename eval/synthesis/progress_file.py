"""What ``synthesize`` has done so far: an append-only file, and the questions that stand already."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
        SourceError: it is no work file.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        head = {"synthesize": VERSION, **settings}
        kept = b""
        if path.exists():
            raw = path.read_bytes()
            kept = raw[: raw.rfind(b"\n") + 1]  # whoever wrote the rest was killed
            self._read(kept, head)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(len(kept))
        self._file.seek(len(kept))
        if not kept:
            self._write(head)

    def done(self, passage: str, digest: str) -> dict[str, Any] | None:
        """The row of a passage with this very text."""
        return self.rows.get((passage, digest))

    def add(self, row: dict[str, Any]) -> None:
        """Write a passage's row; it is in the file when this returns."""
        self.rows[row["id"], row["digest"]] = row
        self._write(row)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> WorkFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")
        self._file.flush()

    def _read(self, kept: bytes, head: Mapping[str, Any]) -> None:
        try:
            rows = [json.loads(line) for line in kept.splitlines()]
            for row in rows[1:]:
                self.rows[row["id"], row["digest"]] = row
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{self.path} is no work file ({error})", remedy="move it away, or name another output"
            ) from error
        if not rows:
            return
        there = rows[0] if isinstance(rows[0], dict) else {}
        if "synthesize" not in there:
            raise SourceError(f"{self.path} is no work file", remedy="move it away, or name another output")
        for key, value in head.items():
            if there.get(key) != value:
                raise SettingsError(
                    f"{self.path} was begun with {key} = {there.get(key)!r}, and now it is {value!r}",
                    remedy="use the same settings, name another output, or delete that file to begin again",
                )


class Asked:
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
        self._plain.add(_plain(question))
        pairs = word_pairs(question)
        for pair in pairs:
            self._with[pair].append(len(self._seen))
        self._seen.append((len(pairs), _terms(question)))


def _plain(question: str) -> str:
    return "".join(filter(str.isalnum, normal(question).lower()))


def _terms(question: str) -> frozenset[str]:
    numbers = (f"number {number.value}" for number in numbers_in(normal(question).lower()))
    return frozenset((*numbers, *(term.key for term in terms_of(question))))
