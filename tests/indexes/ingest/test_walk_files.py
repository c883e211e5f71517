"""The walk: each file once, and every surprise told."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from indexes.errors import SourceError
from indexes.ingest.walk_files import FileWalk, FoundFile


class Told:
    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}
        self.ignored: Counter[str] = Counter()

    def walk(self, *paths: Path, follow_links: bool = False) -> list[FoundFile]:
        return list(
            FileWalk(
                list(paths),
                on_skip=lambda path, reason: self.skipped.update({Path(path).name: reason}),
                on_ignored=lambda kind: self.ignored.update([kind]),
                follow_links=follow_links,
            )
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for path in (root / "a.txt", root / "sub" / "b.md", tmp_path / "outside" / "c.txt"):
        path.write_text("Text.", encoding="utf-8")
    return root


def names(found: list[FoundFile]) -> list[str]:
    return [Path(one.path).name for one in found]


def test_links_are_resolved_told_and_never_followed_out_or_around(root: Path) -> None:
    (root / "sub" / "up").symlink_to(root)
    (root / "again.txt").symlink_to(root / "a.txt")
    (root / "circle.txt").symlink_to(root / "circle.txt")
    (root / "dead.txt").symlink_to(root / "nothing.txt")
    (root / "out.txt").symlink_to(root.parent / "outside" / "c.txt")
    (root / "folder-out").symlink_to(root.parent / "outside")
    told = Told()
    assert names(told.walk(root)) == ["a.txt", "b.md"]
    assert set(told.skipped) == {"circle.txt", "dead.txt", "out.txt", "folder-out"}
    assert "circle" in told.skipped["circle.txt"]
    assert "nothing" in told.skipped["dead.txt"]
    assert "outside the folders given" in told.skipped["out.txt"]
    assert told.ignored["links to folders read anyway"] == 1
    assert sorted(names(Told().walk(root, follow_links=True))) == ["a.txt", "b.md", "c.txt"]
    assert sorted(names(Told().walk(root, root.parent / "outside"))) == ["a.txt", "b.md", "c.txt"]


def test_what_is_no_document_is_told(root: Path) -> None:
    os.mkfifo(root / "pipe.txt")
    (root / "picture.png").write_bytes(b"x")
    (root / ".hidden.txt").write_text("x", encoding="utf-8")
    told = Told()
    assert names(told.walk(root)) == ["a.txt", "b.md"]
    assert "not a regular file" in told.skipped["pipe.txt"]
    assert told.ignored == {".png": 1}


def test_a_name_that_is_no_utf_8_has_a_text(root: Path) -> None:
    odd = os.fsencode(root) + b"/caf\xe9.txt"
    with open(odd, "w", encoding="utf-8") as file:
        file.write("x")
    (found,) = [one for one in Told().walk(root) if "caf" in one.source]
    assert found.source.endswith("caf\\xe9.txt")
    assert os.fsencode(found.path) == odd


def test_the_same_folder_twice_is_read_once(root: Path) -> None:
    assert names(Told().walk(root, root / "sub", root / "a.txt")) == ["a.txt", "b.md"]


def test_a_missing_path_and_an_unread_kind_are_errors(root: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        Told().walk(root / "nowhere")
    (root / "picture.png").write_bytes(b"x")
    with pytest.raises(SourceError, match="format"):
        Told().walk(root / "picture.png")


def test_a_date_after_2262_fits_into_64_bits(root: Path) -> None:
    os.utime(root / "a.txt", ns=(0, 10_413_792_000 * 10**9))  # the year 2300
    found = Told().walk(root)[0]
    assert -(1 << 63) <= found.mtime_ns < 1 << 63
    os.utime(root / "a.txt", ns=(0, 10_413_792_001 * 10**9))
    assert Told().walk(root)[0].mtime_ns == found.mtime_ns + 10**9  # a later change is still seen
    os.utime(root / "a.txt", ns=(0, 0))
    assert Told().walk(root)[0].mtime_ns != 0


def test_a_name_that_the_system_refuses_is_explained(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"cannot be opened .*check its name"):
        Told().walk(root / ("a" * 300 + ".txt"))

    def closed(path: object, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(SourceError, match=r"cannot be opened \(Permission denied\).*folders above it"):
        Told().walk(root / "a.txt")
