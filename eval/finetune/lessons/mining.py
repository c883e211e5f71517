"""Mine hard negatives with the real hybrid pipeline: texts that it ranks high and that do not answer the question.

A supposed negative may be an unjudged answer (a false negative; Qu et al., RocketQA, arXiv 2010.08191). As guards, the
first ranks are skipped (``skip``), and so are texts that score within ``margin`` of the positive or above it (Moreira
et al., NV-Retriever, arXiv 2407.15831) and texts equal to a positive; a cross-encoder may check the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Literal

from eval.datasets.dataset import Dataset, passage_id
from eval.datasets.questions import relevant_by_wording, wording
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.measure.session import changed
from eval.measure.to_documents import Lifter
from eval.ticks import Tick, ticking
from indexes.display import counted
from indexes.errors import SourceError

if TYPE_CHECKING:
    from rag.retrieval.candidate import Candidate
    from rag.retrieval.hybrid import HybridRetriever

Unit = Literal["document", "window", "sentence", "mixed"]
DEPTH_FACTOR = 2  # sentences to retrieve per document needed


@dataclass(frozen=True)
class MiningOptions:
    """How negatives are chosen.

    >>> options = MiningOptions(negatives=3)
    >>> options.depth, options.margin, options.unit
    (50, 0.05, 'document')

    Args:
        depth: number of documents of the pipeline's ranking to consider.
        skip: number of top ranks to skip, whatever they score (0: none).
        negatives: maximum number of negatives per question, hardest first.
        margin: a negative's fused score is at most (1 - margin) of its positive's; None: no limit.
        unit: what a training text is: the whole document, its best window, its best sentence, or "mixed": two examples
            per question, one with documents and one with sentences.
        cross_encoder: a reranker of ``rag.rerankers``; texts that it gives at least (1 - margin) of the positive's
            probability are skipped.
        seed: random seed of later steps; mining itself is deterministic.
    """

    depth: int = 50
    skip: int = 0
    negatives: int = 7
    margin: float | None = 0.05
    unit: Unit = "document"
    cross_encoder: Any = None
    seed: int = 7


@dataclass
class MiningReport:
    """Statistics of mining; means are over questions or negatives.

    >>> report = MiningReport(queries=2, negatives=6, positive_ranks=[1, 4], ratios=[0.5, 0.75])
    >>> report.as_dict()["negatives_per_query"], report.as_dict()["positive_first"]
    (3.0, 1)
    >>> _ = (folder / "mining.json").write_text(report.to_json())
    >>> MiningReport.load(folder / "mining.json") == report
    True
    """

    queries: int = 0
    examples: int = 0
    negatives: int = 0
    without_negatives: int = 0
    without_positive_text: int = 0
    positive_not_found: int = 0
    positive_ranks: list[int] = field(default_factory=list)
    negative_ranks: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    legs: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as plain data for JSON."""
        return {
            "queries": self.queries,
            "examples": self.examples,
            "negatives": self.negatives,
            "negatives_per_query": round(self.negatives / self.queries, 2) if self.queries else 0.0,
            "without_negatives": self.without_negatives,
            "without_positive_text": self.without_positive_text,
            "positive_not_found": self.positive_not_found,
            "positive_rank_median": median(self.positive_ranks) if self.positive_ranks else None,
            "positive_first": sum(rank == 1 for rank in self.positive_ranks),
            "negative_rank_median": median(self.negative_ranks) if self.negative_ranks else None,
            "negative_score_of_positive": round(fmean(self.ratios), 3) if self.ratios else None,
            "left_out": dict(self.left_out),
            "found_by": dict(self.legs),
        }

    def to_json(self) -> str:
        """Return JSON from which ``load`` restores an equal report."""
        return json.dumps({**self.as_dict(), "raw": vars(self)}, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: Path) -> MiningReport:
        """Read a file with the text of ``to_json``."""
        raw = json.loads(path.read_text(encoding="utf-8"))["raw"]
        return cls(**{**raw, "left_out": Counter(raw["left_out"]), "legs": Counter(raw["legs"])})

    def to_text(self) -> str:
        """Return the statistics as a plain table."""
        from eval.report.table import table

        d = self.as_dict()
        rows: list[tuple[str, object]] = [
            ("training questions", d["queries"]),
            ("their positive first / not found", f"{d['positive_first']} / {d['positive_not_found']}"),
            ("negatives kept", f"{d['negatives']} ({d['negatives_per_query']} per question)"),
            ("median rank of positives / negatives", f"{d['positive_rank_median']} / {d['negative_rank_median']}"),
            ("fused score of a negative relative to its positive", d["negative_score_of_positive"]),
            ("negatives found by", ", ".join(f"{k} {v}" for k, v in sorted(d["found_by"].items())) or "-"),
            ("skipped", ", ".join(f"{k} {v}" for k, v in sorted(d["left_out"].items())) or "-"),
            ("questions without a negative", d["without_negatives"]),
        ]
        return table(("mining", ""), rows)


