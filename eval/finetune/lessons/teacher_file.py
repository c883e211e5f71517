"""A teacher whose scores are read from a file, from any source."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.datasets.rows import BadRows, json_rows
from indexes.display import counted
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
Differences = dict[str, list[tuple[str, str, float]]]  # query -> (text, other text, score difference)


class FileTeacher:
    """Scores by question and text, or by their ids; NaN for pairs that are not in the file.

    A row has one of these forms; "query" is the question's id or text, and "id" the id of a text in ``mined.jsonl`` or
    of its document:

    - {"query", "pos", "neg", "pos_scores", "neg_scores"}, as in FlagEmbedding ("positive" and "negative" work too);
    - {"query", "passage" (or "text", "document", "id"), "score" (or "label", "logit", "logits")}: the score of one
      text; for logits of two classes, [no, yes], it is their difference;
    - {"query", "positive", "negative", "label": [a, b]}: the scores of both texts, in this order; further texts are
      "negative_1", "negative_2", ...;
    - {"query", "positive", "negative", "score" (or "label")}: the difference of their scores (MarginMSE). The texts of
      a question get the scores that fit all differences best, with mean 0;
    - {"query", "scores": {id: score}}, as in ``teacher.jsonl`` of another run.
    """

    def __init__(self, path: Path, scores: Mapping[tuple[str, str], float]) -> None:
        self.name = f"file:{path}"
        self.fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self._scores = scores
        self._queries: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> FileTeacher:
        """Read a file (.jsonl, .gz too).

        Raises:
            SourceError: there is no such file, or rows cannot be read (all are named with their line numbers).

        >>> file = folder / "scores.jsonl"
        >>> _ = file.write_text('{"query": "How long?", "passage": "Three months.", "score": 0.9}')
        >>> FileTeacher.read(file).score("How long?", ["Three months.", "Blue."])
        [0.9, nan]
        """
        if not path.is_file():
            raise SourceError(f"there is no file of teacher scores at {path}", remedy="check the path")
        bad = BadRows()
        scores: dict[tuple[str, str], float] = {}
        differences: Differences = {}
        for number, row in json_rows(path, bad):
            if "teacher" in row and "query" not in row:
                continue  # the first row of one of our teacher.jsonl files
            problem = _take(row, scores, differences)
            if problem:
                bad.add(path, number, problem)
        bad.raise_if_any()
        for query, found in differences.items():
            for text, value in fitted(found).items():
                scores.setdefault((query, text), value)
        if not scores:
            raise SourceError(f"{path} has no teacher scores", remedy="write rows of query, id or text, and score")
        return cls(path, scores)

    def bind(self, training_set: TrainingSet) -> None:
        """Take the training set's ids, so that rows may name questions and texts by id."""
        self._queries = {example.question: example.query for example in training_set.examples}
        self._ids = {text: name for name, text in training_set.texts.items()}

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the score of each text; NaN if it is not in the file."""
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
    """Return text -> score with these differences, by least squares, with mean 0 over connected texts.

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
    """Add a row's scores, or return its fault."""
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
    """Return (text or id, score) of a row, with (better, worse) in place of the text for a difference, or its fault."""
    if isinstance(row.get("scores"), dict):
        return list(row["scores"].items())
    found: list[tuple[Any, Any]] = []
    for texts, values in LISTS:
        if isinstance(row.get(texts), list) and row[texts]:
            if len(row.get(values) or []) != len(row[texts]):
                return f'"{values}" and "{texts}" differ in length'
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
            return f"{value!r} is neither {counted(len(group), 'score')}, one per text, nor one difference"
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
    """Return a score as one number; for logits of two classes, [no, yes], their difference."""
    if isinstance(value, list) and len(value) in (1, 2):
        parts = [_number(part) for part in value]
        if any(part is None for part in parts):
            return None
        return parts[-1] - (parts[0] if len(parts) == 2 else 0.0)  # type: ignore[operator]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
