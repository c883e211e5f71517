"""One bad character ends no run: in any format, in a user's own Documents and nodes, in a question."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from llama_index.core.schema import Document, TextNode

from indexes import build_index, open_index
from indexes.encoders.base import Encoder, Fingerprint
from indexes.errors import TextError
from indexes.readers import read_file
from indexes.reindexing.run import reindex
from indexes.settings.sections import IndexSettings, IngestSettings
from tests.indexes.store.store_fixtures import FakeEncoder

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
    "front.md": '---\ntitle: "Kiln \\ud800"\ntags: ["a\\udc00"]\nauthor: "\\ud83d"\n---\nThe kiln cools.\n',
    "form.rtf": r"{\rtf1\ansi{\info{\title K\u-10240?x}}The kiln \u-9216? cools.\par}",
    "page.html": "<title>Kiln &#xD800;</title><h1>Clay&#xDC00;</h1><p>The kiln &#55296; is hot.</p>",
}


@pytest.mark.parametrize("name", FILES)
def test_readers_hand_out_whole_characters_and_say_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    (document,) = read_file(tmp_path / name)
    json.dumps([document.text, document.metadata], ensure_ascii=False).encode("utf-8")
    assert "\ufffd" in document.text + document.metadata["title"]
    if name != "page.html":  # a browser's rules replace these before we see them
        assert any("half characters" in note for note in document.metadata["notes"])


def test_a_title_with_half_a_character_costs_no_pdf(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.text(20, 20, "The kiln cools at night.")
    pdf.set_title("x" * 20)
    title = b"\xfe\xff" + "Kiln\ud800 log".encode("utf-16-be", "surrogatepass")
    (tmp_path / "a.pdf").write_bytes(bytes(pdf.output()).replace(b"x" * 20, title))
    (document,) = read_file(tmp_path / "a.pdf")
    assert (document.text, document.metadata["title"]) == ("The kiln cools at night.", "Kiln\ufffd log")
    assert any("half characters" in note for note in document.metadata["notes"])


def test_names_of_attachments_and_members_are_shown(tmp_path: Path) -> None:
    part = b"\r\n\r\n--x\r\nContent-Type: text/plain\r\n"
    name = b'Content-Disposition: attachment; filename="../k\xff\x1b[2J\xe2\x80\xae.txt"\r\n'
    mail = b"Subject: Kiln\r\nContent-Type: multipart/mixed; boundary=x" + part + b"\r\nA" + part + name
    (tmp_path / "a.eml").write_bytes(mail + b"\r\nThe kiln.\r\n--x--\r\n")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile: the same name twice
        for number, name in enumerate(("a.txt", "a.txt", "a (2).txt", "c\x1b[31m\u202e.txt")):
            archive.writestr(name, f"The kiln {number}.")
    for file in ("a.eml", "b.zip"):
        documents = read_file(tmp_path / file)
        assert all(document.doc_id.isprintable() for document in documents)
        assert len({document.doc_id for document in documents}) == len(documents) == (2 if file == "a.eml" else 4)


class Refusing(FakeEncoder):
    """A model whose server cannot read one text."""

    def __init__(self, bad: str) -> None:
        super().__init__()
        self.bad = bad

    def encode_documents(self, texts: Any, *others: Any) -> Any:
        if any(self.bad in text for text in texts):
            raise TextError(f"no vector for {self.bad!r}", remedy="leave it out")
        return super().encode_documents(texts, *others)


@pytest.mark.parametrize("bad", ["is 3.", "Kiln 3"], ids=["its last", "its first"])
def test_a_text_that_cannot_be_encoded_costs_its_document(settings: IndexSettings, bad: str) -> None:
    """Also where the document runs over the border of two chunks."""
    documents = [
        Document(text=f"Kiln {number} is hot. It cools. It is {number}.", id_=f"k{number}") for number in range(5)
    ]
    settings = settings.model_copy(update={"ingest": IngestSettings(chunk_sentences=5)})
    with build_index(documents, settings=settings, encoder=Refusing(bad)) as index:
        assert {info.doc_id for info in index.documents()} == {"k0", "k1", "k2", "k4"}
        assert index.count == 12 and index.verify(deep=True).sound
        (skipped,) = [file for file in index.report.files if file.status == "skipped"]
        assert f"'k3' holds a text that cannot be encoded (no vector for {bad!r})" in skipped.reason
    other = [Document(text=f"Clay {number} dries.") for number in range(4)]
    with pytest.raises(TextError):  # none can be read: it is the model's fault
        build_index(other, settings=settings, encoder=Refusing("Clay"), collection="none")


def test_a_reindex_loses_no_document(settings: IndexSettings) -> None:
    """What the new model cannot read stays with the old one, and is named."""
    documents = [Document(text=f"Kiln {number} is hot. It cools.", id_=f"k{number}") for number in range(5)]
    build_index(documents, settings=settings, encoder=FakeEncoder()).close()
    other = Refusing("Kiln 3")
    other.fingerprint = Fingerprint("other", "2", 32, "mean", {}, "learned")
    with pytest.raises(TextError, match=r"'k3' holds a text that cannot be encoded .*delete that document"):
        reindex(settings=settings, encoder=other)
    with open_index(settings=settings, encoder=FakeEncoder()) as index:
        assert index.count == 10
        index.delete("k3")
    reindex(settings=settings, encoder=other)
    with open_index(settings=settings, check_model=False) as index:
        assert index.count == 8 and index.verify(deep=True).sound


class Unshown:
    def __repr__(self) -> str:
        raise ValueError("nothing to show")


def test_metadata_that_cannot_be_stored_costs_its_document(settings: IndexSettings) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    odd = [{"x": float("nan")}, {"x": object()}, {"x": circle}, {"x": Unshown()}, {"x": {1: 2, "a": 3}}]
    documents = [Document(text=f"Kiln {number}.", id_=f"k{number}", metadata=one) for number, one in enumerate(odd)]
    nodes = [TextNode(text="Kiln A.", id_="a", metadata={"x": float("inf")}), TextNode(text="Kiln B.", id_="b")]
    with build_index(
        [*documents, Document(text="Last.", id_="last")], settings=settings, encoder=FakeEncoder()
    ) as index:
        assert index.report.count("skipped") == 4
        assert {info.doc_id for info in index.documents()} == {"k4", "last"}  # keys of both kinds become text
        index.add(nodes)
        assert index.report.count("skipped") == 1 and index.count == 3


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
