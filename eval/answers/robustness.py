"""Measure the robustness of answers (RGB, arXiv 2309.01431): noisy passages, no relevant passage, false facts.

Some of each question's judged documents are chosen, and the whole pipeline answers from those alone: retrieval is real,
restricted by a filter. Documents judged above 0 are positive, those judged 0 are noise; a document judged 0 that
contains the question's ``fakeanswer`` and no gold answer states a false fact. If a dataset has no judgements of 0, the
noise is what a search finds besides the relevant documents (``with_noise``), which is how RGB's noise was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from eval.answers.scores import Answered, AnswerScores, cited_documents, means, score_answer
from eval.datasets.dataset import Dataset
from eval.gold import contains
from eval.measure.finder import parallel_of
from eval.measure.to_documents import Lifter
from eval.ticks import Tick, side_by_side, ticking
from indexes.display import counted
from indexes.errors import SettingsError, SourceError

Mode = Literal["noise", "none", "false"]


@dataclass(frozen=True, slots=True)
class NoiseCondition:
    """What the pipeline may read: ``passages`` documents; in mode "noise", the share ``noise`` of them is irrelevant.

    >>> NoiseCondition("noise", passages=5, noise=0.4).name
    'noise 40%'
    """

    mode: Mode
    passages: int = 5
    noise: float = 0.0

    @property
    def name(self) -> str:
        """The condition's name in tables."""
        return {"noise": f"noise {self.noise:.0%}", "none": "no relevant passage", "false": "false facts"}[self.mode]


def chosen_documents(dataset: Dataset, condition: NoiseCondition, seed: int = 0) -> dict[str, list[str]]:
    """Return query id -> the documents it may use; questions without the documents needed are left out.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {name: CorpusPassage(name, text=name) for name in ("good", "wrong")}
    >>> dataset = Dataset("mine", corpus, {"q1": "When?"}, {"q1": {"good": 1, "wrong": 0}})
    >>> chosen_documents(dataset, NoiseCondition("none", passages=1))  # no relevant document
    {'q1': ['wrong']}

    Raises:
        SettingsError: the share of noise is not between 0 and 1.
        SourceError: the dataset has no question for this condition.
    """
    if not 0 <= condition.noise <= 1:
        raise SettingsError(f"{condition.noise} is not a share of noise", remedy="use a number between 0 and 1")
    found = {}
    for place, (query, judged) in enumerate(dataset.qrels.items()):
        rng = np.random.default_rng([seed, place])
        documents = sorted(d for d in judged if d in dataset.corpus)
        order = [documents[i] for i in rng.permutation(len(documents))]
        positive = [d for d in order if judged[d] > 0]
        false = [d for d in order if judged[d] <= 0 and _states_false(dataset, query, d)]
        noise = [d for d in order if judged[d] <= 0 and d not in false]
        picked = _pick(condition, positive, noise, false)
        if picked:
            found[query] = picked
    if not found:
        needed = "'fakeanswer' fields in its questions" if condition.mode == "false" else "documents of both kinds"
        raise SourceError(
            f"{dataset.name} has no question for the condition '{condition.name}'",
            remedy=f"use a dataset with {needed}, such as RGB",
        )
    return found


def with_noise(dataset: Dataset, retriever: Any, passages: int, progress: Tick | None = None) -> Dataset:
    """Return the dataset with judgements of 0: unchanged if it has some, else for what a search finds.

    >>> dataset = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"good": 1, "wrong": 0}})
    >>> with_noise(dataset, retriever=None, passages=5) is dataset  # it has judgements of 0
    True

    Args:
        retriever: a retriever of ``rag.build_retriever`` over an index of the dataset.
        passages: number of documents per question judged 0: the first ones found that are not relevant.
    """
    if any(value <= 0 for judged in dataset.qrels.values() for value in judged.values()):
        return dataset
    lifter = Lifter(dataset, retriever.index)
    qrels = {}
    for query, text in ticking(dataset.queries.items(), progress):
        found = dict.fromkeys(lifter.of_record(c.record) for c in retriever.search(text).candidates)
        wrong = [document for document in found if document not in dataset.qrels[query]][:passages]
        qrels[query] = {**dataset.qrels[query], **dict.fromkeys(wrong, 0)}
    note = "the dataset has no judgements of 0, so the noise is what a search finds besides the relevant documents"
    return replace(dataset, qrels=qrels, notes=[*dataset.notes, note])


