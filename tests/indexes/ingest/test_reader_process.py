"""The reader's process: what a file may do to it, and that it comes back."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import psutil
import pytest
from llama_index.core.schema import Document

from indexes.errors import ReaderError
from indexes.ingest.reader_process import ReaderWorker
from indexes.ingest.walk_files import FoundFile
from indexes.settings.sections import IngestSettings, ReadSettings

pytestmark = pytest.mark.usefixtures("fresh_readers")


def found(path: Path) -> FoundFile:
    status = path.stat()
    return FoundFile(str(path), str(path), status.st_size, status.st_mtime_ns)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def documents(worker: ReaderWorker, path: Path) -> list[Document]:
    return [stream.document() for stream in worker.streams(found(path))]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("good", "hangs", "eats", "crashes"):
        (tmp_path / f"{name}.txt").write_text("One sentence. Another one.", encoding="utf-8")
    return tmp_path


def test_a_hostile_file_costs_itself_only(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = IngestSettings(file_timeout=1.0, file_memory_mb=256)
    with ReaderWorker(ReadSettings(), settings, reader="tests.indexes.ingest.hostile_readers:read") as worker:
        for name, reason in (
            ("hangs", r"took longer than 1 s.*ingest\.file_timeout"),
            ("eats", r"more than 256 MB.*ingest\.file_memory_mb"),
            ("crashes", "crashed its reader .*SIGSEGV"),
        ):
            with pytest.raises(ReaderError, match=reason):
                documents(worker, files / f"{name}.txt")
            (document,) = documents(worker, files / "good.txt")
            assert document.text == "One sentence. Another one."
        assert worker.restarts == 3  # the one that ran out of memory lives on


def test_a_worker_imports_no_llama_index(tmp_path: Path) -> None:
    """Each run starts a worker: LlamaIndex's schema alone would take it another half second."""
    (tmp_path / "imports.txt").write_text("any", encoding="utf-8")
    with ReaderWorker(ReadSettings(), IngestSettings(), reader="tests.indexes.ingest.hostile_readers:read") as worker:
        (document,) = documents(worker, tmp_path / "imports.txt")
    loaded = set(document.text.split())
    assert "indexes.readers.stream" in loaded
    assert not {"llama_index", "llama_index.core.schema", "pydantic", "numpy"} & loaded


def test_it_outlives_the_thread_that_started_it(files: Path) -> None:
    """A run has several rounds, and the thread that reads ends with each."""
    with ReaderWorker(ReadSettings(), IngestSettings()) as worker:
        for _ in range(2):
            starter = threading.Thread(target=documents, args=(worker, files / "good.txt"))
            starter.start()
            starter.join()
        assert worker.restarts == 1


def test_texts_of_any_kind_come_through_unchanged(tmp_path: Path) -> None:
    text = "# 标题\n\n第一句。🙂 second.\n" + "长文本。" * 300_000
    path = tmp_path / "a.md"
    path.write_text(text, encoding="utf-8")
    from indexes.readers import read_file

    (expected,) = read_file(path)
    with ReaderWorker(ReadSettings(), IngestSettings()) as worker:
        (document,) = documents(worker, path)
    assert document.text == expected.text
    assert document.metadata == expected.metadata
    assert document.doc_id == expected.doc_id
    assert document.excluded_llm_metadata_keys == expected.excluded_llm_metadata_keys


def test_it_ends_with_the_process_that_started_it(files: Path) -> None:
    before = children()
    worker = ReaderWorker(ReadSettings(), IngestSettings())
    documents(worker, files / "good.txt")
    assert len(children() - before) == 1
    worker.close()
    assert children() <= before
    read, write = os.pipe()
    child = os.fork()
    if not child:
        other = ReaderWorker(ReadSettings(), IngestSettings())
        documents(other, files / "good.txt")
        os.write(write, str(children().pop()).encode())
        os._exit(0)  # as abrupt as a kill: nobody closes the worker
    os.waitpid(child, 0)
    pid = int(os.read(read, 20))
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent")
