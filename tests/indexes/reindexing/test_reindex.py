"""reindex: another model beside the old one, a switch in one step, and what a killed run leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from qdrant_client import QdrantClient

from indexes import Index, build_index, open_index, plan_index, reindex
from indexes.encoders.base import Encoded, Encoder
from indexes.errors import CollectionLockedError, DiskSpaceError, FingerprintMismatchError, StoreError
from indexes.manifest.manifest import Manifest
from indexes.manifest.paths import manifest_path
from indexes.settings.sections import IndexSettings
from indexes.store.collection import collection_names
from indexes.store.edge.client import EdgeClient
from indexes.store.generations import Generations, base_names
from rag.cli.main import main
from tests.indexes.reindexing import reindex_kill
from tests.indexes.reindexing.reindex_kill import settings_for
from tests.indexes.words_model import WordVectors, words_model

TEXTS = {
    "hen.txt": "The hen lays an egg each morning. The hen eats barley and snails. At night she sleeps on the beam.",
    "goat.txt": "The goat climbs the wall. It has eaten the roses. Nobody saw it.",
    "boat.txt": "The boat lies at the pier. Its sail is red.",
}
QUESTION = reindex_kill.QUESTION
ANSWER = "The hen eats barley and snails."


@pytest.fixture
def old_model() -> Encoder:
    return words_model(1)


@pytest.fixture
def new_model() -> Encoder:
    return words_model(2)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def old(tmp_path: Path) -> IndexSettings:
    return settings_for(tmp_path / "store")


@pytest.fixture
def new(tmp_path: Path) -> IndexSettings:
    return settings_for(tmp_path / "store", "note: ")


def best(index: Index) -> str:
    return str(index.retriever(mode="default", top_k=1).retrieve(QUESTION)[0].text)


def vectors(index: Index) -> dict[tuple[str, int], Any]:
    records, _ = index.client.scroll(index.collection, limit=1000, with_payload=True, with_vectors=True)
    return {(record.payload["metadata"]["source"], record.payload["position"]): record for record in records}


def same_points(left: dict[tuple[str, int], Any], right: dict[tuple[str, int], Any]) -> None:
    assert left.keys() == right.keys()
    for key, point in left.items():
        assert point.payload == right[key].payload
        np.testing.assert_allclose(point.vector["dense"], right[key].vector["dense"], atol=1e-6)
        assert point.vector["sparse"].indices == right[key].vector["sparse"].indices
        np.testing.assert_allclose(point.vector["sparse"].values, right[key].vector["sparse"].values, rtol=1e-6)


def test_it_ends_as_a_fresh_build_would_and_the_files_are_not_read(
    docs: Path, old: IndexSettings, new: IndexSettings, old_model: Encoder, new_model: Encoder, tmp_path: Path
) -> None:
    build_index(docs, settings=old, encoder=old_model).close()
    with build_index(docs, settings=settings_for(tmp_path / "fresh", "note: "), encoder=new_model) as index:
        expected = vectors(index)
    away = docs.rename(tmp_path / "away")
    report = reindex(settings=new, encoder=new_model)
    assert (report.needed, report.documents, report.sentences, report.encoded) == (True, 3, 8, 8)
    assert (report.old, report.new, report.removed, report.kept) == ("default", "default.2", ["default"], [])
    away.rename(docs)
    with open_index(settings=new, encoder=new_model) as index:
        assert (index.name, index.collection) == ("default", "default.2")
        same_points(vectors(index), expected)
        assert index.verify().sound
        assert best(index) == ANSWER
        assert index.client.count("default").count == 8  # the name is an alias, for every other program
    with pytest.raises(FingerprintMismatchError):
        open_index(settings=old, encoder=old_model)
    assert plan_index(docs, settings=new).count("unchanged") == 3  # the next ingest has nothing to read
    (docs / "goat.txt").write_text("The goat sleeps.", encoding="utf-8")
    with build_index(docs, settings=new, encoder=new_model) as index:
        assert index.report is not None
        assert (index.report.count("updated"), index.count) == (1, 6)
    again = reindex(settings=new, encoder=new_model)
    assert (again.needed, again.encoded, again.new) == (False, 0, None)
    back = reindex(settings=old, encoder=old_model)
    assert (back.new, back.removed, back.encoded) == ("default.3", ["default.2"], 1)  # the cache has the others
    with open_index(settings=old, encoder=old_model) as index:
        assert collection_names(index.store.engine) == ["default.3"]
        assert index.count == 6


def test_searching_goes_on_with_the_old_model_and_both_answer_while_the_old_is_kept(
    docs: Path,
    old: IndexSettings,
    new: IndexSettings,
    old_model: Encoder,
    new_model: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build_index(docs, settings=old, encoder=old_model).close()
    answers = []
    embed = WordVectors.embed

    def encode_while_others_search(model: WordVectors, texts: Sequence[str], *, query: bool) -> Encoded:
        if query or model.seed == 1:
            return embed(model, texts, query=query)
        with open_index(settings=old, encoder=old_model) as index:  # a client of its own, as another process has
            answers.append(best(index))
            with pytest.raises(CollectionLockedError):
                index.add(docs / "hen.txt")
        return embed(model, texts, query=query)

    monkeypatch.setattr(WordVectors, "embed", encode_while_others_search)
    report = reindex(settings=new, encoder=new_model, keep_old=True)
    assert answers and set(answers) == {ANSWER}
    assert (report.kept, report.removed) == (["default"], [])
    for settings, model, collection in ((old, old_model, "default"), (new, new_model, "default.2")):
        with open_index(settings=settings, encoder=model) as index:
            assert (best(index), index.collection) == (ANSWER, collection)
    with open_index(settings=old, encoder=old_model) as index, pytest.raises(StoreError, match=r"moved to another"):
        index.delete(str(docs / "hen.txt"))
    assert reindex(settings=new, encoder=new_model).removed == ["default"]
    with pytest.raises(FingerprintMismatchError, match=r"rag ingest --reindex --collection default;"):
        open_index(settings=old, encoder=old_model)


def test_kept_vectors_are_gone_back_to_and_brought_up_to_date(
    docs: Path, old: IndexSettings, new: IndexSettings, old_model: Encoder, new_model: Encoder
) -> None:
    build_index(docs, settings=old, encoder=old_model).close()
    reindex(settings=new, encoder=new_model, keep_old=True)
    (docs / "hen.txt").write_text("The hen is in the garden.", encoding="utf-8")
    (docs / "boat.txt").unlink()
    build_index(docs, settings=new, encoder=new_model, prune=True).close()
    report = reindex(settings=old, encoder=old_model)
    assert (report.new, report.resumed, report.documents_done, report.encoded) == ("default", True, 1, 1)
    with open_index(settings=old, encoder=old_model) as index:
        assert index.collection == "default"
        assert index.verify().sound
        texts = {record.payload["text"] for record in vectors(index).values()}
        assert len(texts) == 4
        assert "The hen is in the garden." in texts


def test_killed_at_each_of_its_steps(docs: Path, tmp_path: Path, new_model: Encoder) -> None:
    """Whoever searches after the kill gets the answer, from one model or the other, and the next run goes on."""
    store = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, "-m", reindex_kill.__name__, str(docs), str(store)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    looks = {line["after"]: line for line in lines if "after" in line}
    assert [line["moment"] for line in lines if line.get("killed")] == list(looks)
    assert len(looks) == len(reindex_kill.MOMENTS)
    switched = list(looks).index("update_collection 2") + 1  # killed before the switch itself
    for number, line in enumerate(looks.values()):
        if number < switched:
            assert line["old"] == ANSWER, line
        else:
            assert line["new"] == ANSWER, line
    last = lines[-1]["report"]
    assert last["kept"] == []
    with build_index(docs, settings=settings_for(tmp_path / "fresh", "note: "), encoder=new_model) as index:
        expected = vectors(index)
    with open_index(settings=settings_for(store, "note: "), encoder=new_model) as index:
        same_points(vectors(index), expected)
        assert index.verify().sound
        assert collection_names(index.store.engine) == ["default.2"]
        assert index.client.count("default").count == len(expected)
        left = {path.name for path in (store / "manifests").iterdir()}
    assert not {name for name in left if not name.startswith("default.2.")}, left


def test_the_lock_of_another_process_is_respected(
    docs: Path, old: IndexSettings, new: IndexSettings, old_model: Encoder, new_model: Encoder
) -> None:
    with build_index(docs, settings=old, encoder=old_model) as index:
        with pytest.raises(CollectionLockedError, match="already open in this process"):
            reindex(settings=new, encoder=new_model)
        report = reindex(settings=new, encoder=new_model, client=index.client, keep_old=True)
        assert report.sentences == 8
        assert best(index) == ANSWER  # bound to the vectors of its own model
    manifest = Manifest(manifest_path(new.store, "default.2", shared_client=False))
    with manifest.writer(), pytest.raises(CollectionLockedError, match="being written to by"):
        reindex(settings=old, encoder=old_model)
    manifest.close()


def test_a_short_search_and_a_reindex_wait_for_each_other(
    docs: Path, old: IndexSettings, old_model: Encoder, tmp_path: Path
) -> None:
    build_index(docs, settings=old, encoder=old_model).close()
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom indexes.store.edge.client import EdgeClient\n"
        "client = EdgeClient(Path(sys.argv[1]), min_free_mb=0)\n"
        "with client.briefly('default'):\n    client.count('default')\n    print('open', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(old.store.path / "edge")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    counts: list[int] = []
    client = EdgeClient(old.store.path / "edge", min_free_mb=0)
    waiting = threading.Thread(target=lambda: counts.append(client.count("default").count))
    waiting.start()
    waiting.join(0.3)
    assert not counts
    holder.stdin.write("\n")
    holder.stdin.close()
    waiting.join(30)
    assert counts == [8]
    client.close()
    assert holder.wait(30) == 0
    holder.stdout.close()


def test_too_little_disk_and_a_model_that_fails_leave_the_old_in_use(
    docs: Path,
    old: IndexSettings,
    new: IndexSettings,
    old_model: Encoder,
    new_model: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build_index(docs, settings=old, encoder=old_model).close()
    tight = new.model_copy(update={"store": new.store.model_copy(update={"min_free_mb": 1 << 40})})
    with pytest.raises(DiskSpaceError):
        reindex(settings=tight, encoder=new_model)
    embed, calls = WordVectors.embed, []

    def second_fails(model: WordVectors, texts: Sequence[str], *, query: bool) -> Encoded:
        calls.append(1)
        if len(calls) == 2:
            raise StoreError("the plug was pulled", remedy="put it back")
        return embed(model, texts, query=query)

    monkeypatch.setattr(WordVectors, "embed", second_fails)
    with pytest.raises(StoreError, match="plug"):
        reindex(settings=new, encoder=new_model)
    with open_index(settings=old, encoder=old_model) as index:
        assert best(index) == ANSWER
        assert base_names(index.store.engine) == ["default"]
        assert [item.state for item in Generations(index.store.engine, "default").superseded()] == ["building"]
    report = reindex(settings=new, encoder=new_model)
    assert report.resumed
    assert report.encoded == 5  # the first three sentences were encoded before


def test_sentences_that_the_new_model_cuts_are_read_again(
    docs: Path, old: IndexSettings, new: IndexSettings, old_model: Encoder
) -> None:
    (docs / "long.txt").write_text("word " * 150 + "end. Short one.", encoding="utf-8")
    build_index(docs, settings=old, encoder=old_model).close()
    short = new.model_copy(update={"encoder": new.encoder.model_copy(update={"max_tokens": 64})})
    report = reindex(settings=short)
    assert report.truncated == 1
    with build_index(docs, settings=short) as index:
        assert index.report is not None
        assert [Path(file.path).name for file in index.report.files if file.status == "updated"] == ["long.txt"]
        assert index.report.truncated == 0


def test_the_local_mode_of_qdrant_client(
    docs: Path, old: IndexSettings, old_model: Encoder, new_model: Encoder
) -> None:
    client = QdrantClient(":memory:")
    build_index(docs, settings=old, encoder=old_model, client=client).close()
    report = reindex(settings=old, encoder=new_model, client=client)
    assert report.removed == ["default"]
    with open_index(settings=old, encoder=new_model, client=client) as index:
        assert best(index) == ANSWER


def test_the_command(docs: Path, old: IndexSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common = ["--profile", "offline", "--set", f"store.path={tmp_path / 'store'}"]
    minilm = [*common, "--set", "encoder.provider=minilm"]
    other = [*minilm, "--set", "encoder.document_prompt=note:"]

    def rag(*arguments: str) -> Any:
        return CliRunner().invoke(main, list(arguments))

    assert rag("ingest", str(docs), *minilm).exit_code == 0
    assert rag("ingest", *minilm).exit_code == 2
    assert rag("ingest", str(docs), "--keep-old", *minilm).exit_code == 2
    assert rag("ingest", str(docs), "--reindex", *minilm).exit_code == 2
    same = rag("ingest", "--reindex", *minilm)
    assert same.exit_code == 0
    assert "nothing to do" in same.output
    dry = rag("ingest", "--reindex", "--dry-run", "--json", *other)
    assert {key: json.loads(dry.stdout)[key] for key in ("needed", "new", "sentences")} == {
        "needed": True,
        "new": None,
        "sentences": 8,
    }
    refused = rag("search", "hen", *other)
    assert refused.exit_code == 1
    assert "rag ingest --reindex --collection default" in refused.stderr
    moved = rag("ingest", "--reindex", "--keep-old", "--json", *other)
    assert json.loads(moved.stdout)["kept"] == ["default"]
    assert ANSWER in rag("search", QUESTION, *other).stdout
    assert ANSWER in rag("search", QUESTION, *minilm).stdout
    status = rag("status", "--json", *other)
    rows = json.loads(status.stdout)["collections"]
    assert [(row["name"], row["sentences"], row["differs"]) for row in rows] == [("default", 8, 0)]
    assert [older["collection"] for older in rows[0]["older"]] == ["default"]
    assert rag("delete", "--all", "--yes", *other).exit_code == 0
    assert rag("status", "--json", *other).stdout.count('"name"') == 0
    assert rag("search", "hen", *minilm).exit_code == 1
