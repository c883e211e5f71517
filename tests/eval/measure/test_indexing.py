"""Two processes at one dataset: nobody deletes the other's half-built index, and a killed builder blocks nobody.

What shows an indexing is gone when it ends.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eval import index_dataset, load_dataset
from eval.measure.indexing import DONE
from eval.measure.session import Session
from indexes.errors import CollectionLockedError
from rag import load_settings

OTHER = """
import os, signal, sys
from eval import index_dataset, load_dataset
from rag import load_settings

dataset, cache, dies = sys.argv[1:]
settings = load_settings(**{"encoder.provider": "minilm", "encoder.model": "minilm"})
stop = lambda event: os.kill(os.getpid(), signal.SIGKILL)
with index_dataset(load_dataset(dataset), settings, cache=cache, progress=stop if dies == "dies" else None) as index:
    print(index.count, index.report is None)
"""


def other(dataset: Path, cache: Path, dies: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OTHER, str(dataset), str(cache), dies]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_second_process_waits_for_the_builder_and_says_so(lighthouse: Path, tmp_path: Path) -> None:
    settings = load_settings(**{"encoder.provider": "minilm", "encoder.model": "minilm"})
    cache = tmp_path / "cache"

    killed = other(lighthouse, cache, "dies")
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert list((cache / "indexes").glob("*.part"))
    assert not list((cache / "indexes").glob(f"*/{DONE}"))

    waiting: list[subprocess.Popen[str]] = []
    said: list[str] = []

    def progress(event: Any) -> None:  # called in the middle of our build
        if not waiting:
            process = other(lighthouse, cache)
            waiting.append(process)
            assert process.stderr is not None
            for line in process.stderr:
                if "waiting for process" in line:
                    said.append(line)
                    break

    with index_dataset(load_dataset(lighthouse), settings, cache=cache, progress=progress) as index:
        count = index.count
        assert index.report is not None
        assert waiting[0].poll() is None  # still waiting while it is in use here
        with pytest.raises(CollectionLockedError, match="open in this process"):
            index_dataset(load_dataset(lighthouse), settings, cache=cache)
    out, _ = waiting[0].communicate(timeout=120)
    assert waiting[0].returncode == 0
    assert out.split() == [str(count), "True"]  # it opened what we built
    assert "the index of 'lighthouse'" in said[0]


def test_the_bar_of_an_indexing_is_closed_before_questions_are_asked(lighthouse: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    @contextmanager
    def bar() -> Iterator[Callable[[Any], None]]:
        yield lambda event: seen.append("drawn")
        seen.append("closed")

    settings = load_settings(**{"encoder.provider": "minilm", "encoder.model": "minilm", "rerank.provider": "none"})
    with Session(load_dataset(lighthouse), cache=tmp_path / "cache", progress=bar) as session:
        retriever = session.retriever(settings)
        assert "drawn" in seen and seen[-1] == "closed"  # a line that goes on ticking would be drawn into the next bar
        before = list(seen)
        retriever.retrieve("Who keeps the lamp?")
        session.retriever(settings)
        assert seen == before  # the index is open already
