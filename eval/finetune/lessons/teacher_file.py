"""A teacher whose scores stand in a file, whoever made them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.rows import BadRows, json_rows
from indexes.errors import SourceError

if TYPE_CHECKING:
    from eval.finetune.lessons.training_set import TrainingSet

PAIRS = (("pos", "pos_scores"), ("neg", "neg_scores"))


class FileTeacher:
    """Scores by question and text, or by their ids; NaN for a pair that the file lacks.

    Rows are one of FlagEmbedding's ({"query", "pos", "neg", "pos_scores", "neg_scores"}), one score each ({"query",
    "id" or "text", "score"}), or a question each ({"query", "scores": {id: score}}, as ``teacher.jsonl`` of another run
    has them). "query" is the question's id or its text, "id" a text's id in ``mined.jsonl``, or its document's.
    """

    def __init__(self, path: Path, scores: Mapping[tuple[str, str], float]) -> None:
        self.name = f"file:{path}"
        self.fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self._scores = scores
        self._queries: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> FileTeacher:
        """Raises:
        SourceError: no such file, or rows that cannot be read: all of them, with their line numbers.
        """
        if not path.is_file():
            raise SourceError(f"there is no file of teacher scores at {path}", remedy="check the path")
        bad = BadRows()
        scores: dict[tuple[str, str], float] = {}
        for number, row in json_rows(path, bad):
            if "teacher" in row and "query" not in row:
                continue  # the head of a teacher.jsonl of ours
            problem = _take(row, scores)
            if problem:
                bad.add(path, number, problem)
        bad.raise_if_any()
        if not scores:
            raise SourceError(f"{path} holds no teacher scores", remedy="write rows of query, id or text, and score")
        return cls(path, scores)

    def bind(self, training_set: TrainingSet) -> None:
        """Make ids known, so that rows may name questions and texts by them."""
        self._queries = {example.question: example.query for example in training_set.examples}
        self._ids = {text: name for name, text in training_set.texts.items()}

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        questions = [question, self._queries.get(question, question)]
        return [self._one(questions, text) for text in texts]

    def _one(self, questions: Sequence[str], text: str) -> float:
        name = self._ids.get(text, text)
        for asked in questions:
            for key in (text, name, name.rpartition("#")[0]):
                if (value := self._scores.get((asked, key))) is not None:
                    return value
        return math.nan


def _take(row: dict[str, Any], scores: dict[tuple[str, str], float]) -> str | None:
    """Put a row's scores in, or say what is wrong with it."""
    query = row.get("query")
    if not isinstance(query, (str, int)):
        return 'needs a "query"'
    found: list[tuple[Any, Any]] = []
    if isinstance(row.get("scores"), dict):
        found += row["scores"].items()
    elif "score" in row:
        found.append((row.get("id", row.get("text")), row["score"]))
    else:
        for texts, values in PAIRS:
            if row.get(texts) and len(row.get(values) or []) != len(row[texts]):
                return f'"{values}" does not fit "{texts}"'
            found += zip(row.get(texts) or [], row.get(values) or [], strict=True)
    if not found:
        return 'needs "pos_scores" and "neg_scores", "scores", or "score" with "id" or "text"'
    names = [str(query)] + ([row["question"]] if isinstance(row.get("question"), str) else [])
    for key, value in found:
        if key is None or isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return f"{value!r} is no score of a text"
        for name in names:
            scores[name, str(key)] = float(value)
    return None
