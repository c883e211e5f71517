"""SPLADE: a sparse encoder of sentence-transformers as the lexical side beside any dense model.

Such a model weights the words of its vocabulary, related words that the text lacks included (Formal et al., arXiv
2109.10086). A window is pooled by the maximum per term, without IDF, as with BGE-M3's head.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexes.encoders.base import Encoded, Fingerprint, SparseVector
from indexes.encoders.batching import token_batches
from indexes.encoders.loading.probe import UNLIKE, refuse_code
from indexes.encoders.tokens import forward_pass
from indexes.encoders.torch_runtime import choose_device, model_folder, quiet_loading, weights_digest
from indexes.encoders.vectors import EMPTY_SPARSE, join, weighted
from indexes.errors import EncoderError, SettingsError, first_line
from indexes.settings.sections import IndexSettings

SPLADE = "SpladePooling"
HEADS = (SPLADE, "SparseAutoEncoder", "SparseStaticEmbedding", "Router")  # modules of sentence-transformers
NUMBERS = 1 << 25  # tokens x vocabulary in one pass: the last layer scores every word of the vocabulary at every token


class Splade:
    """A ``LexicalModel`` that runs a network, in float32.

    >>> Splade(IndexSettings())
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: sparse.kind = 'splade' needs sparse.model; name a sparse encoder: a folder, or a
    hub name such as prithivida/Splade_PP_en_v1

    Args:
        settings: ``sparse.model`` is a folder or a hub name; device, hub and ``trust_remote_code`` are those of
            ``encoder``.

    Raises:
        SettingsError: ``sparse.model`` is not set.
        EncoderError: the model is not a sparse encoder, or the hub cannot be reached.
    """

    name = "splade"
    idf = False
    neighbours = 1.0  # as with BGE-M3's head; not measured

    def __init__(self, settings: IndexSettings) -> None:
        named, encoder = settings.sparse.model, settings.encoder
        if not named:
            raise SettingsError(
                "sparse.kind = 'splade' needs sparse.model",
                remedy="name a sparse encoder: a folder, or a hub name such as prithivida/Splade_PP_en_v1",
            )
        folder = model_folder(named, hub=encoder.hub)
        refuse_code(folder, named, trusted=encoder.trust_remote_code, section="encoder")
        if not sparse_head(folder) and (folder / "config.json").is_file():
            raise EncoderError(
                f"'{named}' ({folder}) has no head that gives terms, and a new one would give them at random",
                remedy="name a SPLADE model: a masked language model, or a folder whose modules end in SpladePooling",
            )
        self.model, self.weights = named, weights_digest(folder)
        self._network = _load(folder, named, str(choose_device(encoder.device)), encoder.trust_remote_code)
        width = int(self._network.get_embedding_dimension())
        self._budget = min(encoder.batch_tokens, max(64, NUMBERS // max(1, width)))
        self._lock = threading.RLock()
        self._vectors: Any = None  # its file in the encoding cache
        one, other = self._encode(list(UNLIKE), "encode_document")
        if not len(one) or not len(other) or np.array_equal(one.indices, other.indices):
            raise EncoderError(
                f"'{named}' returns the same terms for two different texts, or none",
                remedy="check that it is a sparse encoder and that its tokenizer's files are there",
            )

    @property
    def parameters(self) -> str:
        """Everything that stored vectors depend on, for the fingerprint."""
        return f"splade:{self.weights or self.model}"

    def parameters_under(self, rules: int) -> str:
        """Return ``parameters``: no earlier version had others."""
        return self.parameters

    def kept_in(self, file_of: Callable[[Fingerprint], Any]) -> Splade:
        """Return the same model with its vectors in the encoding cache.

        Args:
            file_of: returns the cache's file (``cache.vectors.Vectors``) for a fingerprint.
        """
        found = copy.copy(self)
        found._vectors = file_of(Fingerprint(self.model, self.weights, 0, self.name, sparse=self.parameters))
        return found

    def close(self) -> None:
        if self._vectors is not None:
            self._vectors.close()

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the term weights of each sentence; ``pool`` merges them over a window."""
        return self._kept("d", texts, "encode_document")

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the term weights of each question."""
        return self._kept("q", texts, "encode_query")

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        return join(weighted(window, weights), np.maximum)

    def _kept(self, kind: str, texts: Sequence[str], how: str) -> list[SparseVector]:
        if self._vectors is None or not texts:
            return self._encode(list(texts), how)

        def compute(missing: list[str]) -> Encoded:
            return Encoded(np.empty((len(missing), 0), np.float32), self._encode(missing, how))

        found: Encoded = self._vectors.encode(kind, texts, compute)[0]
        return found.sparse or []

    def _encode(self, texts: list[str], how: str) -> list[SparseVector]:
        network = self._network
        encode: Callable[..., Any] = getattr(network, how)
        found: list[SparseVector] = [EMPTY_SPARSE] * len(texts)
        if not texts:
            return found
        with self._lock, forward_pass(self.model, self._budget):
            ids = network.tokenizer(texts, truncation=True, max_length=network.max_seq_length)["input_ids"]
            for batch in token_batches([len(one) for one in ids], self._budget):
                rows = encode(
                    [texts[place] for place in batch],
                    batch_size=len(batch),
                    convert_to_sparse_tensor=True,
                    save_to_cpu=True,
                    show_progress_bar=False,
                ).coalesce()
                at, terms = rows.indices().numpy()
                values = rows.values().float().numpy()
                ends = np.searchsorted(at, np.arange(len(batch) + 1))
                for row, place in enumerate(batch):
                    own = slice(int(ends[row]), int(ends[row + 1]))
                    found[place] = SparseVector(terms[own].astype(np.uint32), values[own].astype(np.float32))
        return found


def sparse_head(folder: Path) -> str:
    """Return the class of the module that makes a model's vectors sparse; "" if it has none.

    Without a list of modules, sentence-transformers makes a SPLADE model of a masked language model and puts an
    untrained autoencoder on anything else, as it does on dense models.

    >>> _ = (folder / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}')
    >>> sparse_head(folder)
    'SpladePooling'
    >>> _ = (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Pooling"}]')
    >>> sparse_head(folder)
    ''
    """
    if (folder / "modules.json").is_file():
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        kinds = [str(module.get("type", "")).partition(".")[::2] for module in reversed(modules)]
        named = [(library, path.rpartition(".")[2] or library) for library, path in kinds]
        # A class that a folder brings itself may be one.
        return next((name for library, name in named if name in HEADS or library != "sentence_transformers"), "")
    config = folder / "config.json"
    found = json.loads(config.read_text(encoding="utf-8")).get("architectures") if config.is_file() else None
    return SPLADE if any(str(name).endswith("ForMaskedLM") for name in found or ()) else ""


def _load(folder: Path, name: str, device: str, trusted: bool) -> Any:
    from sentence_transformers import SparseEncoder

    try:
        with quiet_loading():
            network = SparseEncoder(str(folder), device=device, local_files_only=True, trust_remote_code=trusted)
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, TypeError) as error:
        raise EncoderError(
            f"'{name}' ({folder}) cannot be loaded as a sparse encoder "
            f"({type(error).__name__}: {first_line(error)[:200]})",
            remedy="give the folder of a SPLADE model: config.json, weights and tokenizer",
        ) from error
    return network.float().eval()
