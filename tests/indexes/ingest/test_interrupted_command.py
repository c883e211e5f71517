"""Ctrl-C, once and twice, on a real ``rag ingest``: exit code 130, no half document, and the next run ends alike."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexes import build_index, open_index
from indexes.encoders import build_encoder
from indexes.encoders.base import Encoder
from indexes.settings.sections import EncoderSettings, IndexSettings, IngestSettings, StoreSettings
from tests import ROOT
from tests.indexes.encoders.encoder_fixtures import FakeServer
from tests.indexes.ingest.kill_scenario import text_of
from tests.indexes.words_model import WordVectors

FILES = 16
LONG = (4, 9)  # files of many chunks, one of them cut off in its middle
RAG = [sys.executable, "-m", "rag.cli.main", "ingest"]


class WordServer:
    """An Ollama server: neither the command nor the test loads torch, and a run takes a while if it is to."""

    def __init__(self) -> None:
        self.pause = 0.0  # seconds a request
        self._words = WordVectors(1)
        self._http = FakeServer(self._answer)
        self.url, self.close = self._http.url, self._http.close

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/api/tags":
            return 200, {"models": [{"name": "words:latest", "digest": "1"}]}
        time.sleep(self.pause)
        return 200, {"embeddings": self._words.embed(body["input"], query=False).dense.tolist()}


@pytest.fixture(scope="module")
def server() -> Iterator[WordServer]:
    server = WordServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def encoder(server: WordServer) -> Encoder:
    return build_encoder(settings_for(Path("unused"), server))


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    for number in range(FILES):
        size = 60 if number in LONG else 4
        (docs / f"{number:02}.txt").write_text(text_of(f"{number:02}", 1, size), encoding="utf-8")
    return docs


@pytest.fixture(scope="module")
def expected(
    docs: Path, server: WordServer, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[int, Any]]:
    settings = settings_for(tmp_path_factory.mktemp("whole"), server)
    with build_index(docs, settings=settings, encoder=encoder) as index:
        return content(index)


def settings_for(store: Path, server: WordServer) -> IndexSettings:
    return IndexSettings(
        encoder=EncoderSettings(provider="ollama", model="words", base_url=server.url),
        store=StoreSettings(path=store, quantization="none", min_free_mb=0),
        ingest=IngestSettings(chunk_sentences=8),
    )


def content(index: Any) -> dict[str, dict[int, Any]]:
    """Document -> position -> (text, payload's place, sparse indices)."""
    found: dict[str, dict[int, Any]] = {}
    records, _ = index.client.scroll("default", limit=100_000, with_payload=True, with_vectors=True)
    for record in records:
        payload = record.payload
        told = (payload["text"], payload["start"], payload.get("after"), tuple(record.vector["sparse"].indices))
        found.setdefault(payload["doc_id"], {})[payload["position"]] = told
    return found


@pytest.mark.timeout(600)  # a busy machine
@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c(
    signals: int,
    docs: Path,
    expected: dict[str, dict[int, Any]],
    server: WordServer,
    encoder: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "pause", 0.03)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    environ |= {
        "RAG_STORE_PATH": str(tmp_path / "store"),
        "RAG_STORE_MIN_FREE_MB": "0",
        "RAG_STORE_QUANTIZATION": "none",
        "RAG_ENCODER_PROVIDER": "ollama",
        "RAG_ENCODER_MODEL": "words",
        "RAG_ENCODER_BASE_URL": server.url,
        "RAG_INGEST_CHUNK_SENTENCES": "8",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    report = tmp_path / "report.jsonl"
    process = subprocess.Popen(
        [*RAG, str(docs), "--report", str(report)],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    journal = tmp_path / "store" / "manifests" / "default.journal"
    deadline = time.monotonic() + 240
    while not journal.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)  # the first long document is on its way: some are stored, and it is half encoded
    for _ in range(signals):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the whole group
        time.sleep(0.02)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == "" and "Traceback" not in stderr, stderr
    assert "stored; the next run continues from there" in stderr and stderr.endswith("interrupted\n"), stderr
    told = report.read_text(encoding="utf-8").count('"added"')
    monkeypatch.undo()
    settings = settings_for(tmp_path / "store", server)
    with open_index(settings=settings, encoder=encoder) as index:
        found = content(index)
        assert index.verify().sound
    assert told <= len(found) < FILES  # what was acknowledged is there
    assert len(found) >= LONG[0]
    for doc_id, sentences in found.items():  # and whole
        assert sentences == expected[doc_id]
    with build_index(docs, settings=settings, encoder=encoder) as index:
        assert index.report is not None
        assert index.report.count("added") == FILES - len(found)
        assert content(index) == expected
        assert index.verify().differences == []
