"""Passages that come again, word for word or nearly: boilerplate, copied chapters, old versions of a document.

A passage is three sentences of one section. Its MinHash signature (``shingles.py``) is cut into bands; two passages
that have a band in common are compared by their whole signatures. The bands lie in a small database beside the
manifest, so that a run compares with what earlier runs have read; memory stays that of one batch, and time is linear
in the sentences. The database is derived and may be deleted: passages are then compared with those read from then on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import StoreError
from indexes.near_duplicates.minhash import alike, normalised, packed, signatures
from indexes.nodes.record import SentenceRecord
from indexes.sqlite import Database, copy_database

RUN = 3  # sentences of a passage
LEAST_CHARS = 60  # letters and digits in them: three short lines are no passage
ALIKE = 0.7  # estimated share of four-letter runs in common, from which on two passages are the same
EXAMPLES = 5
ROWS, BANDS = 3, 8  # finds 99.7 % of the pairs that are 0.8 alike, 96 % at 0.7

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, doc_id TEXT NOT NULL UNIQUE, source TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sections (
    document INTEGER, section INTEGER, heading TEXT, place TEXT, PRIMARY KEY (document, section)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passages (
    place INTEGER PRIMARY KEY, section INTEGER, page INTEGER, start INTEGER, end INTEGER, bins BLOB
);
CREATE TABLE IF NOT EXISTS bands (key INTEGER PRIMARY KEY, place INTEGER);
"""
_POSITION_BITS = 32  # a place is a document's number and the position of a passage's first sentence
COMMIT_RECORDS = 4096  # bands lie at random: a commit writes nearly every page of them, however few are new
_NOTHING = np.zeros(0, np.uint8)
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


@dataclass(slots=True)
class Repeated:
    """Passages of three sentences and more that were met again, word for word or nearly, in this run or before it.

    Args:
        passages: how many.
        examples: the first of them: {"text", "similarity", "source", "at", "first_source", "first_at"}; the places are
            {"heading", "place", "page", "start", "end"} as far as there are, ``start`` and ``end`` in characters.
    """

    passages: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Sentence:
    record: SentenceRecord
    chars: int
    bins: NDArray[np.uint32]


@dataclass(slots=True)
class _Passage:
    """``place`` is its number in the database."""

    place: int
    sentences: list[SentenceRecord]
    bins: NDArray[np.uint32]
    keys: list[int]
    bytes: NDArray[np.uint8]  # packed bins


