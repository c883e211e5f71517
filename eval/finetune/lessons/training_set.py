"""Training sets: questions with texts that answer them, and texts that only seem to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eval.datasets.questions import wording
from indexes.errors import SourceError
from indexes.files import write_whole


@dataclass(frozen=True, slots=True)
class Example:
    """One question with the ids of its texts in ``TrainingSet.texts``.

    >>> example = Example("q1", "When does it open?", positives=("d1",), negatives=("d2", "d3"))
    >>> found = TrainingSet([example], {"d1": "It opens at 6.", "d2": "Fees.", "d3": "Boats."})
    >>> [found.texts[name] for name in example.positives]
    ['It opens at 6.']

    Args:
        query: id of the question.
        question: its text.
        positives: ids of texts that answer it, highest judgement first.
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
        examples: the questions.
        texts: id -> text. Ids are document ids, or ``DOCUMENT#FIRST-LAST`` for a window of sentences.
        notes: what was left out or made up, one sentence each.

    >>> texts = {"d1": "Notice is three months.", "d2": "The canteen opens at noon."}
    >>> mined = TrainingSet([Example("q1", "How long is the notice?", ("d1",), ("d2",))], texts)
    >>> mined.save(folder / "mined.jsonl")
    >>> TrainingSet.load(folder / "mined.jsonl").hash == mined.hash
    True
    """

    examples: list[Example]
    texts: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def answers(self) -> dict[str, set[str]]:
        """Return wording -> wordings of all texts that answer a question of that wording."""
        found: dict[str, set[str]] = {}
        for example in self.examples:
            own = found.setdefault(wording(example.question), set())
            own.update(wording(self.texts[name]) for name in example.positives)
        return found

    @property
    def hash(self) -> str:
        """16 hex digits over questions, texts and their relations."""
        digest = hashlib.sha256()
        for line in self._lines(notes=False):
            digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write JSON lines: notes, rows {"id", "text"}, rows {"query", "question", "positives", "negatives"}."""
        write_whole(Path(path), "".join(line + "\n" for line in self._lines(notes=True)))

    @classmethod
    def load(cls, path: str | Path) -> TrainingSet:
        """Read a file written by ``save``.

        Raises:
            SourceError: there is no such file, or a row cannot be read or names a missing text.
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
            yield json.dumps(asdict(example), ensure_ascii=True)
