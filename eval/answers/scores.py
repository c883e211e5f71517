"""Scoring answers: string measures, citations, abstention, and a judge whose agreement with them is reported.

String measures, on normalised text (NFKC, lower case; English articles and all punctuation dropped):

- ``exact``: the answer is one of the gold answers; ``f1``: overlap of tokens with the best gold answer (SQuAD), where
  tokens are words in English and single characters in Chinese (CMRC 2018);
- ``contains``: every needed gold answer stands in the answer, any one of its alternatives (RGB). Markers such as [1]
  are taken out first.

Citations are judged against the relevant documents, abstention against the questions that no document answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.datasets.dataset import Dataset
from eval.gold import Gold, contains, tokens
from eval.measure.runs import Run
from indexes.errors import SourceError
from indexes.plain import Plain

STRINGS = ("exact", "f1", "contains")


def exact_match(answer: str, gold: Gold) -> float:
    """1 where the answer is one of the alternatives; with several needed ones, where it is all of them in order."""
    mine = "".join(tokens(answer))
    if len(gold) == 1:
        return float(any(mine == "".join(tokens(one)) for one in gold[0]))
    return float(any(mine == "".join("".join(tokens(one)) for one in choice) for choice in _choices(gold)))


def f1(answer: str, gold: Gold) -> float:
    """Token F1 with the best gold answer: words in English, characters in Chinese; several needed ones are joined."""
    mine = Counter(tokens(answer))
    return max((_overlap(mine, Counter(tokens(" ".join(choice)))) for choice in _choices(gold)), default=0.0)


@dataclass(slots=True)
class Answered:
    """One question's scores; None where a measure does not apply to it."""

    query: str
    answer: str
    abstained: bool
    answerable: bool
    exact: float | None = None
    f1: float | None = None
    contains: float | None = None
    citation_precision: float | None = None
    citation_recall: float | None = None
    faithful: bool | None = None
    relevant: bool | None = None


@dataclass(slots=True)
class AnswerScores(Plain):
    """All questions, the means over those a measure applies to, and the judge's agreement where one was asked."""

    answers: list[Answered]
    mean: dict[str, float]
    agreement: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def score_answers(run: Run, dataset: Dataset) -> AnswerScores:
    """Score the answers that a run keeps (``rag-eval run --answers``).

    A question counts as answerable when it has gold answers or a relevant document. Refusals score 0 in the string
    measures of answerable questions.

    Raises:
        SourceError: the run holds no answers.
    """
    rows = {query: row for query, row in run.details.items() if "answer" in row and query in dataset.queries}
    if not rows:
        raise SourceError(f"the run {run.name!r} holds no answers", remedy="make it with 'rag-eval run --answers'")
    answers = []
    for query, row in rows.items():
        relevant, gold = set(dataset.relevant(query)), dataset.answers(query)
        cited = [str(source) for source in row.get("cited", [])] if "cited" in row else cited_documents(row, dataset)
        answers.append(
            score_answer(
                query,
                str(row["answer"]),
                gold,
                relevant=relevant,
                cited=cited,
                abstained=row.get("status") == "not_found",
                answerable=bool(gold or relevant),
            )
        )
    notes = (
        [] if len(rows) == len(dataset.queries) else [f"{len(rows)} of {len(dataset.queries)} questions were answered"]
    )
    if not any(answer.exact is not None for answer in answers):
        notes.append("the dataset has no gold answers, so there are no string measures")
    return AnswerScores(answers, means(answers), notes=notes)


def score_answer(
    query: str,
    answer: str,
    gold: Gold,
    *,
    relevant: Iterable[str] = (),
    cited: Sequence[str] | None = None,
    abstained: bool = False,
    answerable: bool = True,
) -> Answered:
    """Score one answer.

    Args:
        cited: ids of the documents that it cites; None where citations are not known.
        relevant: ids of the documents that hold the answer.
    """
    row = Answered(query, answer, abstained, answerable)
    if gold and answerable:
        text = "" if abstained else answer
        row.exact, row.f1, row.contains = exact_match(text, gold), f1(text, gold), contains(text, gold)
    gold_documents = set(relevant)
    if gold_documents and cited is not None and not abstained:
        named = set(cited)
        row.citation_precision = len(named & gold_documents) / len(named) if named else 0.0
        row.citation_recall = len(named & gold_documents) / len(gold_documents)
    return row


def cited_documents(row: Mapping[str, Any], dataset: Dataset) -> list[str] | None:
    """Documents of a row's citations; None where it keeps none. A citation's source ends in its document's id."""
    if "citations" not in row:
        return None
    found = []
    for citation in row["citations"]:
        source = str(citation.get("document") or citation.get("source") or "")
        name = next(
            (n for n in (source, source.rsplit("/", 1)[-1], source.rsplit(":", 1)[-1]) if n in dataset.corpus), source
        )
        found.append(name)
    return list(dict.fromkeys(found))


def means(answers: Sequence[Answered]) -> dict[str, float]:
    """Mean of every measure over the answers it applies to, and precision and recall of saying "not found"."""
    names = (*STRINGS, "citation_precision", "citation_recall", "faithful", "relevant")
    found = {}
    for name in names:
        values = [float(value) for answer in answers if (value := getattr(answer, name)) is not None]
        if values:
            found[name] = sum(values) / len(values)
    refused = [answer for answer in answers if answer.abstained]
    unanswerable = [answer for answer in answers if not answer.answerable]
    right = sum(not answer.answerable for answer in refused)
    if refused:
        found["abstention_precision"] = right / len(refused)
    if unanswerable:
        found["abstention_recall"] = right / len(unanswerable)
    found["abstained"] = len(refused) / len(answers) if answers else 0.0
    return found


def agreement(first: Sequence[bool], second: Sequence[bool]) -> dict[str, float]:
    """Share of equal verdicts and Cohen's kappa (1 perfect, 0 chance; 1 where both always say the same one thing).

    >>> agreement([True, True, False, False], [True, False, False, False])
    {'pairs': 4, 'equal': 0.75, 'kappa': 0.5}
    """
    pairs = len(first)
    if not pairs:
        return {"pairs": 0, "equal": 0.0, "kappa": 0.0}
    equal = sum(a == b for a, b in zip(first, second, strict=True)) / pairs
    yes, also = sum(first) / pairs, sum(second) / pairs
    chance = yes * also + (1 - yes) * (1 - also)
    kappa = 1.0 if chance == 1 and equal == 1 else (equal - chance) / (1 - chance) if chance < 1 else 0.0
    return {"pairs": pairs, "equal": equal, "kappa": kappa}


def _overlap(mine: Counter[str], theirs: Counter[str]) -> float:
    shared = sum((mine & theirs).values())
    if not shared:
        return float(not mine and not theirs)
    precision, recall = shared / sum(mine.values()), shared / sum(theirs.values())
    return 2 * precision * recall / (precision + recall)


def _choices(gold: Gold, limit: int = 256) -> list[list[str]]:
    """One alternative of each needed answer, in every combination (the first ``limit``)."""
    choices: list[list[str]] = [[]]
    for any_of in gold:
        choices = [[*choice, one] for choice in choices for one in any_of][:limit]
    return choices if gold else []
