"""Encoders say how many tokens a text has for them: what the splitter cuts by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexes.encoders import build_encoder
from indexes.encoders.base import CountsTokens
from indexes.nodes import build_splitter
from indexes.settings.sections import IndexSettings, SplitSettings
from tests.indexes.encoders.encoder_fixtures import TEXTS


@pytest.mark.parametrize("prompt", [None, "passage: "])
def test_bge_m3_counts_what_it_reads(m3_folder: Path, prompt: str | None) -> None:
    encoder = build_encoder(
        IndexSettings(
            encoder={
                "provider": "bge_m3",
                "model": str(m3_folder),
                "device": "cpu",
                "max_tokens": 16,
                "document_prompt": prompt,
            }
        )
    )
    assert isinstance(encoder, CountsTokens)
    texts = [text[:length] for text in TEXTS for length in range(1, len(text), 7)]
    counted = encoder.count_tokens(texts)
    assert max(counted) > 16
    assert encoder.encode_documents(texts).truncated == tuple(i for i, count in enumerate(counted) if count > 16)
    from llama_index.core import Document

    records = list(build_splitter(SplitSettings(), encoder)(Document(text="\n\n".join(TEXTS) * 3)))
    assert encoder.encode_documents([record.text for record in records]).truncated == ()


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_servers_are_estimated_on_the_high_side(provider: str, m3_folder: Path) -> None:
    settings = {"provider": provider, "model": "bge-m3", "base_url": "http://127.0.0.1:9", "max_tokens": 64}
    encoder = build_encoder(IndexSettings(encoder=settings, sparse={"kind": "none"}), environ={})
    assert isinstance(encoder, CountsTokens)
    counted = encoder.count_tokens([*TEXTS, "0x7f3a:9c" * 10, ""])
    assert all(count >= len(text) / 2 for count, text in zip(counted, [*TEXTS, "0x7f3a:9c" * 10], strict=False))
    records = list(build_splitter(SplitSettings(), encoder)(_document("很长的一句话" * 60)))
    assert len(records) > 6 and max(encoder.count_tokens([record.text for record in records])) <= 64


def _document(text: str) -> Any:
    from llama_index.core import Document

    return Document(text=text)
