"""Chunks of one size: they end at sentences, overlap, and join to the text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from pydantic import ValidationError

from indexes.errors import SettingsError
from indexes.nodes import FixedSizeNodeParser, build_splitter
from indexes.nodes.fixed_size import iter_chunks
from indexes.nodes.record import join_records
from indexes.settings.sections import SplitSettings

TEXT = "今天下雨。我们不出门。明天也许放晴，也许不会。后天再去爬山，带上水和干粮。" * 10


def test_chunks_end_at_sentences_and_overlap() -> None:
    records = list(iter_chunks(Document(id_="d", text=TEXT), chunk_chars=60, overlap_chars=12))
    assert all(len(record.text) <= 60 and record.text.endswith("。") for record in records)
    shared = [before.end - after.start for before, after in itertools.pairwise(records)]
    assert all(0 < length <= 12 for length in shared)
    assert join_records(records) == TEXT


def test_the_parser_in_an_ingestion_pipeline() -> None:
    parser = FixedSizeNodeParser(chunk_chars=60, overlap_chars=12)
    nodes = IngestionPipeline(transformations=[parser]).run(documents=[Document(id_="d", text=TEXT)])
    assert [node.text for node in nodes] == [
        record.text for record in iter_chunks(Document(id_="d", text=TEXT), chunk_chars=60, overlap_chars=12)
    ]
    assert parser.to_dict()["chunk_chars"] == 60
    assert FixedSizeNodeParser().chunk_chars == 150


def test_an_overlap_of_more_than_half_is_refused() -> None:
    with pytest.raises(SettingsError, match="more than half"):
        list(iter_chunks(Document(text=TEXT), chunk_chars=50, overlap_chars=26))
    with pytest.raises(ValidationError, match="more than half"):
        FixedSizeNodeParser(chunk_chars=50, overlap_chars=26)


def test_the_mode_of_the_settings_chooses_the_splitter() -> None:
    document = Document(id_="d", text=TEXT)
    counts = {
        mode: len(list(build_splitter(SplitSettings(mode=mode, chunk_chars=60))(document)))
        for mode in ("sentence", "fixed", "parent_child")
    }
    assert counts["sentence"] == 40 > counts["fixed"] > counts["parent_child"] >= 2


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.text(alphabet="字ab，。. \n", max_size=250), st.integers(20, 60), st.integers(0, 10))
def test_no_text_is_lost(text: str, chunk_chars: int, overlap: int) -> None:
    records = list(iter_chunks(Document(id_="d", text=text), chunk_chars=chunk_chars, overlap_chars=overlap))
    assert join_records(records) == text.strip()
    assert all(len(record.text) <= chunk_chars for record in records)
    assert all(a.start < b.start and a.end < b.end for a, b in itertools.pairwise(records))
