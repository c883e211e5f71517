"""Texts to token ids once, and token ids to padded batches, for every torch encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.batching import token_batches
from indexes.errors import EncoderError

if TYPE_CHECKING:
    import torch


class Tokens:
    """A Hugging Face tokenizer with a length limit, that says which texts it cut.

    The Rust tokenizer is called directly where there is one: the wrapper around it takes longer than the work.

    Args:
        tokenizer: a transformers tokenizer that belongs to the caller alone (its truncation is set here).
        max_tokens: longest text, special tokens included.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.pad_id: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self._rust = getattr(tokenizer, "backend_tokenizer", None) if tokenizer.is_fast else None
        if self._rust is not None:
            self._rust.enable_truncation(max_tokens)
            self._rust.no_padding()

    def __call__(self, texts: Sequence[str]) -> tuple[list[list[int]], tuple[int, ...]]:
        """Token ids of each text, and the positions of the texts that were cut."""
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
        """Whether it says where in the text each token stands."""
        return self._rust is not None

    def with_offsets(self, texts: Sequence[str]) -> tuple[list[list[int]], list[NDArray[np.int64]]]:
        """Token ids of each text, cut to ``max_tokens``, and the (start, end) of each token in it."""
        assert self._rust is not None  # noqa: S101 - see ``gives_offsets``
        encodings = self._rust.encode_batch(list(texts))
        return [encoding.ids for encoding in encodings], offsets_of(encodings)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, uncut. The limit set above stays, so a thread may count while another encodes."""
        if self._rust is not None:
            return counts(self._rust.encode_batch(list(texts)))
        return [len(one) for one in self.tokenizer(list(texts))["input_ids"]]


def offsets_of(encodings: Sequence[Any]) -> list[NDArray[np.int64]]:
    """(tokens, 2) offsets of each encoding of a Rust tokenizer."""
    return [np.array(encoding.offsets, np.int64).reshape(-1, 2) for encoding in encodings]


def counts(encodings: Sequence[Any]) -> list[int]:
    """Tokens of each encoding of a Rust tokenizer, with those its limit cut off."""
    found = []
    for encoding in encodings:
        special = sum(encoding.special_tokens_mask)  # the parts that were cut off have these again
        found.append(len(encoding.ids) + sum(len(part.ids) - special for part in encoding.overflowing))
    return found


def padded_batches(
    ids: Sequence[Sequence[int]], *, budget: int, pad_id: int, device: torch.device
) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """(positions, input_ids, attention_mask) of each batch, padded on the right; int64 tensors on ``device``."""
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


@contextmanager
def forward_pass(model: str, budget: int) -> Iterator[None]:
    """inference_mode, with the GPU's out-of-memory turned into a sentence."""
    import torch

    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as exc:
        raise EncoderError(
            f"'{model}' does not fit the GPU's memory with batches of {budget} tokens",
            remedy=f"set encoder.batch_tokens = {max(64, budget // 4)}, or device = 'cpu'",
        ) from exc
