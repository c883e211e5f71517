"""The LlamaIndex node parser whose nodes are sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llama_index.core.callbacks import CallbackManager
from llama_index.core.node_parser.node_utils import default_id_func
from llama_index.core.schema import BaseNode, Document, NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import Field

from indexes.nodes.parsers.record_parser import RecordNodeParser
from indexes.nodes.record import CUSTOM_WINDOW_KEYS, WINDOW_KEYS, SentenceRecord, join_records
from indexes.nodes.sentence_window import iter_records
from indexes.nodes.sliding_text import SentenceSplitter
from indexes.text.sentences import MAX_CHARS

WINDOW_SIZE = 3  # LlamaIndex's default


class SentenceWindowNodeParser(RecordNodeParser):
    """LlamaIndex node parser: one node per sentence, with the ids and keys of ``SentenceRecord.to_node()``.

    By default nodes have no windows: each sentence is stored once, and windows are fetched at query time. With the
    arguments of LlamaIndex's parser (``from_defaults(window_size=3)``), ``metadata`` has ``window`` and
    ``original_text``; our store drops both again.

    >>> parser = SentenceWindowNodeParser.from_defaults(window_size=1)
    >>> [node.metadata["window"] for node in parser([Document(text="One day. Two days. Three days.")])]
    ['One day. Two days.', 'One day. Two days. Three days.', 'Two days. Three days.']
    """

    max_chars: int = Field(default=MAX_CHARS, ge=1, description="longest sentence in characters")

    window_size: int = Field(default=0, ge=0, description="sentences on each side in metadata; 0 copies no windows")
    window_metadata_key: str = Field(default=WINDOW_KEYS[0], description="metadata key of the window")
    original_text_metadata_key: str = Field(default=WINDOW_KEYS[1], description="metadata key of the sentence")

    sentence_splitter: SentenceSplitter | None = Field(
        default=None, exclude=True, description="custom function that replaces our sentence rules"
    )

    @classmethod
    def from_defaults(
        cls,
        sentence_splitter: SentenceSplitter | None = None,
        window_size: int | None = None,
        window_metadata_key: str | None = None,
        original_text_metadata_key: str | None = None,
        include_metadata: bool = True,
        include_prev_next_rel: bool = True,
        callback_manager: CallbackManager | None = None,
        id_func: Callable[[int, BaseNode], str] | None = None,
        *,
        max_chars: int = MAX_CHARS,
    ) -> SentenceWindowNodeParser:
        """Build the parser with the arguments of LlamaIndex's; any ``window_...`` argument switches windows on.

        ``id_func`` sets the ids of the nodes; our store replaces them by ids computed from document and position.
        """
        arguments = window_size, window_metadata_key, original_text_metadata_key
        size = WINDOW_SIZE if window_size is None else window_size
        return cls(
            sentence_splitter=sentence_splitter,
            max_chars=max_chars,
            include_metadata=include_metadata,
            include_prev_next_rel=include_prev_next_rel,
            window_size=0 if arguments == (None, None, None) else size,
            window_metadata_key=window_metadata_key or WINDOW_KEYS[0],
            original_text_metadata_key=original_text_metadata_key or WINDOW_KEYS[1],
            callback_manager=callback_manager or CallbackManager([]),
            id_func=id_func or default_id_func,
        )

    def _nodes_of(self, node: BaseNode) -> list[TextNode]:
        nodes = super()._nodes_of(node)
        if self.window_size:
            self._put_windows(nodes)
        if self.id_func is not default_id_func:
            self._rename(nodes, node)
        return nodes

    def _put_windows(self, nodes: list[TextNode]) -> None:
        keys = [self.window_metadata_key, self.original_text_metadata_key]
        records = [SentenceRecord.from_node(sentence) for sentence in nodes]
        for place, (sentence, record) in enumerate(zip(nodes, records, strict=True)):
            around = records[max(0, place - self.window_size) : place + self.window_size + 1]
            window = join_records([other for other in around if other.section == record.section])
            sentence.metadata.update(dict(zip(keys, (window, record.text), strict=True)))
            hidden = list(keys)
            if tuple(keys) != WINDOW_KEYS:
                sentence.metadata[CUSTOM_WINDOW_KEYS] = keys  # for our store, which drops them
                hidden.append(CUSTOM_WINDOW_KEYS)
            sentence.excluded_embed_metadata_keys += hidden
            sentence.excluded_llm_metadata_keys += hidden

    def _rename(self, nodes: list[TextNode], document: BaseNode) -> None:
        """Set the ids returned by the user's function, also in the links between nodes."""
        names = {node.node_id: self.id_func(place, document) for place, node in enumerate(nodes)}
        for node in nodes:
            for link in (NodeRelationship.PREVIOUS, NodeRelationship.NEXT):
                if isinstance(other := node.relationships.get(link), RelatedNodeInfo):
                    other.node_id = names[other.node_id]
            node.id_ = names[node.node_id]

    @classmethod
    def class_name(cls) -> str:
        return "RagWrightSentenceWindowNodeParser"

    def records(self, document: Document) -> Iterator[SentenceRecord]:
        return iter_records(document, max_chars=self.max_chars, sentence_splitter=self.sentence_splitter)
