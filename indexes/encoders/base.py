"""The Encoder seam: one forward pass gives the dense and the sparse vectors of a text.

A dense model without a sparse head is paired with BM25 (``bm25.py``); the pair is again an ``Encoder``. The sparse
vectors of *documents* are per sentence and not final: ``Lexical.pool`` merges those of a sentence's window into the
stored vector, without another forward pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from indexes.registry import later

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = later("numpy")


Spans = Sequence[tuple[int, int]]  # (start, end) of each sentence in a passage


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights of one text.

    >>> SparseVector(np.array([3, 8], np.uint32), np.array([0.5, 1.0], np.float32))
    SparseVector(indices=array([3, 8], dtype=uint32), values=array([0.5, 1. ], dtype=float32))

    Args:
        indices: term ids, uint32, sorted and unique.
        values: weights, float32, greater than 0, one per index.
    """

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.indices.size)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of n texts, in the order of the texts.

    >>> encoded = Encoded(np.eye(2, 3, dtype=np.float32), truncated=(1,))
    >>> len(encoded), encoded.dense.shape, encoded.sparse, encoded.truncated
    (2, (2, 3), None, (1,))

    Args:
        dense: float32 (n, dim), each row L2-normalised; for sentences read in passages the mean of two such rows.
        sparse: n sparse vectors, or None if the encoder has no lexical side.
        truncated: positions of the texts that exceeded the model's maximum length.
    """

    dense: NDArray[np.float32]
    sparse: list[SparseVector] | None = None
    truncated: tuple[int, ...] = ()

    def __len__(self) -> int:
        return int(self.dense.shape[0])


class Lexical(Protocol):
    """Turns the term weights of sentences into the sparse vector that is stored for a window.

    >>> from indexes.encoders.bm25 import Bm25
    >>> lexical = Bm25()
    >>> lexical.name, lexical.idf, lexical.neighbours
    ('bm25', True, 0.5)
    """

    @property
    def name(self) -> str: ...  # "learned" (BGE-M3's head), "splade" or "bm25"

    @property
    def idf(self) -> bool: ...  # True: Qdrant multiplies the query weights by IDF (Modifier.IDF)

    @property
    def neighbours(self) -> float: ...  # weight of the neighbouring sentences' words, unless the settings set one

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        """Merge the sparse vectors of a window: maximum per term (learned, SPLADE) or saturated counts (BM25).

        An implementation may also offer ``pool_many(windows, weights)``, the same for many windows at once; it is then
        called instead.

        Args:
            weights: weight of each sentence's vector; default: all 1.
        """
        ...


class LexicalModel(Lexical, Protocol):
    """A lexical side with its own encoding, for use beside any dense model: BM25, SPLADE.

    >>> from indexes.encoders.bm25 import Bm25
    >>> [len(row) for row in Bm25().encode_documents(["It rains.", "It rains and storms."])]
    [1, 2]
    """

    @property
    def parameters(self) -> str: ...  # for the fingerprint: everything that stored vectors depend on

    def parameters_under(self, rules: int) -> str: ...  # as an earlier version's fingerprint recorded them

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]: ...  # one per sentence, not yet pooled

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]: ...


@dataclass(frozen=True)
class Fingerprint:
    """Identifies comparable vectors. A collection records it and cannot be opened with a different one.

    >>> moved = [Fingerprint(folder, "f3ab", 384, "mean") for folder in ("models/e5", "/srv/e5")]
    >>> moved[0].digest == moved[1].digest
    True

    Args:
        model: name as configured (hub name, ModelScope name, folder, or server model name).
        weights: hash of the weight files, or revision, or "" if a server reports none.
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
        """Hash of everything except the model's name (a moved folder is the same model): 16 hex digits."""
        content = {key: value for key, value in asdict(self).items() if key != "model" or not self.weights}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@runtime_checkable
