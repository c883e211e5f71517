"""The LlamaIndex node parser whose nodes are children of parents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llama_index.core.schema import Document
from pydantic import Field, PrivateAttr

from indexes.nodes.parent_child import CHILD_MAX_CHARS, PARENT_MAX_CHARS, iter_children
from indexes.nodes.parent_child_cutting import Together
from indexes.nodes.parsers.record_parser import RecordNodeParser
from indexes.nodes.record import SentenceRecord


class ParentChildNodeParser(RecordNodeParser):
    r"""LlamaIndex node parser: one node per child of a parent.

    ``metadata["parent"]`` has the positions of the first and last child of the node's parent.

    >>> parser = ParentChildNodeParser(child_max_chars=30)
    >>> nodes = parser([Document(text="# Care\n\nDry it.\n\n## Storage\n\nKeep it dark.")])
    >>> [node.metadata["parent"] for node in nodes]
    [[0, 1], [0, 1]]

    Args:
        together: optional LLM pass, not serialised: ``indexes.nodes.topic_pass.ask_llm(llm)``.
    """

    child_max_chars: int = Field(default=CHILD_MAX_CHARS, ge=1, description="longest child in characters")
    parent_max_chars: int = Field(default=PARENT_MAX_CHARS, ge=1, description="longest parent in characters")
    _together: Together | None = PrivateAttr(default=None)

    def __init__(self, *, together: Together | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._together = together

    @classmethod
    def class_name(cls) -> str:
        return "RagWrightParentChildNodeParser"

    def records(self, document: Document) -> Iterator[SentenceRecord]:
        return iter_children(
            document,
            child_max_chars=self.child_max_chars,
            parent_max_chars=self.parent_max_chars,
            together=self._together,
        )
