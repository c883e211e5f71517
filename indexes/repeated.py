"""Passages that come again: boilerplate, copied chapters, old versions of a document."""

from __future__ import annotations

import hashlib
from collections import deque

from indexes.nodes.record import SentenceRecord
from indexes.report import Repeated

RUN = 3  # sentences that must agree
LEAST_CHARS = 60  # letters and digits in them: three short lines are no passage
EXAMPLES = 5
REMEMBERED = 2_000_000  # runs of sentences; later ones are compared, but not remembered


class RepeatedPassages:
    """Looks at each sentence once; 8 bytes and a name are remembered for each run of three."""

    def __init__(self, repeated: Repeated) -> None:
        self._repeated = repeated
        self._first: dict[bytes, str] = {}
        self._last: deque[tuple[str, str]] = deque(maxlen=RUN)  # (normalised, as it is)
        self._place: tuple[str, int] = ("", -1)
        self._within = False

    def add(self, record: SentenceRecord) -> None:
        place = (record.doc_id, record.section)
        if place != self._place:
            self._place = place
            self._last.clear()
            self._within = False
        self._last.append(("".join(filter(str.isalnum, record.text.casefold())), record.text))
        if len(self._last) < RUN or sum(len(text) for text, _ in self._last) < LEAST_CHARS:
            self._within = False
            return
        joined = "\n".join(text for text, _ in self._last)
        key = hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        first = self._first.get(key)
        if first is None:
            self._within = False
            if len(self._first) < REMEMBERED:
                self._first[key] = record.source
            return
        if not self._within:  # a longer passage is counted once
            self._repeated.passages += 1
            if len(self._repeated.examples) < EXAMPLES:
                text = " ".join(shown for _, shown in self._last)
                self._repeated.examples.append({"text": text[:200], "source": record.source, "first_source": first})
        self._within = True
