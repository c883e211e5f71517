"""One bad character ends no run: in any format, in a user's own Documents and nodes, in a question."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from llama_index.core.schema import Document, TextNode

from indexes import build_index
from indexes.encoders.base import Encoder
from indexes.readers import read_file
from indexes.settings.sections import IndexSettings

HALF = "\\ud800"
CELLS = [
    {"cell_type": "markdown", "metadata": {}, "source": ["# Kiln\ud800\n", "\n", "The kiln\udfff cools at night."]},
    {"cell_type": "code", "metadata": {}, "source": ["heat = '\ud83d'"], "outputs": [], "execution_count": None},
]
FILES = {
    "one.json": json.dumps(
        {"title\ud800": "Kiln \udc00 log", "text": "The kiln cools\ud800 overnight. 窑炉\udbff夜里冷却。"}
    ),
    "lines.jsonl": json.dumps({"text": "Clay\ud800 dries in air."})
    + "\n"
    + json.dumps({"text": "Glaze melts."})
    + "\n",
    "cells.ipynb": json.dumps({"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
    "page.html": "<title>Kiln &#xD800;</title><h1>Clay&#xDC00;</h1><p>The kiln &#55296; is hot.</p>",
}


@pytest.mark.parametrize("name", FILES)
def test_readers_hand_out_whole_characters_and_say_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    (document,) = read_file(tmp_path / name)
    json.dumps([document.text, document.metadata], ensure_ascii=False).encode("utf-8")
    assert "\ufffd" in document.text
    if name != "page.html":  # a browser's rules replace these before we see them
        assert any("half characters" in note for note in document.metadata["notes"])


def test_an_ingest_goes_on_and_a_question_is_answered(
    tmp_path: Path, settings: IndexSettings, encoder: Encoder
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    os.utime(folder / "one.json", ns=(0, 10_413_792_000 * 10**9))
    with build_index(folder, settings=settings, encoder=encoder) as index:
        assert len(index.documents()) == len(FILES)
        index.add(folder)  # the second run finds nothing to do
        index.add([Document(text="A kiln\udc80 of brick.", id_="brick"), Document(text="Lost.", id_="b\ud800")])
        index.add([TextNode(text="A kiln\udc80 of stone.", id_="stone", metadata={"who\ud800": "x\ud800"})])
        assert {"brick", "stone"} <= {info.doc_id for info in index.documents()}
        assert index.retriever(top_k=3).retrieve("kiln\ud800 of stone")
