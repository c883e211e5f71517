"""What a file may cost the main process, and runs that find nothing to encode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document

from indexes import build_index, open_index
from indexes.errors import StoreError
from indexes.ingest import read_stage, run
from indexes.nodes.markup import plain_markup
from indexes.nodes.record import SentenceRecord
from indexes.settings.sections import IndexSettings, IngestSettings, StoreSettings
from tests.indexes.store.store_fixtures import FakeEncoder


@pytest.fixture
def settings(tmp_path: Path) -> IndexSettings:
    return IndexSettings(store=StoreSettings(path=tmp_path / "store", min_free_mb=1))


def test_a_run_with_only_unreadable_files_loads_no_model(
    tmp_path: Path, settings: IndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "hen.txt").write_text("The hen lays an egg.", encoding="utf-8")
    with closing(build_index(docs, settings=settings, encoder=FakeEncoder())):
        pass
    (docs / "broken.docx").write_bytes(b"PK no archive at all")

    def loads(*args: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("indexes.index.build_encoder", loads)
    with closing(build_index(docs, settings=settings)) as index:
        assert index.report is not None
        assert (index.report.count("unchanged"), index.report.skipped) == (1, 1)


@pytest.mark.parametrize("kind", ["time", "text"])
def test_cutting_has_limits_as_reading_has(
    tmp_path: Path, settings: IndexSettings, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A splitter that burns time, or makes much of little, costs its file and nothing else."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "bad.txt").write_text("This one explodes. It never ends.", encoding="utf-8")
    (docs / "good.txt").write_text("This one is fine.", encoding="utf-8")
    monkeypatch.setattr(read_stage, "FREE_CHARS", 1000)
    real = run.build_splitter

    def splitter(*args: Any) -> Any:
        inner = real(*args)

        def split(document: Any) -> Iterator[SentenceRecord]:
            for record in inner(document):
                while "bad" in document.doc_id:
                    if kind == "time":
                        until = time.thread_time() + 0.2
                        while time.thread_time() < until:
                            pass
                    yield record
                yield record

        return split

    monkeypatch.setattr(run, "build_splitter", splitter)
    limited = settings.model_copy(update={"ingest": IngestSettings(file_timeout=1 if kind == "time" else 60)})
    monkeypatch.setattr(read_stage, "BATCH", 1)
    with closing(build_index(docs, settings=limited, encoder=FakeEncoder())) as index:
        assert index.count == 1 and index.report is not None
        (bad,) = [file for file in index.report.files if file.status == "skipped"]
        said = "took longer than 1 s to cut" if kind == "time" else "more than 30 times as long as its text"
        assert bad.reason is not None and said in bad.reason and "bad.txt" in bad.reason


def test_cells_in_markup_are_not_copied_without_end() -> None:
    long = "word " * 2000
    rows = "".join(f"<tr><td>{i}</td></tr>" for i in range(60))
    html = f"<table><tr><td rowspan=50 colspan=50>{long}</td><td>head</td></tr>{rows}</table>"
    assert len(plain_markup(html)) < 3 * len(long) + 20_000
    wide = "<table><tr>" + "<td colspan=50>x</td>" * 400 + "</tr></table>"
    assert plain_markup(wide).splitlines()[0].count("|") < 600


@pytest.mark.parametrize("name", ["default.2", "guide.17"])
def test_a_collection_is_not_called_like_a_generation(settings: IndexSettings, name: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be the name of a new collection.*call it (default-2|guide-17)"):
        build_index([Document(text="One.")], settings=settings, encoder=FakeEncoder(), collection=name)
    with closing(build_index([Document(text="One.")], settings=settings, encoder=FakeEncoder(), collection="v1.x")):
        pass


def test_an_older_store_is_closed_to_others_once(settings: IndexSettings) -> None:
    with closing(build_index([Document(text="One.")], settings=settings, encoder=FakeEncoder())):
        pass
    store = settings.store.path
    (store / ".private").unlink(missing_ok=True)
    for place in store.rglob("*"):
        place.chmod(0o755 if place.is_dir() else 0o644)
    (store / "notes.txt").write_text("the user's own")
    (store / "notes.txt").chmod(0o644)
    with closing(open_index(settings=settings, check_model=False)):
        pass
    ours = [
        place for name in ("edge", "manifests", "encodings") for place in [store / name, *(store / name).rglob("*")]
    ]
    assert len(ours) > 10 and all(place.stat().st_mode & 0o077 == 0 for place in ours if place.is_dir())
    files = [place for place in ours if place.is_file() and place.parent.name == "manifests"]
    assert files and all(place.stat().st_mode & 0o777 == 0o600 for place in files)
    assert (store / "notes.txt").stat().st_mode & 0o777 == 0o644
    (store / "manifests").chmod(0o755)  # on purpose
    with closing(open_index(settings=settings, check_model=False)):
        pass
    assert (store / "manifests").stat().st_mode & 0o777 == 0o755
