"""Training and dev lists of a reranker: a question with texts found by the pipeline."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.datasets.dataset import Dataset
from eval.datasets.questions import wording
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.reranker.options import Loss
from eval.measure.to_documents import Lifter
from eval.ticks import Tick, ticking
from indexes.errors import SourceError
from indexes.files import write_whole

if TYPE_CHECKING:
    from rag.retrieval.hybrid import HybridRetriever

QUESTION, TEXT, TEXTS, LABEL = "question", "text", "texts", "label"
SHARP = 10.0  # ListNetLoss applies a softmax to labels, which would be nearly flat for 0 and 1
Rows = dict[str, list[Any]]


def training_rows(
    training: TrainingSet,
    loss: Loss,
    *,
    negatives: int,
    epochs: int,
    seed: int,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    bonus: float = 0.0,
    sharpness: float = 1.0,
    first: Mapping[str, Mapping[str, float]] | None = None,
    unlabelled: Sequence[Example] = (),
) -> Rows:
    """Return the trainer's rows of all epochs: one positive per question and epoch, and ``negatives`` other texts.

    The texts of a list are ordered by length, so that texts padded together have similar lengths; losses ignore order.

    >>> mined = TrainingSet([Example("q1", "When?", ("d1",), ("d2",))], {"d1": "It opens at 6.", "d2": "Fees."})
    >>> training_rows(mined, "listnet", negatives=1, epochs=1, seed=7)
    {'question': ['When?'], 'texts': [['Fees.', 'It opens at 6.']], 'label': [[0.0, 10.0]]}
    >>> training_rows(mined, "bce", negatives=1, epochs=1, seed=7)
    {'question': ['When?', 'When?'], 'text': ['Fees.', 'It opens at 6.'], 'label': [0.0, 1.0]}

    Args:
        scores: query id -> text id -> teacher's score, with a spread of 1 (``teachers.unit_scores``); texts without one
            are left out. Without a teacher, labels are 1 and 0.
        bonus: bonus of a label on a teacher's score of a positive, in the teacher's standard deviations.
        sharpness: factor that turns a teacher's scores into logits, for ListNet (``best_scale``).
        first: query id -> text id -> number to add to a logit for the first stage (``best_scale`` times its score);
            these follow the labels of a list, for the loss ``Residual``.
        unlabelled: examples whose positive is the teacher's best and has no bonus. Each is used once, and they are
            distributed evenly over the epochs.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    columns = _columns(loss, negatives)
    rows: Rows = {column: [] for column in columns}
    answers = training.answers()
    usable = [
        _without_answers(example, training.texts, answers[wording(example.question)]) for example in training.examples
    ]
    usable = [example for example in usable if example.positives and example.negatives]
    unjudged = {example.query for example in unlabelled}
    for epoch in range(epochs):
        draw.shuffle(usable)
        seen = [*usable, *unlabelled[epoch::epochs]]
        if unlabelled:
            draw.shuffle(seen)
        for example in seen:
            known = scores.get(example.query, {}) if scores is not None else None
            positives = [name for name in example.positives if known is None or name in known]
            pool = [name for name in example.negatives if known is None or name in known]
            if not positives or not pool:
                continue
            positive = positives[epoch % len(positives)]
            chosen = draw.sample(pool, min(negatives, len(pool)))
            if loss == "margin_mse":  # its rows have equal lengths
                chosen += draw.choices(pool, k=negatives - len(chosen))
            names = [positive, *chosen]
            values = [1.0, *[0.0] * len(chosen)] if known is None else [known[name] for name in names]
            if known is not None and example.query not in unjudged:
                values[0] += bonus
            added = [first[example.query].get(name, 0.0) for name in names] if first is not None else []
            texts = [training.texts[name] for name in names]
            sharp = SHARP if known is None else sharpness
            _append(rows, loss, example.question, texts, values, known is None, added, sharp)
    if not rows[QUESTION]:
        raise SourceError(
            "no training question has both a positive and a negative text", remedy="add documents or judgements"
        )
    return rows


def _without_answers(example: Example, texts: Mapping[str, str], answers: set[str]) -> Example:
    """Return the example without negatives that answer a question of the same wording, whatever their ids."""
    return replace(example, negatives=tuple(name for name in example.negatives if wording(texts[name]) not in answers))


def _columns(loss: Loss, negatives: int) -> list[str]:
    if loss == "bce":
        return [QUESTION, TEXT, LABEL]
    if loss == "margin_mse":
        return [QUESTION, "positive", *(f"negative_{i}" for i in range(1, negatives + 1)), LABEL]
    return [QUESTION, TEXTS, LABEL]