@dataclass(slots=True)
class RankedDocument:
    """A document as ranked by the pipeline, represented by its best sentence."""

    name: str
    rank: int
    score: float
    candidate: Candidate


def mine(
    retriever: HybridRetriever, train: Dataset, options: MiningOptions, *, progress: Tick | None = None
) -> tuple[TrainingSet, MiningReport]:
    """Ask the pipeline each training question, and collect what it wrongly ranks high.

    >>> dataset = Dataset("mine", {}, {"q1": "When does it open?"}, {"q1": {"d1": 1}})
    >>> mine(None, dataset, MiningOptions())
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: the dataset 'mine' has no documents to train on; name one that has its corpus

    Args:
        retriever: the hybrid pipeline over the dataset's index (``Session(train).retriever(settings)``), which is
            searched deeper than usual and without its reranker.
        train: questions with judged documents.

    Returns:
        One example per question (two if ``unit`` is "mixed"), and statistics.

    Raises:
        SourceError: the dataset has no documents, or no question has a positive with a text.
    """
    if not train.corpus:
        raise SourceError(
            f"the dataset {train.name!r} has no documents to train on", remedy="name one that has its corpus"
        )
    deep = deeper(retriever, options.depth)
    lifter = Lifter(train, retriever.index)
    report, found = MiningReport(), TrainingSet([], {})
    by_wording = relevant_by_wording(train)
    content = cache(lambda name: wording(train.corpus[name].content))
    for query, question in ticking(train.queries.items(), progress):
        positives = [name for name in train.relevant(query) if name in train.corpus and train.corpus[name].content]
        if not positives:
            report.without_positive_text += 1
            continue
        ranked = ranked_documents(deep, lifter, question, options.depth)
        # The same question may occur twice, each with another relevant document.
        relevant = {name for name in by_wording[wording(question)] if name in train.corpus}
        negatives = _negatives(train, question, positives, relevant, content, ranked, options, report)
        report.queries += 1
        report.negatives += len(negatives)
        report.without_negatives += not negatives
        for unit in ("document", "sentence") if options.unit == "mixed" else (options.unit,):
            texts = [
                training_text(deep, train, question, name, ranked.get(name), unit) for name in (*positives, *negatives)
            ]
            found.texts.update(texts)
            cut = len(positives)
            answers = {wording(text) for _, text in texts[:cut]}
            kept = tuple(name for name, text in texts[cut:] if wording(text) not in answers)
            found.examples.append(Example(query, question, tuple(name for name, _ in texts[:cut]), kept))
    report.examples = len(found.examples)
    if not found.examples:
        raise SourceError(
            f"no question of {train.name!r} has a relevant document with a text", remedy="check its corpus and qrels"
        )
    if report.without_positive_text:
        found.notes.append(
            f"{counted(report.without_positive_text, 'training question', verb='have')} "
            "no relevant document with a text"
        )
    return found, report


def deeper(retriever: HybridRetriever, depth: int) -> HybridRetriever:
    """Return the same pipeline with more candidates and without the reranker.

    >>> from types import SimpleNamespace
    >>> from rag.settings import Settings
    >>> retriever = SimpleNamespace(index=SimpleNamespace(), settings=Settings(), filters=None)
    >>> retriever.settings.retrieval.top_k, deeper(retriever, depth=100).settings.retrieval.top_k
    (50, 200)
    """
    from rag.retrieval.hybrid import HybridRetriever

    wanted = max(retriever.settings.retrieval.top_k, DEPTH_FACTOR * depth)
    settings = changed(retriever.settings, retrieval={"top_k": wanted}, hyde={"mode": "off"})
    return HybridRetriever(retriever.index, settings=settings, filters=retriever.filters)


