"""The manifest: what is done stays done, what was cut off is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from indexes.encoders.base import SparseVector
from indexes.encoders.window_pooling import ReadyPoint
from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.sums import Sums
from indexes.nodes.record import SentenceRecord

ENTRY = Entry("doc", "/a/doc.md", "hash", "recipe", size=10, mtime_ns=20)


def test_a_document_counts_only_when_finished(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "sub" / "m.sqlite")
    manifest.begin(ENTRY)
    assert manifest.get("doc") is None
    assert manifest.unfinished() == ["doc"]
    manifest.finish("doc", sentences=7, truncated=1)
    assert manifest.unfinished() == []
    assert manifest.get("doc") == Entry("doc", "/a/doc.md", "hash", "recipe", 10, 20, 7, 1)


def test_it_survives_reopening(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "m.sqlite")
    manifest.begin(ENTRY)
    manifest.finish("doc", sentences=7, truncated=0)
    manifest.close()
    again = Manifest(tmp_path / "m.sqlite")
    assert [entry.doc_id for entry in again] == ["doc"]


def test_begin_again_makes_it_unfinished(tmp_path: Path) -> None:
    manifest = Manifest(":memory:")
    manifest.begin(ENTRY)
    manifest.finish("doc", sentences=7, truncated=0)
    manifest.begin(ENTRY)
    assert manifest.get("doc") is None


def test_touch_forget_clear() -> None:
    manifest = Manifest(":memory:")
    manifest.begin(ENTRY)
    manifest.finish("doc", sentences=7, truncated=0)
    manifest.touch_many([("doc", 11, 21)])
    entry = manifest.get("doc")
    assert entry is not None
    assert (entry.size, entry.mtime_ns) == (11, 21)
    manifest.forget("doc")
    assert manifest.get("doc") is None
    manifest.begin(ENTRY)
    manifest.clear()
    assert manifest.unfinished() == []


def test_checksums_of_many_points_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    points = []
    for number in range(50):
        terms = SparseVector(np.arange(number % 4, dtype=np.uint32), np.ones(number % 4, np.float32))
        record = SentenceRecord(f"d{number // 20}", number, f"text {number}")
        points.append(ReadyPoint(record, rng.standard_normal(24).astype(np.float32), None if number % 3 else terms))
    one_by_one, together = Sums(), Sums()
    for point in points:
        one_by_one.add(point)
    together.add_many(points[:7])
    together.add_many([])
    together.add_many(points[7:])
    assert str(together) == str(one_by_one)
    assert together.points == 50