class Encoder(Protocol):
    """Encodes texts for both legs. ``indexes.encoders.build_encoder(settings)`` builds the implementations.

    >>> from types import SimpleNamespace
    >>> isinstance(SimpleNamespace(encode_documents=len, encode_queries=len), Encoder)
    False
    >>> parts = dict(dim=2, max_tokens=512, lexical=None, fingerprint=Fingerprint("demo", "f3ab", 2, "mean"))
    >>> isinstance(SimpleNamespace(encode_documents=len, encode_queries=len, **parts), Encoder)
    True
    """

    @property
    def dim(self) -> int: ...  # the first access may query a server

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens; longer ones are truncated and reported in ``Encoded.truncated``. 0: unknown."""
        ...

    @property
    def lexical(self) -> Lexical | None: ...

    @property
    def fingerprint(self) -> Fingerprint: ...

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        """Return dense vectors (with the document prompt) and sentence-level sparse vectors; (0, dim) for []."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Return dense vectors (with the query prompt) and sparse vectors that are ready to search with."""
        ...


@runtime_checkable
class ReadsPassages(Protocol):
    """Optional part of an encoder: encode sentences in the context of their passage. All of ours have it.

    >>> from indexes.encoders.paired import PairedEncoder
    >>> isinstance(PairedEncoder(None, None), ReadsPassages)
    True
    """

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """Return one row per sentence, encoded in its passage, in one forward pass if the model allows it.

        A mean-pooling model reads each passage once: a sentence's vector is the mean of its tokens there (late
        chunking, arXiv 2409.04701). Other models encode sentences and passages separately, as is done for a sentence
        beyond the model's maximum length. The row is the mean of the sentence's and the passage's vectors, each of
        length 1, so that its product with a question is the mean of both cosines. Sparse vectors are those of the
        sentences.

        Args:
            spans: (start, end) of each sentence, per passage.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """Optional part of encoders and dense models: count tokens, by which the splitter cuts overlong sentences.

    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(max_tokens=512, count_tokens=lambda texts: [len(text.split()) + 2 for text in texts])
    >>> isinstance(model, CountsTokens), isinstance(model, GivesStates)
    (True, False)
    """

    @property
    def max_tokens(self) -> int: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens per text as ``encode_documents`` reads it, prompt and special tokens included.

        A text of at most ``max_tokens`` is not truncated. Local models count exactly; for a model on a server the
        count is a high estimate. Thread-safe, also while texts are encoded.
        """
        ...


@runtime_checkable
class GivesStates(Protocol):
    """Optional part of mean-pooling dense models: the token states before pooling.

    >>> from types import SimpleNamespace
    >>> states = np.zeros((3, 384), np.float32), np.array([[0, 0], [0, 2], [3, 8]])
    >>> model = SimpleNamespace(token_states=lambda texts: [(at, *states) for at in range(len(texts))])
    >>> isinstance(model, GivesStates), [(at, rows.shape) for at, rows, offsets in model.token_states(["It rains"])]
    (True, [(0, (3, 384))])
    """

    def token_states(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """Yield (position, states float32 (tokens, dim), offsets int64 (tokens, 2)) per text, in any order.

        The texts are read with the document prompt. Tokens of the prompt and special tokens have offsets that are
        empty or end at 0 or before.
        """
        ...


class DenseModel(Protocol):
    """A model with dense vectors only; ``paired.PairedEncoder`` adds a lexical side."""

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
        """Return dense vectors of texts with the query or document prompt; ``sparse`` is None."""
        ...


class Around:
    """Base class of encoders that wrap another one.

    Attributes that a subclass does not define, optional parts such as ``count_tokens`` included, are the inner
    encoder's.

    >>> from types import SimpleNamespace
    >>> inner = SimpleNamespace(dim=384, count_tokens=lambda texts: [len(text) for text in texts])
    >>> around = Around(inner)
    >>> around.dim, around.count_tokens(["rain"]), hasattr(around, "token_states")
    (384, [4], False)
    """

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
