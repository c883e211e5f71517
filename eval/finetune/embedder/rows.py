"""Training rows of an embedder (question, positive, negatives), and the pool to evaluate dev questions on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from eval.datasets.dataset import Dataset
from eval.datasets.questions import wording
from eval.finetune.lessons.training_set import Example, TrainingSet
from indexes.display import counted

QUESTION, POSITIVE, NEGATIVE = "question", "positive", "negative_{}"
LEAST_CHARS = 40  # minimum length of a part of a document that serves as question or answer


@dataclass
class DevPool:
    """A small set of texts to compare checkpoints on in seconds, without encoding all documents.

    Figures on it are higher than those over all documents.

    >>> pool = DevPool({"q1": "When?"}, {"d1": "It opens at 6.", "d2": "Fees are due."}, {"q1": {"d1": 1}})
    >>> len(pool.questions), len(pool.texts)
    (1, 2)
    """

    questions: dict[str, str]
    texts: dict[str, str]
    qrels: dict[str, dict[str, int]]
    notes: list[str] = field(default_factory=list)


def dev_pool(
    mined: TrainingSet, everything: Sequence[str], texts: Mapping[str, str], *, size: int, seed: int
) -> DevPool:
    """Collect positives and mined candidates of the dev questions, and random documents up to ``size``.

    >>> mined = TrainingSet([Example("q1", "When?", ("d1",), ("d2",))], {"d1": "It opens at 6.", "d2": "Fees are due."})
    >>> others = {f"x{i}": f"Another text, {i}." for i in range(10)}
    >>> pool = dev_pool(mined, list(others), others, size=5, seed=7)
    >>> pool.qrels, list(pool.texts)[:2], pool.notes
    ({'q1': {'d1': 1}}, ['d1', 'd2'], ['checkpoints are compared on 1 dev question over a pool of 5 texts'])

    Args:
        mined: what was mined for the dev questions; the negatives are the pipeline's candidates, without guards.
        everything: ids of documents to draw the rest from.
        texts: id -> text of these documents.
        size: number of texts.
        seed: random seed.
    """
    questions: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    by_wording: dict[str, dict[str, int]] = {}
    kept: dict[str, str] = {}
    for example in mined.examples:
        questions[example.query] = example.question
        known = by_wording.setdefault(wording(example.question), {})
        known.update(dict.fromkeys(example.positives, 1))
        qrels[example.query] = known
        kept.update((name, mined.texts[name]) for name in example.positives)
    contents = {wording(text) for text in kept.values()}
    # Candidates rank by rank, so that a full pool has the hardest of each question.
    depth = max((len(example.negatives) for example in mined.examples), default=0)
    hardest = [e.negatives[place] for place in range(depth) for e in mined.examples if place < len(e.negatives)]
    for name in hardest:
        if len(kept) >= size:
            break
        if wording(mined.texts[name]) not in contents:  # a copy of an answer under another id would count as wrong
            kept[name] = mined.texts[name]
    rest = [name for name in everything if name not in kept]
    random.Random(seed).shuffle(rest)  # noqa: S311 - no secret
    drawn = (name for name in rest if wording(texts[name]) not in contents)
    kept.update((name, texts[name]) for name in islice(drawn, max(0, size - len(kept))))
    note = (
        f"checkpoints are compared on {counted(len(questions), 'dev question')} "
        f"over a pool of {counted(len(kept), 'text')}"
    )
    return DevPool(questions, kept, qrels, [note])


def columns(
    training: TrainingSet,
    *,
    negatives: int,
    seed: int,
    scores: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, list[Any]]:
    """Return the trainer's rows: one per positive of each example.

    All rows have the same number of negatives: missing ones are drawn from the texts of other examples. A text that
    answers a question of the same wording is never a negative, under whatever id: texts are compared by content.

    >>> texts = {"d1": "It opens at 6.", "d2": "Fees are due."}
    >>> columns(TrainingSet([Example("q1", "When?", ("d1",), ("d2",))], texts), negatives=1, seed=7)
    {'question': ['When?'], 'positive': ['It opens at 6.'], 'negative_1': ['Fees are due.']}

    Args:
        negatives: number of negatives per row.
        scores: query id -> text id -> teacher's score; adds a column "label", NaN for texts without a score.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    answers, content = training.answers(), {name: wording(text) for name, text in training.texts.items()}
    pool = [name for example in training.examples for name in (*example.positives, *example.negatives)]
    rows: dict[str, list[Any]] = {QUESTION: [], POSITIVE: []}
    rows.update({NEGATIVE.format(i): [] for i in range(1, negatives + 1)})
    if scores is not None:
        rows["label"] = []
    for example in training.examples:
        relevant = answers[wording(example.question)]
        for positive in example.positives:
            chosen = [name for name in example.negatives if content[name] not in relevant][:negatives]
            without = relevant | {content[name] for name in chosen}
            chosen += _others(pool, content, without, negatives - len(chosen), draw)
            if len(chosen) < negatives:
                continue  # too few texts in the training set
            rows[QUESTION].append(example.question)
            rows[POSITIVE].append(training.texts[positive])
            for place, name in enumerate(chosen, start=1):
                rows[NEGATIVE.format(place)].append(training.texts[name])
            if scores is not None:
                known = scores.get(example.query, {})
                rows["label"].append([known.get(name, float("nan")) for name in (positive, *chosen)])
    return rows


