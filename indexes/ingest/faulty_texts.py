"""Handle texts that the model cannot encode: their file is skipped, the run continues."""

from __future__ import annotations

from itertools import accumulate, groupby

import numpy as np

from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.errors import TextError
from indexes.ingest.encode_stage import EncodedChunk, encode_records
from indexes.ingest.events import End, Task
from indexes.ingest.store_stage import Chunk
from indexes.settings.sections import IndexSettings

MOST = 3  # consecutive failing files at the beginning after which the model is at fault, not the texts


class FaultyTexts:
    """Encodes chunks, and gives up files with a text that cannot be encoded.

    >>> from types import SimpleNamespace
    >>> from indexes.ingest.report import FileReport
    >>> from indexes.nodes.record import SentenceRecord
    >>> def refuse(texts):
    ...     raise TextError("the text is too long", remedy="lower split.max_chars")
    >>> task = Task(FileReport("a.md", "added"))
    >>> chunk = Chunk(pairs=[(task, SentenceRecord("a.md", 0, "It rains."))], ends=[(1, End(task))])
    >>> model = SimpleNamespace(max_tokens=512, encode_documents=refuse)
    >>> FaultyTexts().encode(model, chunk, IndexSettings()) is None, chunk.ends[0][1].reason
    (True, "'a.md' holds a text that cannot be encoded (the text is too long); lower split.max_chars")

    Args:
        skip: False: the first such file ends the run, since a reindex must not lose documents.
    """

    def __init__(self, *, skip: bool = True) -> None:
        self._skip = skip
        self._given_up: dict[int, tuple[Task, str]] = {}  # by id(): tasks compare by value
        self._worked = False

    def drop(self, chunk: Chunk) -> None:
        """Remove given-up files from a chunk; their ends have the reason."""
        if not self._given_up:
            return
        kept = [id(task) not in self._given_up for task, _ in chunk.pairs]
        before = list(accumulate(kept, initial=0))
        chunk.ends = [(before[row], self._end(end)) for row, end in chunk.ends]
        chunk.pairs = [pair for pair, stays in zip(chunk.pairs, kept, strict=True) if stays]

    def _end(self, end: End) -> End:
        known = self._given_up.get(id(end.task))
        return end if known is None or end.reason is not None else End(end.task, known[1])

    def encode(self, model: CachedEncoder | CachedPaired, chunk: Chunk, settings: IndexSettings) -> EncodedChunk | None:
        """Encode the sentences of a chunk; None if no file is left in it.

        Raises:
            TextError: apparently no text can be encoded, or files must not be skipped.
        """
        try:
            found = encode_records(model, [record for _, record in chunk.pairs], settings)
        except TextError:
            return self._one_by_one(model, chunk, settings)
        self._worked = True
        return found

    def _one_by_one(
        self, model: CachedEncoder | CachedPaired, chunk: Chunk, settings: IndexSettings
    ) -> EncodedChunk | None:
        parts: list[EncodedChunk] = []
        for _, pairs in groupby(chunk.pairs, key=lambda pair: id(pair[0])):
            file = list(pairs)
            task = file[0][0]
            try:
                parts.append(encode_records(model, [record for _, record in file], settings))
                self._worked = True
            except TextError as error:
                what = f"'{task.report.path}' holds a text that cannot be encoded ({error.what})"
                if not self._skip:
                    raise TextError(what, remedy=f"{error.remedy}, or delete that document and run it again") from error
                self._given_up[id(task)] = (task, f"{what}; {error.remedy}")
                if not self._worked and len(self._given_up) >= MOST:
                    raise
        self.drop(chunk)
        return _joined(parts) if parts else None


def _joined(parts: list[EncodedChunk]) -> EncodedChunk:
    firsts = list(accumulate((len(part.encoded) for part in parts), initial=0))
    sparse: list[SparseVector] = [row for part in parts for row in part.encoded.sparse or ()]
    places = [row for part in parts for row in part.places or ()]
    encoded = Encoded(
        np.vstack([part.encoded.dense for part in parts]),
        sparse if parts[0].encoded.sparse is not None else None,
        tuple(first + row for first, part in zip(firsts, parts, strict=False) for row in part.encoded.truncated),
    )
    return EncodedChunk(encoded, places if parts[0].places is not None else None)
