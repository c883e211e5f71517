"""Score answers: string measures, citations, abstention, and the agreement of an LLM judge.

String measures, on normalised text (NFKC, lower case, without English articles and punctuation):

- ``exact``: the answer is one of the gold answers; ``f1``: overlap of tokens with the best gold answer (SQuAD), where
  tokens are words in English and single characters in Chinese (CMRC 2018);
- ``contains``: the answer contains an alternative of each group of gold answers (RGB). Marks such as [1] are removed
  first.

Citations are scored against the relevant documents, abstention against the questions that no document answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from eval.datasets.dataset import Dataset
from eval.gold import Gold, contains, tokens
from eval.measure.runs import Run
from indexes.display import counted
from indexes.errors import SourceError
from indexes.plain import Plain

STRINGS = ("exact", "f1", "contains")


def exact_match(answer: str, gold: Gold) -> float:
    """Return 1.0 if the answer is one of the alternatives; with several groups, one of each in order; else 0.0.

    >>> exact_match("The three months [1].", [["3 months", "three months"]])
    1.0
    """
    mine = "".join(tokens(answer))
    if len(gold) == 1:
        return float(any(mine == "".join(tokens(one)) for one in gold[0]))
    return float(any(mine == "".join("".join(tokens(one)) for one in choice) for choice in _choices(gold)))


def f1(answer: str, gold: Gold) -> float:
    """Return the token F1 with the best gold answer; one alternative of each group is joined to one answer.

    >>> round(f1("It is three months.", [["three months"]]), 3)
    0.667
    """
    mine = Counter(tokens(answer))
    return max((_overlap(mine, Counter(tokens(" ".join(choice)))) for choice in _choices(gold)), default=0.0)


@dataclass(slots=True)
class Answered:
    """The scores of one answer; None if a measure does not apply.

    >>> row = score_answer("q1", "Notice is three months.", [["three months", "3 months"]])
    >>> row.contains, row.exact, row.citation_recall
    (1.0, 0.0, None)
    """

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
    """The scores of all answers, each measure's mean over the answers it applies to, and a judge's agreement.

    >>> rows = [score_answer("q1", "three months", [["three months"]]), score_answer("q2", "six", [["five"]])]
    >>> AnswerScores(rows, means(rows)).mean["contains"]
    0.5
    """

    answers: list[Answered]
    mean: dict[str, float]
    agreement: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def score_answers(run: Run, dataset: Dataset) -> AnswerScores:
    """Score the answers saved in a run (``rag-eval run --answers``).

    A question is answerable if it has gold answers or a relevant document. A refusal of an answerable question scores
    0 in the string measures.

    Raises:
        SourceError: the run has no answers.

    >>> dataset = Dataset("mine", {}, {"q1": "How long?"}, {"q1": {"d1": 1}}, {"q1": {"answers": ["3 months"]}})
    >>> run = Run("base", {"q1": []}, details={"q1": {"answer": "It is 3 months. [1]", "cited": ["d1"]}})
    >>> scores = score_answers(run, dataset)
    >>> scores.mean["contains"], scores.mean["citation_recall"]
    (1.0, 1.0)
    """
    rows = {query: row for query, row in run.details.items() if "answer" in row and query in dataset.queries}
    if not rows:
        raise SourceError(f"the run {run.name!r} has no answers", remedy="make it with 'rag-eval run --answers'")
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
        []
        if len(rows) == len(dataset.queries)
        else [f"{counted(len(rows), 'question', of=len(dataset.queries), verb='were')} answered"]
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
        relevant: ids of the documents that contain the answer.
        cited: ids of the documents that it cites; None if unknown.
        abstained: whether it is a refusal.
        answerable: whether the documents answer the question.

    >>> row = score_answer("q1", "Three months.", [["three months"]], relevant=["d1"], cited=["d1", "d2"])
    >>> row.exact, row.citation_precision
    (1.0, 0.5)
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
    """Return the ids of the documents cited in a row of a run, None if it has no citations.

    Sources are mapped to the dataset's ids, also by what follows their last "/" or ":".

    >>> cited_documents({"citations": [{"source": "dataset/d1"}]}, Dataset("mine", {"d1": None}, {}, {}))
    ['d1']
    """
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
    """Return each measure's mean over the answers it applies to, and precision and recall of refusals.

    >>> means([score_answer("q1", "Blue.", [["blue"]]), score_answer("q2", "", [], abstained=True, answerable=False)])
    {'exact': 1.0, 'f1': 1.0, 'contains': 1.0, 'abstention_precision': 1.0, 'abstention_recall': 1.0, 'abstained': 0.5}
    """
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
    """Return the share of equal verdicts and Cohen's kappa (1 perfect, 0 chance; 1 if all verdicts are the same).

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
    """Return the combinations of one alternative per group (the first ``limit``)."""
    return [list(choice) for choice in islice(product(*gold), limit)] if gold else []
