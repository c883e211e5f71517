"""The figures the guide gives, measured on the guide itself. ``pytest -s tests/docs/test_figures.py`` prints them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests import ROOT

GUIDE = ROOT / "docs"
CLAIM = {
    "en": r"writes (\d+) bytes of payload.*?RagWright writes ([\d.]+)",
    "zh": r"每个字符写 (\d+) 字节，而 RagWright 写 (\d+) 字节",
}


def size(payload: Any) -> int:
    return len(json.dumps(payload, ensure_ascii=False).encode())


def payload_bytes(language: str) -> tuple[float, float]:
    """Payload bytes a character of text: LlamaIndex's sentence windows (three on each side), and ours.

    Both get the same sentences of our splitter, and the same source and title.
    """
    from llama_index.core import Document
    from llama_index.core.node_parser import SentenceWindowNodeParser
    from llama_index.core.vector_stores.utils import node_to_metadata_dict

    from indexes.nodes import iter_records
    from indexes.readers import read_file
    from indexes.text.sentences import split_sentences

    def split(text: str) -> list[str]:
        return [text[span.start : span.end] for span in split_sentences(text)]

    parser = SentenceWindowNodeParser.from_defaults(window_size=3, sentence_splitter=split)
    usual = ours = characters = 0
    for path in sorted((GUIDE / language).glob("[a-z]*.md")):
        for document in read_file(path):
            plain = {key: document.metadata[key] for key in ("title", "file_name", "file_type", "last_modified_date")}
            plain["source"] = plain["file_path"] = f"{language}/{path.name}"  # as an ingested folder names it
            copy = Document(text=document.text, id_=plain["source"], metadata=dict(plain))
            for node in parser.get_nodes_from_documents([copy]):
                usual += size(node_to_metadata_dict(node, remove_text=False, flat_metadata=False))
            for record in iter_records(document):
                record.doc_id, record.metadata = plain["source"], {**record.metadata, **plain}
                ours += size(record.to_payload())
            characters += len(document.text)
    return usual / characters, ours / characters


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_sentence_stored_once_takes_a_tenth_of_a_stored_window(language: str) -> None:
    usual, ours = payload_bytes(language)
    print(
        f"\n{language}: {usual:.1f} bytes a character stored as windows, {ours:.1f} stored once: {usual / ours:.1f} x"
    )
    page = (GUIDE / language / "sentence-windows.md").read_text(encoding="utf-8")
    claim = re.search(CLAIM[language], page)
    assert claim is not None
    assert usual == pytest.approx(float(claim[1]), rel=0.1)
    assert ours == pytest.approx(float(claim[2]), rel=0.1)
    assert usual / ours > 10
