"""Failures: the worst queries of a run, and the stage that lost their relevant documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from eval.datasets.dataset import Dataset
from eval.measure.runs import Run
from indexes.plain import Plain

DEEP = 1000  # hits per leg in the deeper search for documents that were not among the candidates

STAGES = {
    "not indexed": "the document is not in the index",
    "not in candidates": "no leg has it in its first top_k",
    "lost in fusion": "a leg found it, but fusion dropped it from the first top_k",
    "lost in rerank": "fusion ranked it higher, or the reranker did not read that far",
    "cut by the budget": "it was a candidate, but no passage of the prompt contains it",
    "ranked low": "it reached the prompt, below other documents",
    "found": "it ranks as high as the relevant documents can",
}


@dataclass(slots=True)
class Gold:
    """A relevant document of a failed query. Ranks are 1-based, None if not found; ``stage`` is a key of STAGES.

    >>> Gold("d1", "Notice is three months.", rank=None, stage="not in candidates").stage
    'not in candidates'
    """

    id: str
    text: str
    rank: int | None
    stage: str
    dense: int | None = None
    sparse: int | None = None
    fused: int | None = None


@dataclass(slots=True)
class Failure(Plain):
    """A failed query: what should have been found, and what was.

    >>> missed = Gold("d1", "Notice is three months.", rank=None, stage="not in candidates")
    >>> failure = Failure("q1", "How long is the notice?", value=0.0, gold=[missed])
    >>> failure.as_dict()["gold"][0]["stage"], STAGES[missed.stage]
    ('not in candidates', 'no leg has it in its first top_k')
    """

    query: str
    question: str
    value: float
    gold: list[Gold]
    found: list[dict[str, Any]] = field(default_factory=list)


def worst(run: Run, dataset: Dataset, measure: str, limit: int) -> list[tuple[str, float]]:
    """Return (query id, value) of up to ``limit`` queries with a relevant document and a value below 1, lowest first.

    >>> dataset = Dataset("mine", {}, {"q1": "?", "q2": "?"}, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    >>> worst(Run("base", {"q1": [("d1", 1.0)], "q2": [("d1", 1.0)]}), dataset, "RR@10", 5)
    [('q2', 0.0)]
    """
    values = run.score(dataset.qrels, [measure]).per_query
    column = next(iter(values.values()))
    able = [(query, value) for query, value in column.items() if value < 1 and dataset.relevant(query)]
    return sorted(able, key=lambda item: item[1])[:limit]


def explain(run: Run, dataset: Dataset, query: str, value: float, retriever: Any = None) -> Failure:
    """Explain what happened to a query's relevant documents.

    Args:
        value: the query's score.
        retriever: our retriever with the run's settings, which searches the legs again and deeper; without it, the
            stage is derived from the candidates in the run alone.

    >>> dataset = Dataset("mine", {}, {"q1": "How long?"}, {"q1": {"d1": 1}})
    >>> failure = explain(Run("base", {"q1": [("d2", 2.0), ("d1", 1.0)]}), dataset, "q1", 0.5)
    >>> [(gold.id, gold.rank, gold.stage) for gold in failure.gold]
    [('d1', 2, 'ranked low')]
    """
    ranks = {document: rank for rank, (document, _) in enumerate(run.results.get(query, []), start=1)}
    details = run.details.get(query, {})
    prompt = details.get("prompt")
    relevant = dataset.relevant(query)
    legs = _legs(retriever, dataset, dataset.queries[query], relevant) if retriever is not None else {}
    gold = []
    for document in relevant:
        passage = dataset.corpus.get(document)
        kept = details.get("gold", {}).get(document, {})
        item = Gold(document, passage.content if passage else "", ranks.get(document), "")
        deep = legs.get(document, {})
        item.dense = deep.get("dense", kept.get("dense"))
        item.sparse = deep.get("sparse", kept.get("sparse"))
        item.fused = deep.get("fused")
        if not item.text:
            item.text = str(deep.get("text", ""))
        item.stage = _stage(item, prompt, deep, run, wanted=len(relevant), searched=retriever is not None)
        gold.append(item)
    found = details.get("found") or [
        {"id": d, "text": dataset.corpus[d].content if d in dataset.corpus else ""} for d in list(ranks)[:3]
    ]
    wrong = [entry | {"relevant": entry["id"] in relevant} for entry in found]
    return Failure(query, dataset.queries[query], value, gold, wrong)


def summary(failures: list[Failure]) -> dict[str, int]:
    """Return stage -> number of relevant documents it lost.

    >>> missed = [Gold(name, "", rank=None, stage="not in candidates") for name in ("d1", "d2")]
    >>> summary([Failure("q1", "How long is the notice?", value=0.0, gold=missed)])
    {'not in candidates': 2}
    """
    counts = Counter(item.stage for failure in failures for item in failure.gold)
    return {stage: counts[stage] for stage in STAGES if counts[stage]}


def _stage(item: Gold, prompt: list[str] | None, deep: dict[str, Any], run: Run, *, wanted: int, searched: bool) -> str:
    if item.rank is not None:
        if prompt is not None and item.id not in prompt:
            reranked = "reranker" in run.fingerprint and item.fused is not None and item.fused < item.rank
            return "lost in rerank" if reranked else "cut by the budget"
        return "found" if item.rank <= wanted else "ranked low"
    if not searched:
        return "not in candidates"
    if deep.get("absent"):
        return "not indexed"
    top_k = int(run.settings.get("retrieval", {}).get("top_k", 0))
    if item.fused is not None and item.fused <= top_k and "reranker" in run.fingerprint:
        return "lost in rerank"
    if any(rank is not None and rank <= top_k for rank in (item.dense, item.sparse)):
        return "lost in fusion"
    return "not in candidates"


def _legs(retriever: Any, dataset: Dataset, question: str, relevant: list[str]) -> dict[str, dict[str, Any]]:
    """Return the rank of each relevant document's best sentence in each leg (DEEP hits) and after fusion."""
    from eval.measure.to_documents import Lifter
    from indexes.nodes.record import SentenceRecord

    index, retrieval = retriever.index, retriever.settings.retrieval
    lifter = Lifter(dataset, index)
    encoded = index.encoder.encode_queries([question])
    legs = encoded.dense[0], encoded.sparse[0] if encoded.sparse is not None else None
    found: dict[str, dict[str, Any]] = {}
    deep = index.store.hybrid_search(*legs, limit=DEEP, method="rrf")
    for leg in ("dense", "sparse"):
        ranked = sorted((rank, hit.id, hit) for hit in deep if (rank := getattr(hit, f"{leg}_rank")) is not None)
        for rank, _, hit in ranked:
            record = SentenceRecord.from_payload(hit.payload)
            name = lifter.of_record(record)
            if name in relevant and leg not in (entry := found.setdefault(name, {"text": record.text})):
                entry[leg] = rank
    fused = index.store.hybrid_search(*legs, limit=retrieval.top_k, **retrieval.fusing)
    for rank, hit in enumerate(fused, start=1):
        name = lifter.of_record(SentenceRecord.from_payload(hit.payload))
        if name in found:
            found[name].setdefault("fused", rank)
    missing = [name for name in relevant if name not in found]
    if missing and lifter.level == "document" and dataset.corpus:
        for name in missing:
            found[name] = {"absent": index.store.count(name) == 0}
    return found
