"""What a run could not read is remembered until a later run looks at the same place again."""

from __future__ import annotations

from collections.abc import Callable

from indexes.manifest.manifest import Manifest
from indexes.manifest.skipped import MOST, remember_skipped, skipped_files


def below(*folders: str) -> Callable[[str], bool]:
    return lambda path: path.startswith(tuple(f"{folder}/" for folder in folders))


def test_each_place_has_the_last_word_of_the_run_that_looked_at_it() -> None:
    manifest = Manifest(":memory:")
    remember_skipped(manifest, below("/docs"), [("/docs/a.pdf", "a.pdf", "no page"), ("/docs/b.zip", "b.zip", "empty")])
    remember_skipped(manifest, below("/more"), [("/more/合同.doc", "合同.doc", "encrypted")])
    assert skipped_files(manifest) == [("a.pdf", "no page"), ("b.zip", "empty"), ("合同.doc", "encrypted")]
    remember_skipped(manifest, below("/docs"), [("/docs/b.zip", "b.zip", "a zip bomb")])
    assert skipped_files(manifest) == [("b.zip", "a zip bomb"), ("合同.doc", "encrypted")]
    remember_skipped(manifest, below("/docs", "/more"), [])
    assert skipped_files(manifest) == []


def test_a_folder_of_rubbish_does_not_grow_without_end() -> None:
    manifest = Manifest(":memory:")
    many = [(f"/docs/{n}.pdf", f"{n}.pdf", "no page") for n in range(MOST + 50)]
    remember_skipped(manifest, below("/docs"), many)
    assert len(skipped_files(manifest)) == MOST
