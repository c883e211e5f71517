"""What models are trained on: questions with the texts that answer them and texts that only look so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from eval.datasets.questions import wording
from indexes.errors import SourceError
from indexes.files import write_whole


@dataclass(frozen=True, slots=True)
class Example:
    """One question. Texts are named by their ids in ``TrainingSet.texts``.

    Args:
        query: id of the question.
        question: its text.
        positives: ids of texts that answer it, best judged first.
        negatives: ids of texts that do not, hardest first.
    """

    query: str
    question: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()


@dataclass
class TrainingSet:
    """Examples and their texts.

    Args:
        texts: id -> text. Ids are document ids, or ``DOCUMENT#FIRST-LAST`` for a window of sentences.
        notes: what was left out or made up, one sentence each.
    """

    examples: list[Example]
    texts: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def answers(self) -> dict[str, set[str]]:
        """Wording of a question -> contents of all texts that answer a question of this wording."""
        found: dict[str, set[str]] = {}
        for example in self.examples:
            own = found.setdefault(wording(example.question), set())
            own.update(wording(self.texts[name]) for name in example.positives)
        return found

    @property
    def hash(self) -> str:
        """16 hex digits over questions, texts and who belongs to whom."""
        digest = hashlib.sha256()
        for line in self._lines(notes=False):
            digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """JSON lines: the notes, rows of {"id", "text"}, rows of {"query", "question", "positives", "negatives"}."""
        write_whole(Path(path), "".join(line + "\n" for line in self._lines(notes=True)))

    @classmethod
    def load(cls, path: str | Path) -> TrainingSet:
        """Read what ``save`` wrote.

        Raises:
            SourceError: no such file, or a row that cannot be read, or names a text that is not there.
        """
        found = cls([], {})
        number = 0
        try:
            with Path(path).open(encoding="utf-8", newline="\n") as file:
                for number, line in enumerate(file, start=1):  # noqa: B007 - named in the error
                    found._take(json.loads(line))
        except OSError as error:
            raise SourceError(f"{path} cannot be read ({error})", remedy="mine the training set again") from error
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{path} line {number} is not a row of a training set ({type(error).__name__}: {error})",
                remedy="mine the training set again",
            ) from error
        return found

    def _take(self, row: dict) -> None:
        if "notes" in row:
            self.notes = [str(note) for note in row["notes"]]
        elif "text" in row:
            self.texts[row["id"]] = row["text"]
        else:
            example = Example(row["query"], row["question"], tuple(row["positives"]), tuple(row["negatives"]))
            for name in (*example.positives, *example.negatives):
                if name not in self.texts:
                    raise ValueError(f"the text {name!r} is missing")
            self.examples.append(example)

    def _lines(self, *, notes: bool) -> Iterable[str]:
        if notes:
            yield json.dumps({"notes": self.notes}, ensure_ascii=True)
        for name, text in self.texts.items():
            yield json.dumps({"id": name, "text": text}, ensure_ascii=True)
        for example in self.examples:
            row = {
                "query": example.query,
                "question": example.question,
                "positives": example.positives,
                "negatives": example.negatives,
            }
            yield json.dumps(row, ensure_ascii=True)
