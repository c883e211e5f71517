"""Encode a chunk of records: the sentences, the words of their place, and the passages around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.encoders.paired import of_each
from indexes.encoders.window_pooling import mean_of, mix
from indexes.nodes.passages import passages_of
from indexes.nodes.record import SentenceRecord, dense_text, place_of
from indexes.settings.sections import IndexSettings
from indexes.text.invisible import searched

ROOM = 0.75  # share of the model's maximum length: the size of a passage is an estimate, and its place precedes it


@dataclass(slots=True)
class EncodedChunk:
    """The vectors of a chunk, and the sparse vectors of the words of each record's place."""

    encoded: Encoded
    places: list[SparseVector | None] | None = None


def passage_size(settings: IndexSettings, max_tokens: int) -> int:
    """Return the size of passages: ``split.passage``, or less if the model reads less (0 if that is unknown).

    >>> settings = IndexSettings(split={"passage": 600})
    >>> passage_size(settings, 8192), passage_size(settings, 512), passage_size(IndexSettings(), 512)
    (600, 384, 0)
    """
    size = settings.split.passage
    return min(size, int(ROOM * max_tokens)) if size and max_tokens else size


def encode_records(
    model: CachedEncoder | CachedPaired, records: Sequence[SentenceRecord], settings: IndexSettings
) -> EncodedChunk:
    """Encode consecutive records; with passages, the first must begin one and the last must end one."""
    split = settings.split
    plain = [searched(record.text) for record in records]
    size = passage_size(settings, model.max_tokens)
    passages = passages_of(records, size) if size else []
    texts, spans = [passage.text for passage in passages], [passage.spans for passage in passages]
    if passages and split.passage_reading == "once":
        encoded = model.encode_passages(texts, spans)
    elif split.contextual == "none":
        encoded = model.encode_documents(plain)
    else:
        encoded = model.encode_documents([searched(dense_text(record, split.contextual)) for record in records], plain)
    if passages and split.passage_reading == "twice":
        encoded = replace(encoded, dense=_with_passages(model, encoded.dense, texts, spans, plain))
    named = _places_of(records)
    if split.place and split.contextual == "none":
        encoded = replace(encoded, dense=_with_places(model, encoded.dense, named, split.place))
    places = _lexical_places(model, named) if settings.sparse.place else None
    return EncodedChunk(encoded, places)


def _places_of(records: Sequence[SentenceRecord]) -> list[str]:
    """Return the words of each record's place, computed once where records share their metadata."""
    found: dict[int, str] = {}
    for record in records:
        key = id(record.metadata)
        if key not in found:
            found[key] = searched(place_of(record))
    return [found[id(record.metadata)] for record in records]


def _with_passages(
    model: CachedEncoder | CachedPaired,
    dense: NDArray[np.float32],
    texts: list[str],
    spans: list[tuple[tuple[int, int], ...]],
    plain: list[str],
) -> NDArray[np.float32]:
    """Add the vectors of passages; a sentence that is a passage by itself is unchanged."""
    rows = of_each(model.dense_documents(texts).dense, spans)
    whole = [text for text, parts in zip(texts, spans, strict=True) for _ in parts]
    alone = np.array([text == passage for text, passage in zip(plain, whole, strict=True)])
    return np.where(alone[:, None], dense, mean_of(dense, rows))


def _with_places(
    model: CachedEncoder | CachedPaired, dense: NDArray[np.float32], named: list[str], share: float
) -> NDArray[np.float32]:
    texts = [text for text in dict.fromkeys(named) if text]
    if not texts:
        return dense
    rows = model.dense_documents(texts).dense
    row_of = {text: row for row, text in enumerate(texts)}
    there = np.array([text != "" for text in named])
    mixed = dense.copy()
    mixed[there] = mix(dense[there], rows[[row_of[text] for text in named if text]], share)
    return mixed


def _lexical_places(model: CachedEncoder | CachedPaired, named: list[str]) -> list[SparseVector | None] | None:
    """Return the sparse vectors of the words of the records' places; each place is encoded once."""
    if model.lexical is None:
        return None
    texts = [text for text in dict.fromkeys(named) if text]
    found = dict(zip(texts, model.lexical_documents(texts), strict=True))
    return [found.get(text) for text in named]