def _append(
    rows: Rows,
    loss: Loss,
    question: str,
    texts: list[str],
    values: list[float],
    labels: bool,
    added: list[float],
    sharp: float,
) -> None:
    """Append one list, for BCE as separate pairs."""
    if loss == "margin_mse":
        head, *rest = sorted(range(1, len(texts)), key=lambda i: len(texts[i]))
        order = [0, head, *rest]
        for column, i in zip([c for c in rows if c not in (QUESTION, LABEL)], order, strict=True):
            rows[column].append(texts[i])
        rows[QUESTION].append(question)
        rows[LABEL].append([values[i] for i in order])
        return
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    if loss == "bce":
        for i in order:
            rows[QUESTION].append(question)
            rows[TEXT].append(texts[i])
            # For BCE, a teacher's score is a logit, and its sigmoid the soft label.
            rows[LABEL].append(values[i] if labels else float(1 / (1 + np.exp(-2.0 * (values[i] + 1.0)))))
        return
    sharp = sharp if loss == "listnet" else 1.0
    rows[QUESTION].append(question)
    rows[TEXTS].append([texts[i] for i in order])
    rows[LABEL].append([*(sharp * values[i] for i in order), *(added[i] for i in order if added)])


def best_scale(training: TrainingSet, scores: Mapping[str, Mapping[str, float]]) -> float:
    """Return the factor that turns scores (fused or a teacher's) into the best logits.

    It maximises the mean log probability of the positives within their lists.

    >>> mined = TrainingSet([Example("q1", "When?", ("d1",), ("d2",)), Example("q2", "Where?", ("d2",), ("d1",))], {})
    >>> right, wrong = {"d1": 0.9, "d2": 0.5}, {"d1": 0.6, "d2": 0.5}
    >>> best_scale(mined, {"q1": right, "q2": wrong})
    4.5
    """
    lists = []
    for example in training.examples:
        known = scores.get(example.query, {})
        rest = [known[name] for name in example.negatives if name in known]
        lists += [np.array([known[name], *rest]) for name in example.positives if name in known and rest]
    if not lists:
        return 1.0

    def likelihood(factor: float) -> float:
        return float(np.mean([factor * one[0] - np.log(np.exp(factor * one).sum()) for one in lists]))

    return max((0.5 * step for step in range(1, 41)), key=likelihood)


@dataclass
class CandidateList:
    """The pipeline's candidates for one question before reranking.

    >>> one = CandidateList("q1", "When?", ["d1", "d2"], ["Fees.", "It opens."], fused=[0.9, 0.8], relevant={"d2": 1})
    >>> [name for name in one.names if one.relevant.get(name, 0) > 0]
    ['d2']

    Args:
        names: judged id of each candidate; several may be sentences of one document.
        texts: text of each that the reranker reads.
        fused: first-stage score of each.
        relevant: judgements of the question.
    """

    query: str
    question: str
    names: list[str]
    texts: list[str]
    fused: list[float]
    relevant: dict[str, int]


def candidate_lists(
    retriever: HybridRetriever,
    dataset: Dataset,
    *,
    depth: int,
    progress: Tick | None = None,
) -> list[CandidateList]:
    """Return the first ``depth`` candidates of each question, with the texts of ``rerank.read``.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.retrieval.candidate import Candidate
    >>> from rag.settings import Settings
    >>> found = [Candidate(SentenceRecord("d1", 0, "It opens at 6."), 0.9, fused_score=0.9)]
    >>> search = lambda question: SimpleNamespace(candidates=found)
    >>> retriever = SimpleNamespace(index=None, settings=Settings(), search=search)
    >>> dataset = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> candidate_lists(retriever, dataset, depth=50)
    [CandidateList(query='q1', question='When?', names=['d1'], texts=['It opens at 6.'], fused=[0.9], relevant={'d1':
     1})]
    """
    lifter = Lifter(dataset, retriever.index)
    read_window = retriever.settings.rerank.read == "window"
    found = []
    for query, question in ticking(dataset.queries.items(), progress):
        candidates = retriever.search(question).candidates[:depth]
        found.append(
            CandidateList(
                query,
                question,
                [lifter.of_record(c.record) for c in candidates],
                [(c.window if read_window else None) or c.record.text for c in candidates],
                [float(c.fused_score or 0.0) for c in candidates],
                dict(dataset.qrels[query]),
            )
        )
    return found


def save_lists(lists: Sequence[CandidateList], path: Path) -> None:
    r"""Write lists as JSON lines.

    >>> one = CandidateList("q1", "When?", ["d1"], ["Fees."], fused=[0.9], relevant={"d2": 1})
    >>> save_lists([one], folder / "dev.jsonl")
    >>> (folder / "dev.jsonl").read_text()
    '{"query": "q1", "question": "When?", "names": ["d1"], "texts": ["Fees."], "fused": [0.9], "relevant": {"d2": 1}}\n'
    """
    write_whole(path, "".join(json.dumps(asdict(one), ensure_ascii=True) + "\n" for one in lists))


def load_lists(path: Path) -> list[CandidateList]:
    """Read lists written by ``save_lists``.

    >>> one = CandidateList("q1", "When?", ["d1"], ["Fees."], fused=[0.9], relevant={"d2": 1})
    >>> save_lists([one], folder / "dev.jsonl")
    >>> load_lists(folder / "dev.jsonl") == [one]
    True
    """
    with path.open(encoding="utf-8", newline="\n") as file:
        return [CandidateList(**json.loads(line)) for line in file]
