"""A teacher whose scores stand in a file, whoever made them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.datasets.rows import BadRows, json_rows
from indexes.errors import SourceError

if TYPE_CHECKING:
    from eval.finetune.lessons.training_set import TrainingSet

LISTS = (
    ("pos", "pos_scores"),
    ("neg", "neg_scores"),
    ("positive", "positive_scores"),
    ("negative", "negative_scores"),
)
QUESTION = ("query", "question", "anchor")
TEXT = ("id", "text", "passage", "document", "doc")
SCORE = ("score", "label", "logit", "logits")
_NEGATIVE = re.compile(r"negative(_\d+)?")
Differences = dict[str, list[tuple[str, str, float]]]  # query -> (one text, another, by how much the one is better)


class FileTeacher:
    """Scores by question and text, or by their ids; NaN for a pair that the file lacks.

    A row is one of these; "query" is the question's id or its text, "id" a text's id in ``mined.jsonl``, or its
    document's:

    - {"query", "pos", "neg", "pos_scores", "neg_scores"}, as FlagEmbedding has it ("positive" and "negative" too);
    - {"query", "passage" (or "text", "document", "id"), "score" (or "label", "logit", "logits")}: one text. Logits of
      two classes, [no, yes], count by their difference;
    - {"query", "positive", "negative", "label": [a, b]}: the scores of both, in this order; further texts are
      "negative_1", "negative_2", ...;
    - {"query", "positive", "negative", "score" (or "label")}: by how much the first is better (MarginMSE). The scores
      of a question's texts are those that fit all its differences best, with mean 0;
    - {"query", "scores": {id: score}}, as ``teacher.jsonl`` of another run has them.
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
        differences: Differences = {}
        for number, row in json_rows(path, bad):
            if "teacher" in row and "query" not in row:
                continue  # the head of a teacher.jsonl of ours
            problem = _take(row, scores, differences)
            if problem:
                bad.add(path, number, problem)
        bad.raise_if_any()
        for query, found in differences.items():
            for text, value in fitted(found).items():
                scores.setdefault((query, text), value)
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
        for wording in questions:
            for key in (text, name, name.rpartition("#")[0]):
                if (value := self._scores.get((wording, key))) is not None:
                    return value
        return math.nan


def fitted(differences: Sequence[tuple[str, str, float]]) -> dict[str, float]:
    """Scores of texts that have these differences, by least squares, with mean 0 over texts that are connected.

    >>> {text: round(value, 6) for text, value in fitted([("a", "b", 2.0), ("b", "c", 1.0)]).items()}
    {'a': 1.666667, 'b': -0.333333, 'c': -1.333333}
    """
    texts = list(dict.fromkeys(text for better, worse, _ in differences for text in (better, worse)))
    place = {text: number for number, text in enumerate(texts)}
    matrix = np.zeros((len(differences), len(texts)))
    for row, (better, worse, _) in enumerate(differences):
        matrix[row, place[better]] += 1.0
        matrix[row, place[worse]] -= 1.0
    values = np.linalg.lstsq(matrix, np.array([value for _, _, value in differences]), rcond=None)[0]
    return dict(zip(texts, values.tolist(), strict=True))


def _take(row: dict[str, Any], scores: dict[tuple[str, str], float], differences: Differences) -> str | None:
    """Put a row's scores in, or say what is wrong with it."""
    query = next((row[key] for key in QUESTION if key in row), None)
    if not isinstance(query, (str, int)):
        return 'needs a "query"'
    names = [str(query)] + ([row["question"]] if isinstance(row.get("question"), str) else [])
    found = _scored_texts(row)
    if isinstance(found, str):
        return found
    for key, value in found:
        number = _number(value)
        if number is None or not isinstance(key, (str, int, tuple)):
            return f"{value!r} is not a score of a text"
        for name in names:
            if isinstance(key, tuple):
                differences.setdefault(name, []).append((*key, number))
            else:
                scores[name, str(key)] = number
    return None


def _scored_texts(row: dict[str, Any]) -> list[tuple[Any, Any]] | str:
    """(text or id, score) of a row, with (better, worse) instead of a text for a difference; else what it lacks."""
    if isinstance(row.get("scores"), dict):
        return list(row["scores"].items())
    found: list[tuple[Any, Any]] = []
    for texts, values in LISTS:
        if isinstance(row.get(texts), list) and row[texts]:
            if len(row.get(values) or []) != len(row[texts]):
                return f'"{values}" does not fit "{texts}"'
            found += zip(row[texts], row[values], strict=True)
    if found:
        return found
    value = next((row[key] for key in SCORE if key in row), None)
    if isinstance(row.get("positive"), str):
        group = [row["positive"], *(text for key, text in row.items() if _NEGATIVE.fullmatch(key))]
        if len(group) > 1 and isinstance(value, list) and len(value) == len(group):
            return list(zip(group, value, strict=True))
        if len(group) == 2 and value is not None and not isinstance(value, list):
            return [((group[0], group[1]), value)]
        if value is not None:
            return f"{value!r} is neither a score for each of {len(group)} texts nor one difference"
    text = next((row[key] for key in TEXT if key in row), None)
    if text is not None and value is not None:
        return [(text, value)]
    known = {*QUESTION, *TEXT, *SCORE, "scores", *(key for pair in LISTS for key in pair)}
    unknown = [key for key in row if key not in known and not _NEGATIVE.fullmatch(key)]
    said = f"; unknown: {', '.join(map(repr, unknown))}" if unknown else ""
    return (
        'needs "pos_scores" and "neg_scores", "scores", or a "score", "label" or "logit" with a "passage" or with '
        f'"positive" and "negative"{said}'
    )


def _number(value: Any) -> float | None:
    """A score as one number; logits of two classes, [no, yes], as their difference."""
    if isinstance(value, list) and len(value) in (1, 2):
        parts = [_number(part) for part in value]
        if any(part is None for part in parts):
            return None
        return parts[-1] - (parts[0] if len(parts) == 2 else 0.0)  # type: ignore[operator]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
