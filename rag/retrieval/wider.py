"""Search with more than the question: its translation, other phrasings, and the vectors of the first hits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexes.display import Bilingual
from indexes.ingest.node_counts import recorded_counts
from indexes.store.collection import Collection
from indexes.text.characters import holds_han
from rag.retrieval.candidate import Candidate
from rag.settings import RetrievalSettings
from rag.trace import Trace
from rag.ways import Way

Rewriting = Literal["translate", "rephrase"]
QuestionWriter = Callable[[Rewriting, str, int, Way], Awaitable[list[str]]]  # (what, question, how many, way)
SOME = 0.02  # share of nodes in a language from which the question is translated to it


async def other_questions(
    question: str,
    store: Collection,
    *,
    retrieval: RetrievalSettings,
    write: QuestionWriter | None,
    trace: Trace,
    way: Way,
) -> list[str]:
    """Return the translated and rephrased questions that the settings ask for; note what the LLM does not return.

    >>> from types import SimpleNamespace
    >>> from rag.ways import BLOCKING, run_now
    >>> async def write(what, question, how_many, way):
    ...     return ["When is the harbour open?", "What are the harbour's hours?"]
    >>> asked, trace = "When does the harbour open?", Trace("When does the harbour open?")
    >>> options = {"retrieval": RetrievalSettings(phrasings=2), "write": write, "trace": trace, "way": BLOCKING}
    >>> run_now(other_questions(asked, SimpleNamespace(), **options))
    ['When is the harbour open?', "What are the harbour's hours?"]
    """
    wanted: list[tuple[Rewriting, int]] = []
    if retrieval.translate == "auto" and await way.compute(holds_other_language, store, question):
        wanted.append(("translate", 1))
    if retrieval.phrasings:
        wanted.append(("rephrase", retrieval.phrasings))
    found: list[str] = []
    for what, how_many in wanted:
        translate = what == "translate"
        name, chinese = (
            ("the translated question", "问题的译文") if translate else ("other phrasings", "问题的其他说法")
        )
        if write is None:
            trace.note(
                Bilingual(
                    f"no LLM is configured, so the search ran without {name}",
                    f"没有配置语言模型，因此检索没有使用{chinese}",
                ),
                "rewriting_failed",
            )
            continue
        try:
            with trace.stage("rewrite"):
                texts = await write(what, question, how_many, way)
        except Exception as error:  # noqa: BLE001 - whatever the LLM raised: the search runs without it, and says so
            trace.note(
                Bilingual(f"the search ran without {name}: {error}", f"检索没有使用{chinese}：{error}"),
                "rewriting_failed",
            )
            continue
        new = [text for text in dict.fromkeys(texts) if text and text != question and text not in found][:how_many]
        if not new:
            trace.note(
                Bilingual(
                    f"the LLM wrote nothing new, so the search ran without {name}",
                    f"语言模型没有写出新内容，因此检索没有使用{chinese}",
                ),
                "rewriting_failed",
            )
        found += new
    trace.rewritten.extend(found)
    return found


def holds_other_language(store: Collection, question: str) -> bool:
    """Return whether a collection holds Chinese sentences, for a Chinese question other ones; True if not counted.

    >>> from types import SimpleNamespace
    >>> counts = {"nodes": 1200, "sample": 200, "marks": 0, "short": 4, "numbers": 10, "chinese": 0}
    >>> store = SimpleNamespace(record=lambda: {"nodes": counts})  # no Chinese sentences
    >>> holds_other_language(store, "When does it open?"), holds_other_language(store, "几点开门？")
    (False, True)
    """
    counts = recorded_counts(store.record())
    if counts is None or counts.chinese is None or not counts.sample:
        return True
    chinese = counts.chinese / counts.sample
    return (1 - chinese if holds_han(question) else chinese) >= SOME


def joined(rankings: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Join the candidates of several questions by the mean of their fused scores, 0 if not found; best first.

    Ranks and scores of the legs are those of the first question that found a candidate. The candidates of a single
    question are returned unchanged.

    >>> from indexes.nodes.record import SentenceRecord
    >>> tide, boat = SentenceRecord("x.md", 0, "The tide turns."), SentenceRecord("x.md", 1, "The boat waits.")
    >>> found = joined([[Candidate(tide, 0.8)], [Candidate(boat, 1.0), Candidate(tide, 0.4)]])
    >>> [(candidate.record.text, round(candidate.score, 2)) for candidate in found]
    [('The tide turns.', 0.6), ('The boat waits.', 0.5)]
    """
    if len(rankings) == 1:
        return list(rankings[0])
    first: dict[str, Candidate] = {}
    total: dict[str, float] = {}
    for ranking in rankings:
        for candidate in ranking:
            first.setdefault(candidate.id, candidate)
            total[candidate.id] = total.get(candidate.id, 0.0) + candidate.score / len(rankings)
    order = sorted(total, key=lambda identity: (-total[identity], identity))
    return [replace(first[identity], score=total[identity], fused_score=total[identity]) for identity in order]


def fed_back(
    store: Collection, dense: NDArray[np.float32], candidates: Sequence[Candidate], retrieval: RetrievalSettings
) -> NDArray[np.float32] | None:
    """Move the question's vector towards the mean of the first hits' (Rocchio 1971; vector PRF, arXiv 2108.11044).

    Return it normalised, float32 (dim,); None if nothing was found.

    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> hit = Candidate(SentenceRecord("harbour.md", 0, "The harbour opens at 6."), 0.9)
    >>> store = SimpleNamespace(dense_vectors=lambda ids: {hit.id: np.array([0, 1], np.float32)})
    >>> moved = fed_back(store, np.array([1, 0], np.float32), [hit], RetrievalSettings(feedback=1))
    >>> moved.astype(float).round(2).tolist()
    [0.71, 0.71]
    """
    rows = store.dense_vectors([candidate.id for candidate in candidates[: retrieval.feedback]])
    if not rows:
        return None
    stacked = np.stack(list(rows.values())).astype(np.float32)
    stacked /= np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12)
    moved = dense + retrieval.feedback_share * stacked.mean(axis=0)
    return np.asarray(moved / max(float(np.linalg.norm(moved)), 1e-12), np.float32)