def measure(
    engine: Any,
    dataset: Dataset,
    condition: NoiseCondition,
    *,
    seed: int = 0,
    progress: Tick | None = None,
) -> AnswerScores:
    """Answer each question under the condition, and score the answers.

    ``mean["fooled"]`` (false facts) is the share of answers that contain the false answer. Without a relevant passage
    all questions count as unanswerable, so ``abstention_recall`` is the share rightly refused.

    >>> from types import SimpleNamespace
    >>> from eval.datasets.dataset import CorpusPassage
    >>> response = SimpleNamespace(response="Three months.", metadata={"status": "answered"})
    >>> engine = SimpleNamespace(answer=lambda text, only: response)  # answers whatever it is given
    >>> corpus = {name: CorpusPassage(name, text=name) for name in ("good", "wrong")}
    >>> gold = {"q1": {"answers": ["three months"]}}
    >>> dataset = Dataset("mine", corpus, {"q1": "How long?"}, {"q1": {"good": 1, "wrong": 0}}, extra=gold)
    >>> measure(engine, dataset, NoiseCondition("none", passages=1)).mean["abstention_recall"]
    0.0

    Args:
        engine: a query engine of ``rag.build_query_engine`` over an index of the dataset (see ``Session.engine``).
        seed: random seed for choosing the documents.
    """
    from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

    documents = chosen_documents(dataset, condition, seed)
    answers: list[Answered] = []
    fooled: list[float] = []

    def ask(chosen: tuple[str, list[str]]) -> Any:
        query, names = chosen
        only = MetadataFilters(filters=[MetadataFilter(key="source", value=names, operator=FilterOperator.IN)])
        return engine.answer(dataset.queries[query], only)

    at_once = parallel_of(engine, answers=True)
    for (query, names), response in side_by_side(ask, documents.items(), at_once, progress):
        row: Mapping[str, Any] = response.metadata or {}
        refused = row.get("status") == "not_found"
        text = str(response.response or "")
        relevant = [name for name in dataset.relevant(query) if name in names]
        answers.append(
            score_answer(
                query,
                text,
                dataset.answers(query),
                relevant=relevant,
                cited=cited_documents(row, dataset),
                abstained=refused,
                answerable=condition.mode != "none",
            )
        )
        if condition.mode == "false":
            fooled.append(0.0 if refused else contains(text, [_fake(dataset, query)]))
    scores = AnswerScores(answers, means(answers))
    if fooled:
        scores.mean["fooled"] = float(np.mean(fooled))
    if len(documents) < len(dataset.queries):
        scores.notes.append(
            f"{counted(len(documents), 'question', of=len(dataset.queries), verb='have')} "
            f"documents for '{condition.name}'"
        )
    if condition.mode == "noise" and (noisier := _noisier(dataset, condition, documents)):
        scores.notes.append(
            f"{counted(noisier, 'question', verb='have')} too few relevant documents, and so a larger share of noise"
        )
    return scores


def _noisier(dataset: Dataset, condition: NoiseCondition, documents: Mapping[str, list[str]]) -> int:
    """Return the number of questions with a larger share of noise than requested, for lack of relevant documents."""
    wanted = round(condition.noise * condition.passages) / condition.passages
    shares = (sum(dataset.qrels[q][d] <= 0 for d in names) / len(names) for q, names in documents.items())
    return sum(share > wanted for share in shares)


def _pick(condition: NoiseCondition, positive: list[str], noise: list[str], false: list[str]) -> list[str]:
    total = condition.passages
    if condition.mode == "none":
        return noise[:total]
    if condition.mode == "false":
        return [*false[:total], *noise[: max(0, total - len(false))]] if false else []
    wanted = round(condition.noise * total)
    if len(noise) < wanted or (wanted < total and not positive):
        return []
    return [*positive[: total - wanted], *noise[:wanted]]


def _states_false(dataset: Dataset, query: str, document: str) -> bool:
    fake, text = _fake(dataset, query), dataset.corpus[document].content
    return bool(fake) and bool(contains(text, [fake])) and not contains(text, dataset.answers(query))


def _fake(dataset: Dataset, query: str) -> list[str]:
    raw = dataset.extra.get(query, {}).get("fakeanswer") or []
    return [raw] if isinstance(raw, str) else [str(one) for one in raw]
