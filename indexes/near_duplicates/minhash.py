"""MinHash signatures of sentences: how alike two passages are, told from a few bytes of each.

A sentence is the set of its runs of four letters and digits, case, blanks and punctuation left out, so that Chinese and
English need no words. A signature is one permutation hashing (Li, Owen and Zhang 2012): each run is hashed once, the
hash's upper bits choose one of ``BINS`` bins, and each bin keeps the smallest of what falls into it. The signature of a
passage is the bin-wise minimum over its sentences, and the share of bins that two passages have in common estimates the
share of runs that they have in common (Jaccard).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHINGLE = 4  # letters and digits
BINS = 64
EMPTY = np.uint32(0xFFFFFFFF)
EMPTY_BYTE = 255
_SEPARATORS = re.compile(r"[\W_]+")
_FACTORS = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F], np.uint32)


def normalised(text: str) -> str:
    """Letters and digits, case folded."""
    return _SEPARATORS.sub("", text.casefold())


def signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """(n, BINS) of normalised texts; ``EMPTY`` where nothing fell into a bin. A text below four characters has none.

    Time is linear in the characters; all texts are hashed in one go.
    """
    found = np.full((len(texts), BINS), EMPTY, np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    if len(codes) < SHINGLE:
        return found
    count = len(codes) - SHINGLE + 1
    hashes = np.zeros(count, np.uint32)
    for place in range(SHINGLE):
        hashes += codes[place : place + count] * _FACTORS[place]
    hashes ^= hashes >> np.uint32(15)
    hashes *= np.uint32(0x2C1B3C6D)
    hashes ^= hashes >> np.uint32(12)
    hashes *= np.uint32(0x297A2D39)
    hashes ^= hashes >> np.uint32(15)
    owner = np.repeat(np.arange(len(texts)), lengths)
    whole = owner[:count] == owner[SHINGLE - 1 :]  # no run crosses the end of a text
    hashes, owner = hashes[whole], owner[:count][whole]
    slots = owner * BINS + (hashes >> np.uint32(26)).astype(np.int64)
    np.minimum.at(found.reshape(-1), slots, hashes & np.uint32(0x03FFFFFF))
    return found


def packed(signature: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """A byte a bin, ``EMPTY_BYTE`` for an empty one: what is kept, and enough to estimate by."""
    return np.where(signature == EMPTY, EMPTY_BYTE, signature % np.uint32(EMPTY_BYTE)).astype(np.uint8)


def alike(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Estimated Jaccard similarity of a packed signature with each of (n, BINS) others; bins empty on both sides say
    nothing."""
    there = (one != EMPTY_BYTE) | (others != EMPTY_BYTE)
    same = (one == others) & there
    return same.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)
