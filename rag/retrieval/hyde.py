"""HyDE: search with a hypothetical answer beside the question (Gao et al., arXiv 2212.10496).

The hypothetical document is used by the dense leg only. The sparse leg keeps the question's words: invented words
would find what the model imagined.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from indexes.display import Bilingual
from indexes.text.characters import valid
from rag.retrieval.candidate import Candidate
from rag.retrieval.question import QueryLike
from rag.settings import HydeSettings
from rag.trace import Trace
from rag.ways import Way

Encode = Callable[[Sequence[str]], NDArray[np.float32]]  # documents to their dense vectors
HypothesisWriter = Callable[[str, int, Way], Awaitable[list[str]]]  # (question, how many) -> hypothetical documents
AGREEMENT_DEPTH = 10


async def widen(
    question: str,
    dense: NDArray[np.float32],
    *,
    encode: Encode,
    write: HypothesisWriter | None,
    settings: HydeSettings,
    trace: Trace,
    way: Way,
) -> NDArray[np.float32]:
    """Return the dense vector of the question and its hypothetical documents, float32 (dim,).

    If the LLM fails or is missing, the question's vector is returned unchanged, and a note is written.

    >>> from rag.ways import BLOCKING, run_now
    >>> async def write(question, how_many, way):
    ...     return ["It opens at 6."]
    >>> trace, options = Trace("When does it open?"), {"settings": HydeSettings(), "way": BLOCKING}
    >>> dense, encode = np.array([1, 0], np.float32), lambda texts: np.array([[0, 1]], np.float32)
    >>> vector = run_now(widen(trace.question, dense, encode=encode, write=write, trace=trace, **options))
    >>> vector.astype(float).round(2).tolist(), trace.hypothetical
    ([0.71, 0.71], ['It opens at 6.'])
    """
    if write is None:
        trace.note(
            Bilingual(
                "HyDE is on, but no LLM is configured, so the search ran without it",
                "HyDE 已打开，但没有配置语言模型，因此检索没有使用它",
            ),
            "hyde_failed",
        )
        return dense
    try:
        with trace.stage("hyde"):
            texts = [text for text in await write(question, settings.documents, way) if text.strip()]
    except Exception as error:  # noqa: BLE001 - whatever the LLM raised: the search runs without it, and says so
        trace.note(
            Bilingual(f"HyDE failed, so the search ran without it: {error}", f"HyDE 失败，因此检索没有使用它：{error}"),
            "hyde_failed",
        )
        return dense
    if not texts:
        trace.note(
            Bilingual(
                "HyDE's LLM wrote nothing, so the search ran without it",
                "HyDE 的语言模型什么也没写，因此检索没有使用它",
            ),
            "hyde_failed",
        )
        return dense
    trace.hypothetical.extend(texts)
    with trace.stage("encode"):
        return await way.compute(partial(widened_vector, encode, dense, texts, keep_question=settings.keep_question))


def asked_vector(
    bundle: QueryLike, question: str, dense: NDArray[np.float32], *, encode: Encode, trace: Trace
) -> NDArray[np.float32] | None:
    """Return the dense vector that a LlamaIndex query transform sets: its embedding, or that of its texts (HyDE).

    None if the bundle sets neither.

    >>> from rag.retrieval.question import PlainQuestion
    >>> asked, dense, trace = PlainQuestion("When?", embedding=[3, 4]), np.array([1, 0], np.float32), Trace("When?")
    >>> asked_vector(asked, "When?", dense, encode=np.array, trace=trace).astype(float).round(2).tolist()
    [0.6, 0.8]
    >>> asked_vector(PlainQuestion("When?"), "When?", dense, encode=np.array, trace=trace) is None
    True
    """
    if bundle.embedding is not None:
        vector = np.asarray(bundle.embedding, dtype=np.float32)
        return vector / (float(np.linalg.norm(vector)) or 1.0)
    texts = [valid(text) for text in bundle.custom_embedding_strs or [] if text.strip()]
    others = [text for text in texts if text != question]
    if not others:
        return None
    trace.hypothetical.extend(others)
    with trace.stage("encode"):
        return widened_vector(encode, dense, others, keep_question=question in texts)


def widened_vector(
    encode: Encode, question: NDArray[np.float32], hypothetical: Sequence[str], *, keep_question: bool
) -> NDArray[np.float32]:
    """Return the normalised mean of the hypothetical documents' vectors (and the question's), float32 (dim,).

    >>> question = np.array([1, 0], np.float32)
    >>> encode = lambda texts: np.array([[0, 1] for _ in texts], np.float32)
    >>> widened_vector(encode, question, ["It opens at 6."], keep_question=True).astype(float).round(2).tolist()
    [0.71, 0.71]
    """
    vectors = encode(list(hypothetical))
    if keep_question:
        vectors = np.vstack([vectors, question[None, :]])
    mean = vectors.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    return (mean / norm if norm else question).astype(np.float32)


def looks_weak(candidates: Sequence[Candidate], *, weak_below: float | None, both_legs: bool) -> str | None:
    """Return why a first retrieval looks weak; None if it does not.

    Cosines of different models are not comparable (E5's best and worst lie within 0.2), so an absolute bound is used
    only if one is configured. For all models, a retrieval is weak if the ten best of each leg have nothing in common.

    >>> looks_weak([], weak_below=None, both_legs=True)
    'nothing was found'
    """
    if not candidates:
        return Bilingual("nothing was found", "什么也没有找到")
    best = max((c.dense_score for c in candidates if c.dense_score is not None), default=None)
    if weak_below is not None and best is not None and best < weak_below:
        return Bilingual(
            f"the best dense cosine {best:.3f} is below {weak_below}",
            f"稠密检索的最高余弦 {best:.3f} 低于 {weak_below}",
        )
    if both_legs and not any(
        c.dense_rank is not None and c.sparse_rank is not None and max(c.dense_rank, c.sparse_rank) <= AGREEMENT_DEPTH
        for c in candidates
    ):
        return Bilingual(
            f"the {AGREEMENT_DEPTH} best of the dense and the sparse leg have no sentence in common",
            f"稠密和稀疏两路的前 {AGREEMENT_DEPTH} 名没有相同的句子",
        )
    return None
