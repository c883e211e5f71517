"""The Encoder seam: one forward pass gives the dense and the sparse vectors of a text.

A dense model whose checkpoint has no sparse head is paired with BM25 (``bm25.py``); the pair is again an
``Encoder``. Sparse vectors of *documents* are per sentence and not yet final: ``Lexical.pool`` joins those of a
sentence's window into the vector that is stored, without another forward pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Spans = Sequence[tuple[int, int]]  # of sentences in a passage


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights of one text: ``indices`` uint32, sorted, unique; ``values`` float32 > 0, same length."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.indices.size)


EMPTY_SPARSE = SparseVector(np.empty(0, np.uint32), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder returns for n texts, in their order.

    Args:
        dense: float32 (n, dim), each row L2-normalised.
        sparse: n sparse vectors, or None where the encoder has no lexical side.
        truncated: positions of the texts that were longer than the model reads (never silent).
    """

    dense: NDArray[np.float32]
    sparse: list[SparseVector] | None = None
    truncated: tuple[int, ...] = ()

    def __len__(self) -> int:
        return int(self.dense.shape[0])


class Lexical(Protocol):
    """How sentence-level term weights become the stored sparse vector of a window."""

    @property
    def name(self) -> str: ...  # "learned" (BGE-M3's head), "splade" or "bm25"

    @property
    def idf(self) -> bool: ...  # True: Qdrant multiplies the query weights by IDF (Modifier.IDF)

    @property
    def neighbours(self) -> float: ...  # what the words of the sentences around count, unless the settings say it

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        """Join the sparse vectors of a window's sentences: maximum a term (learned), saturated counts (BM25).

        One that also has ``pool_many(windows, weights)``, which gives the same vectors all at once, is asked by that.

        Args:
            weights: what each counts; default: all 1.
        """
        ...


class LexicalModel(Lexical, Protocol):
    """A lexical side that reads texts by itself, beside any dense model: BM25, SPLADE."""

    @property
    def parameters(self) -> str: ...  # for the fingerprint: all that stored vectors depend on

    def parameters_under(self, rules: int) -> str: ...  # what an earlier version's fingerprint says

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]: ...  # a sentence each, to be pooled

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]: ...


@dataclass(frozen=True)
class Fingerprint:
    """What makes vectors comparable. A collection records it and refuses to be opened with another.

    Args:
        model: name as configured (hub name, ModelScope name, folder, or server model name).
        weights: hash of the weight files, or revision, or "" where a server does not say.
        dim: dense dimension.
        pooling: "cls", "mean", "last", or "server".
        prompts: {"query": str, "document": str} put before texts.
        sparse: "learned", "splade:<weights>", "bm25:<parameters>", or "none".
    """

    model: str
    weights: str
    dim: int
    pooling: str
    prompts: dict[str, str] = field(default_factory=dict)
    sparse: str = "none"

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    @property
    def digest(self) -> str:
        """16 hex digits over everything but the model's display name (a moved folder is the same model)."""
        content = {key: value for key, value in asdict(self).items() if key != "model" or not self.weights}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@runtime_checkable
class Encoder(Protocol):
    """One model, both legs. Implementations are built by ``indexes.encoders.build_encoder(settings)``."""

    @property
    def dim(self) -> int: ...  # a server is asked on first use

    @property
    def max_tokens(self) -> int:
        """Texts longer than this are truncated, and reported in ``Encoded.truncated``; 0: only the server knows."""
        ...

    @property
    def lexical(self) -> Lexical | None: ...

    @property
    def fingerprint(self) -> Fingerprint: ...

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        """Dense (document prompt) and sentence-level sparse vectors, one forward pass. [] gives shape (0, dim)."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """The same for questions: query prompt, and sparse vectors ready to search with."""
        ...


@runtime_checkable
class ReadsPassages(Protocol):
    """What encoders offer besides, where they read sentences within their passages; ours all do."""

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """Return a row a sentence, each read in its passage, in one forward pass where the model allows it.

        A model that pools by mean reads each passage once: a sentence's vector is the mean of its own tokens there
        (late chunking, arXiv 2409.04701) plus the passage's. Any other reads sentence and passage, each by itself. A
        sentence that the model's length cuts off is read by itself too. Sparse vectors are those of the sentences.

        Args:
            spans: (start, end) of the sentences of each passage.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """What encoders and dense models offer besides, where they can: the splitter cuts by it what is too long."""

    @property
    def max_tokens(self) -> int: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as ``encode_documents`` would read it, document prompt and special tokens included.

        A text of at most ``max_tokens`` is not truncated. Models in this process count exactly; for a server's model
        the count is an estimate on the high side. Any thread may call it, also while texts are encoded.
        """
        ...


@runtime_checkable
class GivesStates(Protocol):
    """What dense models that pool by mean offer besides: the states that they pool."""

    def token_states(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """Yield (position, float32 (tokens, dim), int (tokens, 2) offsets in the text) of each text, in any order.

        The document prompt stands before each text; its tokens, and the special ones, have offsets that are empty or
        end at 0 or before.
        """
        ...


class DenseModel(Protocol):
    """A model with dense vectors only. ``paired.PairedEncoder`` puts a lexical side beside it."""

    @property
    def model(self) -> str: ...  # name as configured

    @property
    def dim(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def weights(self) -> str: ...  # as Fingerprint.weights

    @property
    def pooling(self) -> str: ...

    @property
    def prompts(self) -> dict[str, str]: ...  # {"query": str, "document": str}

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        """Dense vectors of texts with the query or document prompt; ``sparse`` is None."""
        ...


class Around:
    """An encoder around another one: what a subclass does not do itself, and what else the model offers, is the inner
    one's (``count_tokens`` is there exactly where the model has it)."""

    def __init__(self, inner: Encoder) -> None:
        self.inner = inner

    @property
    def dim(self) -> int:
        return self.inner.dim

    @property
    def max_tokens(self) -> int:
        return self.inner.max_tokens

    @property
    def lexical(self) -> Lexical | None:
        return self.inner.lexical

    @property
    def fingerprint(self) -> Fingerprint:
        return self.inner.fingerprint

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)
