"""The LlamaIndex node parser whose nodes are chunks of a fixed size."""

from __future__ import annotations

from collections.abc import Iterator

from llama_index.core.schema import Document
from pydantic import Field, model_validator

from indexes.nodes.cutting import OVERLAP
from indexes.nodes.fixed_size import CHUNK_CHARS, iter_chunks
from indexes.nodes.parsers.record_parser import RecordNodeParser
from indexes.nodes.record import SentenceRecord


class FixedSizeNodeParser(RecordNodeParser):
    """LlamaIndex node parser: chunks of at most ``chunk_chars`` characters that end at sentences.

    >>> parser = FixedSizeNodeParser(chunk_chars=20, overlap_chars=6)
    >>> [node.text for node in parser([Document(text="今天下雨。我们不出门。明天也许放晴。后天再去爬山。")])]
    ['今天下雨。我们不出门。明天也许放晴。', '天也许放晴。后天再去爬山。']
    """

    chunk_chars: int = Field(default=CHUNK_CHARS, ge=20, description="longest chunk in characters")
    overlap_chars: int = Field(
        default=OVERLAP, ge=0, description="maximum overlap of neighbouring chunks in characters"
    )

    @model_validator(mode="after")
    def _overlap_fits(self) -> FixedSizeNodeParser:
        if self.overlap_chars * 2 > self.chunk_chars:
            raise ValueError(f"overlap_chars {self.overlap_chars} is more than half of chunk_chars {self.chunk_chars}")
        return self

    @classmethod
    def class_name(cls) -> str:
        return "RagWrightFixedSizeNodeParser"

    def records(self, document: Document) -> Iterator[SentenceRecord]:
        return iter_chunks(document, chunk_chars=self.chunk_chars, overlap_chars=self.overlap_chars)
