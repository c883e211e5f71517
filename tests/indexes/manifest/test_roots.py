"""Where a file is found: label and name within the folder that was ingested, whatever lies around it."""

from __future__ import annotations

from pathlib import Path

from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.roots import UPLOAD, Root, RootedPath, Roots


def test_two_roots_of_one_name_have_two_labels() -> None:
    roots = Roots([])
    roots.add_folder("/home/ann/docs")
    roots.add_folder("/srv/docs")
    assert roots.place("/home/ann/docs/README.md") == RootedPath("README.md", "docs/README.md")
    assert roots.place("/srv/docs/a/README.md") == RootedPath("a/README.md", "docs-2/a/README.md")
    assert roots.place("/srv/docs/a/README.md").file_name == "README.md"


def test_a_folder_within_a_root_is_none_of_its_own() -> None:
    kept: list[Root] = []
    roots = Roots([], save=kept.append)
    roots.add_folder("/docs")
    roots.add_folder("/docs/guide")
    assert roots.place("/docs/guide/a.md").doc_id == "docs/guide/a.md"
    assert kept == [Root("docs", "/docs")]
    roots = Roots([])
    roots.add_folder("/docs/guide")
    roots.add_folder("/docs")  # what was named first keeps its names
    assert roots.place("/docs/guide/a.md").doc_id == "guide/a.md"
    assert roots.place("/docs/b.md").doc_id == "docs/b.md"


def test_a_single_file_makes_its_folder_a_root_for_files_in_it_only() -> None:
    roots = Roots([])
    assert roots.place("/home/a.md").doc_id == "home/a.md"
    roots.add_folder("/home/project")
    assert roots.place("/home/project/a.md").doc_id == "project/a.md"
    roots.add_folder("/home")
    assert roots.place("/home/other/b.md").doc_id == "home/other/b.md"
    assert Roots([]).place("/a.md").doc_id == "root/a.md"


def test_an_upload_is_known_by_its_name_wherever_the_store_lies() -> None:
    kept: list[Root] = []
    roots = Roots([], save=kept.append)
    roots.add_uploads("/store/uploads/notes")
    assert roots.place("/store/uploads/notes/0a1b/tea.md") == RootedPath("tea.md", "upload:tea.md")
    roots.add_uploads("/store/uploads/notes")
    assert kept == [Root(UPLOAD, "/store/uploads/notes")]
    moved = Roots(kept)
    moved.add_uploads("/disk/uploads/notes")
    assert moved.place("/disk/uploads/notes/0a1b/tea.md").doc_id == "upload:tea.md"
    moved.add_folder("/home/upload:")  # a folder of that name is another
    assert moved.place("/home/upload:/x/tea.md").doc_id == "upload/x/tea.md"


def test_labels_that_the_collection_remembers() -> None:
    first = Roots([])
    first.add_folder("/home/docs")
    again = Roots([], first.record())
    again.add_folder("/srv/docs")
    again.add_folder("/home/docs")
    assert again.place("/home/docs/a.md").doc_id == "docs/a.md"
    assert again.place("/srv/docs/a.md").doc_id == "docs-2/a.md"


def test_a_moved_folder_is_known_by_its_files(tmp_path: Path) -> None:
    manifest = Manifest(":memory:")
    old, new = tmp_path / "docs", tmp_path / "elsewhere"
    new.mkdir()
    for name in ("a.md", "b.md"):
        (new / name).write_text("text", encoding="utf-8")
        manifest.begin(Entry(f"docs/{name}", str(old / name), "c", "r", 4, 1))
        manifest.finish(f"docs/{name}", sentences=1, truncated=0)
    manifest.add_root(Root("docs", str(old)))
    found = Roots(manifest.roots()).moved(str(new), manifest.sizes)
    assert found == Root("docs", str(old))
    manifest.move_root(str(old), str(new))
    assert [entry.source for entry in manifest] == [str(new / "a.md"), str(new / "b.md")]
    assert manifest.roots() == [Root("docs", str(new))]
    assert Roots([Root("docs", str(old))]).moved(str(tmp_path), manifest.sizes) is None
    scratch = manifest.scratch()
    scratch.move_root(str(new), str(old))
    assert manifest.roots() == [Root("docs", str(new))]