def pair_columns(
    training: TrainingSet, scores: Mapping[str, Mapping[str, float]], *, most: int
) -> dict[str, list[Any]]:
    """Return rows for DistillKLDivLoss: each positive of a question with each of its negatives, and both scores.

    >>> texts = {"d1": "It opens at 6.", "d2": "Fees are due."}
    >>> mined = TrainingSet([Example("q1", "When?", ("d1",), ("d2",))], texts)
    >>> pair_columns(mined, {"q1": {"d1": 2.5, "d2": -1.0}}, most=7)["label"]
    [[2.5, -1.0]]

    Args:
        scores: query id -> text id -> teacher's score; texts without one are left out.
        most: maximum number of negatives per question.
    """
    answers, content = training.answers(), {name: wording(text) for name, text in training.texts.items()}
    rows: dict[str, list[Any]] = {QUESTION: [], POSITIVE: [], NEGATIVE.format(1): [], "label": []}
    for example in training.examples:
        relevant, known = answers[wording(example.question)], scores.get(example.query, {})
        chosen = [name for name in example.negatives if content[name] not in relevant and name in known][:most]
        for positive in (name for name in example.positives if name in known):
            for negative in chosen:
                rows[QUESTION].append(example.question)
                rows[POSITIVE].append(training.texts[positive])
                rows[NEGATIVE.format(1)].append(training.texts[negative])
                rows["label"].append([known[positive], known[negative]])
    return rows


def _others(
    pool: Sequence[str], content: Mapping[str, str], without: set[str], count: int, draw: random.Random
) -> list[str]:
    """Draw ``count`` texts with different contents, none of them in ``without``."""
    found: dict[str, str] = {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        name = draw.choice(pool)
        if content[name] not in without:
            found.setdefault(content[name], name)
    return list(found.values())


def document_pairs(dataset: Dataset, *, limit: int, seed: int, held_out: Sequence[str] = ()) -> TrainingSet:
    """Make pairs from documents alone: the title as question and the text as answer.

    Without a title, one of its sentences is the question and the rest the answer (inverse cloze task; Lee et al., arXiv
    1906.00300).

    >>> from eval.datasets.dataset import CorpusPassage
    >>> notice = CorpusPassage("d1", "Notice periods of tenants", "A tenant may leave after a notice of three months.")
    >>> found = document_pairs(Dataset("mine", {"d1": notice}, {}, {}), limit=10, seed=7)
    >>> [(example.question, found.texts[example.positives[0]]) for example in found.examples]
    [('Notice periods of tenants', 'A tenant may leave after a notice of three months.')]

    Args:
        limit: maximum number of pairs, drawn at random.
        held_out: questions that no pair may repeat.
    """
    from indexes.text.sentences import split_sentences

    draw = random.Random(seed)  # noqa: S311 - no secret
    known = {wording(text) for text in held_out}
    found = TrainingSet([], {})
    passages = list(dataset.corpus.values())
    draw.shuffle(passages)
    for passage in passages:
        if len(found.examples) >= limit:
            break
        title, text = passage.title.strip(), passage.text.strip()
        if len(title) < LEAST_CHARS / 2 or len(text) < LEAST_CHARS:
            content = passage.content
            spans = [content[span.start : span.end] for span in split_sentences(content)]
            spans = [span for span in spans if len(span) >= LEAST_CHARS]
            if len(spans) < 3:
                continue
            title = spans.pop(draw.randrange(len(spans)))
            text = " ".join(spans)
        if wording(title) in known:
            continue
        name = f"pair:{passage.id}"
        found.texts[name] = text
        found.examples.append(Example(name, title, (name,)))
    found.notes.append(f"{counted(len(found.examples), 'pair', verb='were')} made from the documents alone")
    return found