class RepeatedPassages:
    """Looks at each sentence once. Belongs to one thread.

    Args:
        path: of the database; None: in memory.
        is_stored: does the manifest know this document? What is gone is not compared with.
    """

    def __init__(self, repeated: Repeated, path: Path | None, is_stored: Callable[[str], bool]) -> None:
        self._repeated, self._is_stored = repeated, is_stored
        # Losing it costs a comparison, never a document.
        self._db = Database(path, _SCHEMA, synchronous="OFF", derived=True)
        self._numbers: dict[str, int] = {}  # documents of this run
        self._alive: dict[int, bool] = {}
        self._last: deque[_Sentence] = deque(maxlen=RUN)
        self._within = False
        self._fresh: list[tuple[_Passage, list[int]]] = []  # not in the database yet
        self._best = 1.0  # likeness of the example that may still change
        self._uncommitted = 0  # sentences

    def add(self, records: Sequence[SentenceRecord]) -> None:
        """The next sentences, in order."""
        passages = self._passages(records)
        if not passages:
            return
        with self._db.connection() as db:
            try:
                if not db.in_transaction:
                    db.execute("BEGIN IMMEDIATE")
                self._compare(db, passages)
                self._uncommitted += len(records)
                if self._uncommitted >= COMMIT_RECORDS:
                    db.execute("COMMIT")
                    self._uncommitted = 0
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def forget(self, doc_ids: Iterable[str]) -> None:
        """These documents are read again, perhaps under another id: they are not compared with what they were."""
        if self._is_made():
            for (number,) in self._db.rows_of("SELECT number FROM documents WHERE doc_id IN", doc_ids):
                self._alive[number] = False

    def rename(self, names: Iterable[tuple[str, str, str]]) -> None:
        """Documents that have moved, as (old id, new id, new source)."""
        if not self._is_made():
            return
        with self._db.connection() as db:
            for old, new, source in names:
                db.execute("DELETE FROM documents WHERE doc_id = ?", (new,))
                db.execute("UPDATE documents SET doc_id = ?, source = ? WHERE doc_id = ?", (new, source, old))

    def _is_made(self) -> bool:
        """Is there a database already? Nothing to rename makes none."""
        return self._db.is_open or (self._db.path is not None and self._db.path.exists())

    def close(self) -> None:
        if self._db.is_open:
            with contextlib.suppress(StoreError), self._db.connection() as db:  # a full disk: derived
                if db.in_transaction:
                    db.execute("COMMIT")
            self._db.close()

    # ---- sentences to passages ----

    def _passages(self, records: Sequence[SentenceRecord]) -> list[_Passage | None]:
        """One an item for each sentence that ends a passage; None where a run of passages is broken."""
        texts = [normalised(record.text) for record in records]
        found: list[_Passage | None] = []
        for record, text, bins in zip(records, texts, signatures(texts), strict=True):
            last = self._last[-1].record if self._last else None
            if last is None or (last.doc_id, last.section) != (record.doc_id, record.section):
                self._last.clear()
                found.append(None)
            self._last.append(_Sentence(record, len(text), bins))
            if len(self._last) < RUN or sum(sentence.chars for sentence in self._last) < LEAST_CHARS:
                found.append(None)
                continue
            joined = np.minimum.reduce([sentence.bins for sentence in self._last])
            sentences = [sentence.record for sentence in self._last]
            found.append(_Passage(0, sentences, joined, [], _NOTHING))
        whole = [passage for passage in found if passage is not None]
        if not whole:
            self._within = False
            return []
        stacked = np.stack([passage.bins for passage in whole])
        for passage, keys, row in zip(whole, _keys(stacked), packed(stacked), strict=True):
            passage.keys, passage.bytes = keys, row
        return found

    # ---- passages to those before them ----

    def _compare(self, db: sqlite3.Connection, passages: list[_Passage | None]) -> None:
        whole = [passage for passage in passages if passage is not None]
        for one in whole:
            one.place = self._number(db, one.sentences[0]) << _POSITION_BITS | one.sentences[0].position
        places = self._db.rows_of("SELECT key, place FROM bands WHERE key IN", {key for p in whole for key in p.keys})
        known = {key: place for key, place in places if self._lives(db, place >> _POSITION_BITS)}
        bins = {place: row for place, *row in self._stored(set(known.values()))}
        for passage in passages:
            if passage is None:
                self._within = False
                continue
            section = passage.sentences[0].section
            near = [
                place
                for place in {known[key] for key in passage.keys if key in known}
                if place in bins and not _is_same_run(place, bins[place][0], passage.place, section)
            ]
            self._judge(db, passage, near, bins)
            fresh = [key for key in passage.keys if key not in known]
            if fresh:
                known.update(dict.fromkeys(fresh, passage.place))
                bins[passage.place] = [section, passage.bytes.tobytes()]
                self._fresh.append((passage, fresh))
        self._store(db)

    def _judge(self, db: sqlite3.Connection, passage: _Passage, near: list[int], bins: dict[int, list[Any]]) -> None:
        """Is it like one of those that it has a band in common with?"""
        if not near:
            self._within = False
            return
        near.sort()
        others = np.stack([np.frombuffer(bins[place][1], np.uint8) for place in near])
        shares = alike(passage.bytes, others)
        best = int(np.argmax(shares))
        if shares[best] < ALIKE:
            self._within = False
            return
        examples, share = self._repeated.examples, float(shares[best])
        if not self._within:  # a longer passage is counted once
            self._repeated.passages += 1
            self._best = -1.0 if len(examples) < EXAMPLES else 1.0
            if self._best < 0:
                examples.append({})
        self._within = True
        if share > self._best:  # and shown where it is most like the other
            self._best = share
            self._store(db)
            examples[-1] = self._example(db, passage, near[best], share)

    def _example(self, db: sqlite3.Connection, passage: _Passage, place: int, share: float) -> dict[str, Any]:
        first, last = passage.sentences[0], passage.sentences[-1]
        number = place >> _POSITION_BITS
        query = (
            "SELECT source, heading, place, page, start, end FROM documents JOIN ("
            "SELECT section, page, start, end FROM passages WHERE place = ?) AS p "
            "LEFT JOIN sections ON document = number AND sections.section = p.section WHERE number = ?"
        )
        source, heading, where, page, start, end = db.execute(query, (place, number)).fetchone()
        return {
            "text": " ".join(record.text for record in passage.sentences)[:200],
            "similarity": round(share, 2),
            "source": first.source,
            "at": _at(first.heading, first.metadata.get("place"), first.page, first.start, last.end),
            "first_source": source,
            "first_at": _at(heading, where, page, start, end),
        }

    # ---- the database ----

    def _number(self, db: sqlite3.Connection, record: SentenceRecord) -> int:
        """Of the document, new for each run that reads it: what an earlier run made of it is forgotten."""
        number = self._numbers.get(record.doc_id)
        if number is None:
            for (old,) in db.execute("SELECT number FROM documents WHERE doc_id = ?", (record.doc_id,)).fetchall():
                self._alive[old] = False
                span = (old << _POSITION_BITS, (old + 1) << _POSITION_BITS)
                db.execute("DELETE FROM passages WHERE place >= ? AND place < ?", span)
                db.execute("DELETE FROM sections WHERE document = ?", (old,))
            statement = "INSERT OR REPLACE INTO documents (doc_id, source) VALUES (?, ?)"
            number = int(db.execute(statement, (record.doc_id, record.source)).lastrowid or 0)
            self._numbers[record.doc_id] = number
            self._alive[number] = True
        return number

    def _lives(self, db: sqlite3.Connection, number: int) -> bool:
        if number not in self._alive:
            row = db.execute("SELECT doc_id FROM documents WHERE number = ?", (number,)).fetchone()
            self._alive[number] = row is not None and self._is_stored(row[0])
        return self._alive[number]

    def _stored(self, places: set[int]) -> list[Any]:
        return self._db.rows_of("SELECT place, section, bins FROM passages WHERE place IN", sorted(places))

    def _store(self, db: sqlite3.Connection) -> None:
        fresh, self._fresh = self._fresh, []
        rows, sections = [], {}
        for passage, _ in fresh:
            first, last = passage.sentences[0], passage.sentences[-1]
            rows.append((passage.place, first.section, first.page, first.start, last.end, passage.bytes.tobytes()))
            number = passage.place >> _POSITION_BITS
            sections[number, first.section] = (first.heading, first.metadata.get("place"))
        db.executemany("INSERT OR REPLACE INTO passages VALUES (?, ?, ?, ?, ?, ?)", rows)
        named = [(*key, *told) for key, told in sections.items() if any(told)]
        db.executemany("INSERT OR IGNORE INTO sections VALUES (?, ?, ?, ?)", named)
        bands = [(key, passage.place) for passage, keys in fresh for key in keys]
        db.executemany("INSERT OR REPLACE INTO bands VALUES (?, ?)", bands)


