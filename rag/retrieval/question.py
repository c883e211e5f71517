"""The question as the legs read it: one bundle, and its vectors from one pass of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes import Index
from indexes.display import Bilingual
from indexes.encoders.base import Encoded
from indexes.errors import SettingsError
from rag.instrumentation import embedded
from rag.trace import Trace

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager


class QueryLike(Protocol):
    """A question and what a query transform adds to it; LlamaIndex's QueryBundle is one.

    >>> from llama_index.core.schema import QueryBundle
    >>> as_query(QueryBundle("When does it open?", custom_embedding_strs=["It opens at 6."])).custom_embedding_strs
    ['It opens at 6.']
    """

    query_str: str
    custom_embedding_strs: list[str] | None
    embedding: list[float] | None


@dataclass(slots=True)
class PlainQuestion:
    """A question without additions of a query transform.

    >>> PlainQuestion("When does the harbour open?").query_str
    'When does the harbour open?'
    """

    query_str: str
    custom_embedding_strs: list[str] | None = None
    embedding: list[float] | None = None


def as_query(question: Any) -> QueryLike:
    """Return a text as a question, and LlamaIndex's QueryBundle unchanged.

    >>> as_query("When does the harbour open?").query_str
    'When does the harbour open?'

    Raises:
        SettingsError: it is neither a text nor a QueryBundle.
    """
    if isinstance(question, str):
        return PlainQuestion(question)
    if not isinstance(getattr(question, "query_str", None), str):
        raise SettingsError(f"the question is {question!r:.80}", remedy="pass a text or a QueryBundle")
    found: QueryLike = question
    return found


def bundle_of(question: Any) -> Any:
    """Return the question as a LlamaIndex QueryBundle.

    >>> bundle_of("When does the harbour open?").query_str
    'When does the harbour open?'

    Raises:
        SettingsError: it is neither a text nor a QueryBundle.
    """
    from llama_index.core.schema import QueryBundle

    found = as_query(question)
    return found if isinstance(found, QueryBundle) else QueryBundle(found.query_str)


def encode_question(index: Index, manager: CallbackManager | None, question: str, fusion: str, trace: Trace) -> Encoded:
    """Encode a question: dense (1, dim) and sparse. The trace notes what cannot be searched.

    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(encode_queries=lambda texts: Encoded(np.eye(len(texts), 3, dtype=np.float32)))
    >>> index = SimpleNamespace(encoder=encoder, store=SimpleNamespace(one_leg="the collection has no sparse vectors"))
    >>> trace = Trace("When does the harbour open?")
    >>> encode_question(index, None, trace.question, "minmax", trace).dense.shape, trace.notes, list(trace.timings_ms)
    ((1, 3), ['the collection has no sparse vectors'], ['encode'])
    """
    with trace.stage("encode"):
        encoded = embedded(manager, index.encoder, [question], query=True)
    note_encoded(index, encoded, fusion, trace)
    return encoded


def encode_together(index: Index, manager: CallbackManager | None, questions: Sequence[str]) -> list[Encoded]:
    """Encode several questions together; return the vectors of each, as ``encode_question`` does.

    >>> from types import SimpleNamespace
    >>> encode = lambda texts: Encoded(np.eye(len(texts), 3, dtype=np.float32), truncated=(1,))
    >>> index = SimpleNamespace(encoder=SimpleNamespace(encode_queries=encode))
    >>> [(one.dense.shape, one.truncated) for one in encode_together(index, None, ["When?", "A long question?"])]
    [((1, 3), ()), ((1, 3), (0,))]
    """
    encoded = embedded(manager, index.encoder, questions, query=True)
    return [
        Encoded(
            encoded.dense[row : row + 1],
            None if encoded.sparse is None else [encoded.sparse[row]],
            (0,) if row in encoded.truncated else (),
        )
        for row in range(len(questions))
    ]


def note_encoded(index: Index, encoded: Encoded, fusion: str, trace: Trace) -> None:
    """Note in the trace what part of a question cannot be searched.

    >>> from types import SimpleNamespace
    >>> index = SimpleNamespace(encoder=SimpleNamespace(max_tokens=512), store=SimpleNamespace(one_leg=None))
    >>> trace = Trace("When does the harbour open?")
    >>> note_encoded(index, Encoded(np.eye(1, dtype=np.float32), truncated=(0,)), "minmax", trace)
    >>> trace.notes
    ['the question is longer than the 512 tokens the encoder reads, so its end was not searched']
    """
    if encoded.truncated:
        trace.note(
            Bilingual(
                f"the question is longer than the {index.encoder.max_tokens} tokens the encoder reads, "
                "so its end was not searched",
                f"问题超过向量模型能读的 {index.encoder.max_tokens} 个 token，末尾部分没有参与检索",
            ),
            "question_cut",
        )
    if encoded.sparse is None:
        if why := index.store.one_leg:
            trace.note(why, "one_leg")
        if fusion == "sparse":
            trace.note(
                Bilingual(
                    "the collection has no sparse vectors, so only the dense leg was searched",
                    "集合没有稀疏向量，因此只检索了稠密一路",
                ),
                "one_leg",
            )


def encode_documents(index: Index, manager: CallbackManager | None, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode texts as documents (HyDE's) for the dense leg; return float32 (len(texts), dim).

    >>> from types import SimpleNamespace
    >>> encode = lambda texts: Encoded(np.eye(len(texts), 3, dtype=np.float32))
    >>> index = SimpleNamespace(encoder=SimpleNamespace(encode_documents=encode))
    >>> encode_documents(index, None, ["The harbour opens at 6.", "It opens early."]).shape
    (2, 3)
    """
    return embedded(manager, index.encoder, texts, query=False).dense
