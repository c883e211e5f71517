"""The manifest: what is done stays done, what was cut off is known."""

from __future__ import annotations

from pathlib import Path

from indexes.manifest.manifest import Entry, Manifest

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
