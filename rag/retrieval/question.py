"""The question as the legs read it: one bundle, and its vectors from one pass of the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import QueryBundle, QueryType
from numpy.typing import NDArray

from indexes import Index
from indexes.encoders.base import Encoded
from indexes.errors import must_be
from rag.instrumentation import embedded
from rag.trace import Trace


def bundle_of(question: QueryType) -> QueryBundle:
    """Return the question as LlamaIndex hands it on.

    Raises:
        SettingsError: it is neither a text nor a QueryBundle.
    """
    must_be((str, QueryBundle), "the question", question, "give a text or a QueryBundle")
    return question if isinstance(question, QueryBundle) else QueryBundle(question)


def encode_question(index: Index, manager: CallbackManager, question: str, fusion: str, trace: Trace) -> Encoded:
    """Return the question's vectors, dense (1, dim) and sparse; the trace notes what cannot be searched for."""
    with trace.stage("encode"):
        encoded = embedded(manager, index.encoder, [question], query=True)
    if encoded.truncated:
        trace.note(
            f"the question is longer than the {index.encoder.max_tokens} tokens the encoder reads, "
            "and its end was not searched for",
            "question_cut",
        )
    if encoded.sparse is None:
        if why := index.store.one_leg:
            trace.note(why, "one_leg")
        if fusion == "sparse":
            trace.note("the collection has no sparse vectors, so the dense leg alone was searched", "one_leg")
    return encoded


def encode_documents(index: Index, manager: CallbackManager, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the dense vectors of texts that are to be like documents (HyDE's), shape (len(texts), dim)."""
    return embedded(manager, index.encoder, texts, query=False).dense
