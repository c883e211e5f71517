"""Tokenise texts once and pad token ids to batches, for all torch encoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.batching import batch_done, token_batches
from indexes.errors import EncoderError

if TYPE_CHECKING:
    import torch


class Tokens:
    """A Hugging Face tokenizer with a length limit that reports which texts it truncated.

    The Rust tokenizer, if there is one, is called directly: its wrapper takes longer than the work.

    >>> from types import SimpleNamespace
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> rust = Tokenizer(models.WordLevel({"rain": 0, "[UNK]": 1}, unk_token="[UNK]"))
    >>> rust.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> tokens = Tokens(SimpleNamespace(backend_tokenizer=rust, is_fast=True, pad_token_id=0), max_tokens=3)
    >>> tokens(["rain", "rain and more rain"]), tokens.count(["rain and more rain"])
    (([[0], [0, 1, 1]], (1,)), [4])

    Args:
        tokenizer: a transformers tokenizer that is not shared (its truncation is set here).
        max_tokens: longest text in tokens, special tokens included.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.pad_id: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self._rust = getattr(tokenizer, "backend_tokenizer", None) if tokenizer.is_fast else None
        if self._rust is not None:
            self._rust.enable_truncation(max_tokens)
            self._rust.no_padding()

    def __call__(self, texts: Sequence[str]) -> tuple[list[list[int]], tuple[int, ...]]:
        """Return the token ids of each text, and the positions of truncated texts."""
        if self._rust is not None:
            encodings = self._rust.encode_batch(list(texts))
            cut = tuple(i for i, encoding in enumerate(encodings) if encoding.overflowing)
            return [encoding.ids for encoding in encodings], cut
        ids = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        full = [i for i, one in enumerate(ids) if len(one) == self.max_tokens]
        whole = self.tokenizer([texts[i] for i in full])["input_ids"] if full else []
        return ids, tuple(i for i, one in zip(full, whole, strict=True) if len(one) > self.max_tokens)

    @property
    def gives_offsets(self) -> bool:
        """Whether the tokenizer reports the offsets of tokens."""
        return self._rust is not None

    def with_offsets(self, texts: Sequence[str]) -> tuple[list[list[int]], list[NDArray[np.int64]]]:
        """Return the token ids of each text, cut to ``max_tokens``, and the (start, end) of each token in it."""
        assert self._rust is not None  # noqa: S101 - see ``gives_offsets``
        encodings = self._rust.encode_batch(list(texts))
        return [encoding.ids for encoding in encodings], offsets_of(encodings)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens per text before truncation. Safe while another thread encodes."""
        if self._rust is not None:
            return counts(self._rust.encode_batch(list(texts)))
        return [len(one) for one in self.tokenizer(list(texts))["input_ids"]]


def offsets_of(encodings: Sequence[Any]) -> list[NDArray[np.int64]]:
    """Return the offsets, int64 (tokens, 2), of each encoding of a Rust tokenizer.

    >>> from types import SimpleNamespace
    >>> offsets_of([SimpleNamespace(offsets=[(0, 4), (4, 5)])])[0].tolist()
    [[0, 4], [4, 5]]
    """
    return [np.array(encoding.offsets, np.int64).reshape(-1, 2) for encoding in encodings]


def counts(encodings: Sequence[Any]) -> list[int]:
    """Return the number of tokens per encoding of a Rust tokenizer, truncated ones included.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"rain": 0, "[UNK]": 1}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> tokenizer.enable_truncation(2)
    >>> counts(tokenizer.encode_batch(["rain", "rain and more rain"]))
    [1, 4]
    """
    found = []
    for encoding in encodings:
        special = sum(encoding.special_tokens_mask)  # repeated in each part that was cut off
        found.append(len(encoding.ids) + sum(len(part.ids) - special for part in encoding.overflowing))
    return found


def within(configured: int | None, positions: int, longest: int) -> int:
    """Return the configured length, else the tokenizer's ``longest``, at most the network's positions.

    >>> within(None, 512, 128), within(256, 512, 128)
    (128, 256)
    >>> within(1024, 512, 128)
    Traceback (most recent call last):
        ...
    indexes.errors.EncoderError: max_tokens = 1024, but the model has positions for 512 tokens; set
    encoder.max_tokens to 512 or less

    Raises:
        EncoderError: more is configured than the network has positions.
    """
    if configured is not None and configured > positions:
        raise EncoderError(
            f"max_tokens = {configured}, but the model has positions for {positions} tokens",
            remedy=f"set encoder.max_tokens to {positions} or less",
        )
    return configured or min(positions, longest)


def padded_batches(
    ids: Sequence[Sequence[int]], *, budget: int, pad_id: int, device: torch.device
) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Yield (positions, input_ids, attention_mask) per batch: int64 tensors on ``device``, padded on the right.

    >>> import torch
    >>> batches = padded_batches([[5, 6, 7, 8, 9], [5, 6, 7, 8]], budget=16, pad_id=0, device=torch.device("cpu"))
    >>> [(positions, ids.tolist()) for positions, ids, mask in batches]
    [([0, 1], [[5, 6, 7, 8, 9], [5, 6, 7, 8, 0]])]
    """
    import torch

    for positions in token_batches([len(one) for one in ids], budget):
        width = len(ids[positions[0]])
        padded = np.full((len(positions), width), pad_id, dtype=np.int64)
        mask = np.zeros((len(positions), width), dtype=np.int64)
        for row, position in enumerate(positions):
            one = ids[position]
            padded[row, : len(one)] = one
            mask[row, : len(one)] = 1
        yield positions, torch.from_numpy(padded).to(device), torch.from_numpy(mask).to(device)
        batch_done(len(positions))


@contextmanager
def forward_pass(model: str, budget: int) -> Iterator[None]:
    """Enter ``torch.inference_mode`` and turn a GPU's out-of-memory error into an ``EncoderError``."""
    import torch

    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as exc:
        raise EncoderError(
            f"'{model}' does not fit the GPU's memory with batches of {budget} tokens",
            remedy=f"set encoder.batch_tokens = {max(64, budget // 4)}, or device = 'cpu'",
        ) from exc
