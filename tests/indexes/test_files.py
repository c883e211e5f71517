"""Writing beside and renaming: whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from indexes.errors import DiskSpaceError, StoreError
from indexes.files import beside, file_errors, private_folder, remove, write_json, write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "note.txt"
    write_whole(file, "一\r\ntwo\n")
    assert file.read_bytes() == "一\r\ntwo\n".encode()
    with pytest.raises(ZeroDivisionError), beside(file) as part:
        part.write_text("half", encoding="utf-8")
        _ = 1 / 0
    assert file.read_bytes() == "一\r\ntwo\n".encode()
    write_whole(file, b"\0")
    assert file.read_bytes() == b"\0"
    write_json(file, {"字": 1})
    assert json.loads(file.read_text(encoding="utf-8")) == {"字": 1}
    assert [found.name for found in file.parent.iterdir()] == ["note.txt"]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("", encoding="utf-8")
    (tmp_path / "model.part").mkdir()
    (tmp_path / "model.part" / "of a killed run").write_text("", encoding="utf-8")
    with beside(target, durable=True) as part:
        part.mkdir()
        (part / "new").write_text("", encoding="utf-8")
        assert (target / "old").exists()
    assert [found.name for found in target.iterdir()] == ["new"]
    assert [found.name for found in tmp_path.iterdir()] == ["model"]


def test_what_is_durable_is_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "note.txt"
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append((Path(os.readlink(f"/proc/self/fd/{fd}")).name, target.exists()))
    )
    write_whole(target, "text")
    assert synced == []
    target.unlink()
    write_whole(target, "text", durable=True)
    assert synced == [("note.txt.part", False), (tmp_path.name, True)]


def test_removing(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "link")
    remove(tmp_path / "nothing there")
    assert (tmp_path / "kept" / "file").exists()
    remove(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [(errno.ENOSPC, DiskSpaceError, "the disk is full: .* free disk space"), (errno.EACCES, StoreError, "Permission")],
)
def test_errors_of_the_system_are_ours(tmp_path: Path, number: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words), file_errors(tmp_path):
        raise OSError(number, os.strerror(number))


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_store_and_manifest_are_for_this_account_alone(tmp_path: Path) -> None:
    from qdrant_client.http import models

    from indexes.manifest.manifest import Manifest
    from indexes.store.edge.client import EdgeClient

    root = tmp_path / "data" / "store"
    client = EdgeClient(root, min_free_mb=1)
    client.create_collection("notes", models.VectorParams(size=4, distance=models.Distance.COSINE))
    client.close()
    manifest = Manifest(root / "manifests" / "notes.sqlite")
    assert not list(manifest)
    manifest.close()
    folders = [root.parent, root, root / "manifests"]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 3
    assert (root / "manifests" / "notes.sqlite").stat().st_mode & 0o777 == 0o600
    open_before = tmp_path / "mine"
    open_before.mkdir(mode=0o755)
    private_folder(open_before)
    assert open_before.stat().st_mode & 0o777 == 0o755  # what a user has made stays as it is
