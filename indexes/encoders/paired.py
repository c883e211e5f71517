"""An ``Encoder`` from a dense model and BM25, SPLADE or no lexical side; and the encoding of sentences in passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import CountsTokens, DenseModel, Encoded, Fingerprint, LexicalModel, Spans
from indexes.encoders.vectors import estimated_tokens, unit_rows
from indexes.encoders.window_pooling import mean_of
from indexes.settings.sections import IndexSettings


class PairedEncoder:
    """An ``Encoder`` made of a ``DenseModel`` and a lexical side.

    >>> from types import SimpleNamespace
    >>> from indexes.encoders.bm25 import Bm25
    >>> dense = SimpleNamespace(embed=lambda texts, query: Encoded(np.ones((len(texts), 4), np.float32)))
    >>> encoded = PairedEncoder(dense, Bm25()).encode_documents(["It rains.", "It rains and storms."])
    >>> encoded.dense.shape, [len(row) for row in encoded.sparse]
    ((2, 4), [1, 2])

    Args:
        dense: model of the dense leg.
        lexical: BM25, SPLADE, or None for an index without a lexical leg.
    """

    def __init__(self, dense: DenseModel, lexical: LexicalModel | None) -> None:
        self.dense, self.lexical = dense, lexical

    @property
    def dim(self) -> int:
        return self.dense.dim

    @property
    def max_tokens(self) -> int:
        return self.dense.max_tokens

    @property
    def parallel(self) -> int:
        """Number of threads that may encode at once: more than 1 for a model on a server."""
        return getattr(self.dense, "parallel", 1)

    def load(self) -> None:
        """Load a model that is loaded at first use, for a process that answers many questions."""
        load = getattr(self.dense, "load", None)
        if load is not None:
            load()

    @property
    def question_runtime(self) -> str | None:
        """Runtime that reads questions, if the model has several (``encoder.question_runtime``)."""
        return getattr(self.dense, "question_runtime", None)

    @property
    def question_kind(self) -> str:
        """Kind under which the cache keeps questions; those read with 8-bit weights have another."""
        return getattr(self.dense, "question_kind", "q")

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.dense.model,
            weights=self.dense.weights,
            dim=self.dense.dim,
            pooling=self.dense.pooling,
            prompts=self.dense.prompts,
            sparse=self.lexical.parameters if self.lexical else "none",
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``; an estimate if the dense model cannot count."""
        if isinstance(self.dense, CountsTokens):
            return self.dense.count_tokens(texts)
        return estimated_tokens(texts)

    def encode_documents(self, texts: Sequence[str], lexical_texts: Sequence[str] | None = None) -> Encoded:
        """As ``Encoder.encode_documents``; ``lexical_texts`` (default: ``texts``) is what the lexical side reads."""
        encoded = self.dense.embed(texts, query=False)
        counted = texts if lexical_texts is None else lexical_texts
        sparse = self.lexical.encode_documents(counted) if self.lexical else None
        return replace(encoded, sparse=sparse)

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """As ``ReadsPassages.encode_passages``."""
        encoded = read_passages(self.dense, passages, spans)
        sparse = self.lexical.encode_documents(sentences_of(passages, spans)) if self.lexical else None
        return replace(encoded, sparse=sparse)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        encoded = self.dense.embed(texts, query=True)
        sparse = self.lexical.encode_queries(texts) if self.lexical else None
        return replace(encoded, sparse=sparse)


def lexical_side(settings: IndexSettings) -> LexicalModel | None:
    """Build the lexical side that ``settings.sparse`` describes, for a model without a sparse head.

    >>> settings = IndexSettings()
    >>> lexical_side(settings).parameters.partition(",")[2]
    'k1=1.2,b=0.75,average_length=80'
    """
    if settings.sparse.kind == "none":
        return None
    if settings.sparse.kind == "splade":
        from indexes.encoders.splade import Splade

        return Splade(settings)
    from indexes.encoders.bm25 import Bm25

    return Bm25(settings.sparse)


def sentences_of(passages: Sequence[str], spans: Sequence[Spans]) -> list[str]:
    """Return the sentences of all passages, in order.

    >>> sentences_of(["One. Two.", "Three."], [[(0, 4), (5, 9)], [(0, 6)]])
    ['One.', 'Two.', 'Three.']
    """
    return [passage[start:end] for passage, parts in zip(passages, spans, strict=True) for start, end in parts]


def read_passages(model: DenseModel, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
    """Return the dense side of ``ReadsPassages.encode_passages``, from one pass if the model has token states.

    >>> from types import SimpleNamespace
    >>> states = np.array([[1, 0], [1, 0], [0, 1]], np.float32), np.array([[0, 4], [4, 5], [6, 11]])
    >>> model = SimpleNamespace(dim=2, model="demo", token_states=lambda passages: [(0, *states)])
    >>> print(read_passages(model, ["Rain. Snow."], [[(0, 5), (6, 11)]]).dense.round(2))
    [[0.95 0.22]
     [0.45 0.72]]
    """
    if getattr(model, "token_states", None) is None:
        return read_twice(lambda texts: model.embed(texts, query=False), passages, spans)
    firsts = np.cumsum([0, *map(len, spans)])
    states = np.zeros((int(firsts[-1]), model.dim), np.float32)
    whole = np.zeros((len(passages), model.dim), np.float32)
    for number, tokens, offsets in model.token_states(passages):  # type: ignore[attr-defined]
        whole[number] = tokens.mean(axis=0)[: model.dim]
        there = offsets[:, 1] > offsets[:, 0]
        for row, (start, end) in enumerate(spans[number], int(firsts[number])):
            own = there & (offsets[:, 1] > start) & (offsets[:, 0] < end)
            if own.any():
                states[row] = tokens[own].mean(axis=0)[: model.dim]
    alone = np.flatnonzero(~states.any(axis=1))
    truncated: tuple[int, ...] = ()
    if alone.size:
        texts = sentences_of(passages, spans)
        read = model.embed([texts[row] for row in alone], query=False)
        states[alone] = read.dense
        truncated = tuple(int(alone[place]) for place in read.truncated)
    if not len(states):
        return Encoded(states)
    rows = unit_rows(states, model=model.model)
    return Encoded(mean_of(rows, of_each(unit_rows(whole, model=model.model), spans)), None, truncated)


def read_twice(embed: Callable[[list[str]], Encoded], passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
    """Return the mean of each sentence's vector and its passage's, for models without token states.

    >>> def embed(texts):
    ...     return Encoded(np.array([[1, 0] if text == "Rain." else [0, 1] for text in texts], np.float32))
    >>> read_twice(embed, ["Rain. Snow."], [[(0, 5), (6, 11)]]).dense.tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    encoded = embed(sentences_of(passages, spans))
    if not len(encoded):
        return encoded
    return replace(encoded, dense=mean_of(encoded.dense, of_each(embed(list(passages)).dense, spans)))


def of_each(rows: NDArray[Any], spans: Sequence[Spans]) -> NDArray[Any]:
    """Return for each sentence the row of its passage.

    >>> of_each(np.array([[1.0], [2.0]]), [[(0, 4), (5, 9)], [(0, 6)]]).tolist()
    [[1.0], [1.0], [2.0]]
    """
    return np.repeat(rows, [len(parts) for parts in spans], axis=0)