def copy_passages(source: Path | None, target: Path | None) -> None:
    """The database of one collection for another one of the same documents; one that is there is left alone, and one
    that a power cut damaged is not copied: it is derived."""
    if source is not None and target is not None and source.exists() and not target.exists():
        copy_database(source, target)


def _keys(bins: NDArray[np.uint32]) -> list[list[int]]:
    """(n, BINS) signatures -> ``BANDS`` numbers each, equal where all of a band's bins are."""
    rows = bins[:, : ROWS * BANDS].astype(np.uint64).reshape(len(bins), BANDS, ROWS)
    mixed: NDArray[np.uint64] = np.tile(np.arange(1, BANDS + 1, dtype=np.uint64), (len(bins), 1))
    for row in range(ROWS):
        mixed = (mixed ^ rows[:, :, row]) * _MIX[row]
        mixed ^= mixed >> np.uint64(29)
    keys: list[list[int]] = mixed.view(np.int64).tolist()
    return keys


def _is_same_run(one: int, section: int, other: int, other_section: int) -> bool:
    """Passages of one section overlap, and its sentences may be alike by their nature (a log, a list)."""
    return one >> _POSITION_BITS == other >> _POSITION_BITS and section == other_section


def _at(heading: str | None, place: str | None, page: int | None, start: int, end: int) -> dict[str, Any]:
    """A place in a document, without what its format does not have."""
    told = {"heading": heading, "place": place, "page": page, "start": start, "end": end}
    return {key: value for key, value in told.items() if value not in (None, "")}