def ranked_documents(
    retriever: HybridRetriever, lifter: Lifter, question: str, depth: int
) -> dict[str, RankedDocument]:
    """Return id -> the first ``depth`` documents that a ``deeper`` pipeline finds, best first.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.retrieval.candidate import Candidate
    >>> places = [("d1", 0), ("d1", 1), ("d2", 0)]  # documents and positions of the sentences found
    >>> found = SimpleNamespace(candidates=[Candidate(SentenceRecord(*place, "A sentence."), 0.9) for place in places])
    >>> retriever = SimpleNamespace(search=lambda question: found)
    >>> lifter = SimpleNamespace(of_record=lambda record: record.doc_id)
    >>> [(name, place.rank) for name, place in ranked_documents(retriever, lifter, "When?", depth=10).items()]
    [('d1', 1), ('d2', 2)]
    """
    found: dict[str, RankedDocument] = {}
    for candidate in retriever.search(question).candidates:
        name = lifter.of_record(candidate.record)
        if name not in found and len(found) < depth:
            found[name] = RankedDocument(name, len(found) + 1, candidate.score, candidate)
    return found


def _negatives(
    train: Dataset,
    question: str,
    positives: Sequence[str],
    relevant: set[str],
    content: Callable[[str], str],
    ranked: dict[str, RankedDocument],
    options: MiningOptions,
    report: MiningReport,
) -> list[str]:
    """Return the ids of the negatives, hardest first, and count the skipped texts in ``report``.

    Args:
        relevant: ids of all documents relevant to the same question; texts equal to theirs are not negatives.
    """
    places = [ranked[name] for name in positives if name in ranked]
    if places:
        report.positive_ranks.append(min(place.rank for place in places))
    else:
        report.positive_not_found += 1
    # Compare with the best positive: a text above a worse one may still be a negative.
    reached = max((place.score for place in places), default=None)
    equal = {content(name) for name in relevant}
    kept: list[RankedDocument] = []
    for place in ranked.values():
        if place.name in relevant or place.name not in train.corpus:
            continue
        if place.rank <= options.skip:
            report.left_out["among the first ranks"] += 1
        elif reached is not None and options.margin is not None and place.score > (1 - options.margin) * reached:
            report.left_out["too near to the positive"] += 1
        elif content(place.name) in equal:
            report.left_out["the positive's text again"] += 1
        else:
            kept.append(place)
        if options.cross_encoder is None and len(kept) == options.negatives:
            break
    if options.cross_encoder is not None and kept:
        kept = _doubted(train, question, positives, kept, options, report)
    kept = kept[: options.negatives]
    for place in kept:
        report.negative_ranks.append(place.rank)
        dense, sparse = place.candidate.dense_rank is not None, place.candidate.sparse_rank is not None
        report.legs["both legs" if dense and sparse else "dense leg" if dense else "sparse leg"] += 1
        if reached:
            report.ratios.append(place.score / reached)
    return [place.name for place in kept]


def _doubted(
    train: Dataset,
    question: str,
    positives: Sequence[str],
    kept: list[RankedDocument],
    options: MiningOptions,
    report: MiningReport,
) -> list[RankedDocument]:
    """Return those that the cross-encoder finds clearly worse than the best positive."""
    doubtful = kept[: 2 * options.negatives]  # twice as many as needed, since each costs a forward pass
    texts = [train.corpus[name].content for name in positives] + [train.corpus[p.name].content for p in doubtful]
    scores = options.cross_encoder.score(question, texts).probability
    bound = (1 - (options.margin or 0.0)) * float(max(scores[: len(positives)]))
    sure = [place for place, value in zip(doubtful, scores[len(positives) :], strict=True) if float(value) < bound]
    report.left_out["doubted by the cross-encoder"] += len(doubtful) - len(sure)
    return sure


def training_text(
    retriever: HybridRetriever, train: Dataset, question: str, name: str, place: RankedDocument | None, unit: str
) -> tuple[str, str]:
    """Return (id, text) of a document, or of its best window or sentence for this question.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> train = Dataset("mine", {"d1": CorpusPassage("d1", text="It opens at 6.")}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> training_text(None, train, "When?", "d1", None, "document")
    ('d1', 'It opens at 6.')
    """
    if unit == "document":
        return name, train.corpus[name].content
    candidate = place.candidate if place is not None else _best_inside(retriever, question, name)
    if candidate is None:  # none of its sentences is in the index or matches
        return name, train.corpus[name].content
    record = candidate.record
    if unit == "sentence":
        return passage_id(name, record.position, record.position), record.text
    size = retriever.settings.retrieval.window
    text = candidate.window or record.text
    return passage_id(name, max(0, record.position - size), record.position + size), text


def _best_inside(retriever: HybridRetriever, question: str, name: str) -> Candidate | None:
    """Return a document's best sentence for a question that did not find the document."""
    from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

    own = MetadataFilters(filters=[MetadataFilter(key="doc_id", value=name)])
    candidates = retriever.search(question, own).candidates
    return candidates[0] if candidates else None
