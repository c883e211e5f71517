"""Passages of an index to ask about: non-overlapping runs of consecutive sentences of one section."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eval.datasets.dataset import CorpusPassage as Row
from eval.datasets.dataset import passage_id
from indexes.display import counted
from indexes.errors import SettingsError, SourceError
from indexes.nodes.record import SentenceRecord, join_records
from indexes.store.collection import document_filter
from rag.answer.words.terms import terms_of
from rag.retrieval.candidate import Passage

LEAST_TERMS = 4  # minimum number of content words in a passage to ask about
SHORT, REPEATED = "too short to ask about", "the same text stands in the index again"


@dataclass(frozen=True, slots=True)
class Window:
    r"""One passage: sentences of a document; its title is the heading path or the document's.

    >>> record = SentenceRecord("rules.md", 0, "Notice is three months.")
    >>> window = Window("rules.md#0-0", "rules.md", "Notice", record.text, "3f", (record,))
    >>> window.as_row().content
    'Notice\n\nNotice is three months.'
    """

    id: str
    doc_id: str
    title: str
    text: str
    digest: str
    sentences: tuple[SentenceRecord, ...]

    def as_passage(self) -> Passage:
        """Return it as a ``Passage`` of ``rag.answer``."""
        return Passage(1, list(self.sentences), [], 0.0)

    def as_row(self) -> Row:
        """Return it as a document of a dataset."""
        return Row(self.id, self.title, self.text)


class PassageWindows:
    """The passages of an index, and the passage of each sentence.

    >>> from types import SimpleNamespace
    >>> texts = ["The harbour opens at six.", "The museum opens at nine.", "Dogs are welcome.", "Boats need permits."]
    >>> rows = [(str(i), SentenceRecord("a.md", i, text, after=" ").to_payload()) for i, text in enumerate(texts)]
    >>> store = SimpleNamespace(pages=lambda size, where: iter([rows]))
    >>> documents = [SimpleNamespace(doc_id="a.md", sentences=4)]
    >>> windows = PassageWindows(SimpleNamespace(store=store, documents=lambda: documents), size=3)
    >>> [window.text for window in windows.all.values()], windows.skipped
    (['The harbour opens at six. The museum opens at nine.', 'Dogs are welcome. Boats need permits.'], {})

    Args:
        index: an open index, whose documents are read one by one.
        size: maximum number of sentences per passage. Sections are divided evenly: with 5, six sentences give 3 and 3.

    Raises:
        SourceError: the index has no passage to ask about.
    """

    def __init__(self, index: Any, size: int) -> None:
        self.all: dict[str, Window] = {}
        self._of: dict[tuple[str, int], str] = {}
        for document in index.documents():
            for records in divide(_sentences(index, document.doc_id, document.sentences), size):
                window = _window(records)
                self.all[window.id] = window
                self._of.update(((record.doc_id, record.position), window.id) for record in records)
        copies = Counter(window.digest for window in self.all.values())
        # A question about a repeated text has two right passages, possibly one in each split.
        self.skipped = {
            window.id: SHORT if len(terms_of(window.text)) < LEAST_TERMS else REPEATED
            for window in self.all.values()
            if copies[window.digest] > 1 or len(terms_of(window.text)) < LEAST_TERMS
        }
        if len(self.skipped) == len(self.all):
            raise SourceError(
                f"the collection {index.collection!r} has no passage to ask about "
                f"({counted(len(self.all), 'passage')}, all too short or repeated)",
                remedy="ingest documents of running text, or raise --window",
            )

    def drawn(self, seed: int, limit: int | None, share: float) -> list[Window]:
        """Return passages to ask about, in an order given by the seed; a higher limit only appends.

        It starts with one passage of each split, so that a low limit leaves no split empty.
        """
        usable = [window for window in self.all.values() if window.id not in self.skipped]
        usable.sort(key=lambda window: (_hash(f"{seed}\n{window.id}"), window.id))
        first = {in_test(window.doc_id, share): window for window in reversed(usable)}
        usable.sort(key=lambda window: window is not first[in_test(window.doc_id, share)])
        return usable[:limit]

    def of_record(self, record: SentenceRecord) -> str:
        """Return the passage id of a sentence; a sentence outside all passages (a heading) is its own passage."""
        own = passage_id(record.doc_id, record.position, record.position)
        return self._of.get((record.doc_id, record.position), own)


def divide(records: Sequence[SentenceRecord], size: int) -> Iterator[list[SentenceRecord]]:
    """Yield a document's sentences as passages of up to ``size``; none crosses a section, parent, heading or gap.

    >>> records = [SentenceRecord("rules.md", i, f"Rule {i}.") for i in range(6)]
    >>> [[record.position for record in passage] for passage in divide(records, 5)]
    [[0, 1, 2], [3, 4, 5]]
    """
    run: list[SentenceRecord] = []
    for record in records:
        if run and not _follows(run[-1], record):
            yield from _evenly(run, size)
            run = []
        if record.kind != "heading":  # a heading is the title of what follows
            run.append(record)
    yield from _evenly(run, size)


def in_test(doc_id: str, share: float) -> bool:
    """Return whether a document is in the test split, by a hash of its id alone.

    Seed, limit and other documents do not matter, so that no later run trains on what an earlier one tests.

    >>> in_test("handbook.md", 0.0), in_test("handbook.md", 1.0)
    (False, True)
    """
    return _hash(doc_id) < share


def check_splits(drawn: Sequence[Window], share: float) -> None:
    """Refuse documents that all fall into one split, unless the share is 0 or 1.

    >>> drawn = [Window(f"{name}#0-0", name, "", "", "", ()) for name in ("a.md", "b.md")]
    >>> check_splits(drawn, share=0.0)  # training questions only
    >>> check_splits(drawn, share=0.001)
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: all 2 documents fall into the training split at test_share = 0.001, so the test split
     would be empty; use --test-share 0.9, or ask for training questions only with --test-share 0

    Raises:
        SettingsError: they do; the error names a share that divides them.
    """
    documents = sorted({window.doc_id for window in drawn}, key=_hash)
    count, tested = len(documents), sum(in_test(doc_id, share) for doc_id in documents)
    if share in (0.0, 1.0) or len(drawn) == 1 or 0 < tested < count:
        return
    empty, full, whole = ("training", "test", 1) if tested else ("test", "training", 0)
    remedy = f"ask for {full} questions only with --test-share {whole}"
    if count > 1:  # a border between two documents, near the given share
        place = min(max(round(share * count), 1), count - 1)
        remedy = f"use --test-share {_between(_hash(documents[place - 1]), _hash(documents[place]))}, or {remedy}"
    have = f"all {count} documents fall" if count > 1 else "there is one document, which falls"
    raise SettingsError(
        f"{have} into the {full} split at test_share = {share:g}, so the {empty} split would be empty", remedy=remedy
    )


def _between(low: float, high: float) -> str:
    """Return a short number above ``low`` and not above ``high``."""
    for digits in range(1, 16):
        value = math.floor(high * 10**digits) / 10**digits
        if low < value:
            return f"{value:.{digits}f}"
    return repr(high)


def _follows(last: SentenceRecord, record: SentenceRecord) -> bool:
    near = record.position == last.position + 1
    return near and record.section == last.section and record.parent == last.parent


def _evenly(run: list[SentenceRecord], size: int) -> Iterator[list[SentenceRecord]]:
    parts = -(-len(run) // size)
    for part in range(parts):
        yield run[len(run) * part // parts : len(run) * (part + 1) // parts]


def _window(records: Sequence[SentenceRecord]) -> Window:
    head = records[0]
    text = join_records(records)
    plain = "".join(filter(str.isalnum, text.lower()))
    return Window(
        id=passage_id(head.doc_id, head.position, records[-1].position),
        doc_id=head.doc_id,
        title=head.heading or str(head.metadata.get("title") or ""),
        text=text,
        digest=hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        sentences=tuple(records),
    )


def _sentences(index: Any, doc_id: str, count: int) -> list[SentenceRecord]:
    page = next(index.store.pages(count, document_filter(doc_id)))
    return sorted((SentenceRecord.from_payload(payload) for _, payload in page), key=lambda r: r.position)


def _hash(text: str) -> float:
    """Return a number in [0, 1) that is the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
