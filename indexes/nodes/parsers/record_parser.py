"""Base class of the node parsers: records become LlamaIndex nodes with exact offsets and the ids of the store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode

from indexes.errors import SourceError
from indexes.nodes.record import STRUCTURE_KEYS, SentenceRecord
from indexes.readers.outline import HIDDEN_KEYS


class RecordNodeParser(NodeParser):
    r"""A LlamaIndex node parser whose nodes are ``SentenceRecord.to_node()`` of the records from ``records``.

    Node ids are computed from document id and position, so two documents with the same id in one call raise a
    SourceError: they would overwrite each other.

    >>> class Lines(RecordNodeParser):
    ...     def records(self, document):
    ...         for position, line in enumerate(document.text.splitlines()):
    ...             yield SentenceRecord(document.doc_id, position, line)
    >>> [node.text for node in Lines()([Document(text="It rains.\nWe stay in.")])]
    ['It rains.', 'We stay in.']
    >>> Lines()([Document(text="It rains.", id_="a.md"), Document(text="It snows.", id_="a.md")])
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: two documents have the id 'a.md'; give every Document a unique id_
    """

    @abstractmethod
    def records(self, document: Document) -> Iterator[SentenceRecord]:
        """Yield the records of a document, in order."""

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:
        seen: set[str] = set()
        parsed: list[BaseNode] = []
        for node in nodes:
            if node.node_id in seen:
                raise SourceError(
                    f"two documents have the id '{node.node_id}'", remedy="give every Document a unique id_"
                )
            seen.add(node.node_id)
            parsed += self._nodes_of(node)
        return parsed

    def _nodes_of(self, node: BaseNode) -> list[TextNode]:
        document = node if isinstance(node, Document) else _as_document(node)
        nodes = []
        for record in self.records(document):
            sentence = record.to_node()
            if not self.include_metadata:
                sentence.metadata = {key: sentence.metadata[key] for key in STRUCTURE_KEYS if key in sentence.metadata}
            for keys, inherited in (
                (sentence.excluded_embed_metadata_keys, document.excluded_embed_metadata_keys),
                (sentence.excluded_llm_metadata_keys, document.excluded_llm_metadata_keys),
            ):
                keys.extend(key for key in inherited if key not in keys and key not in HIDDEN_KEYS)
            nodes.append(sentence)
        if self.include_prev_next_rel:
            for before, after in pairwise(nodes):
                before.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=after.node_id)
                after.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=before.node_id)
        return nodes

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]) -> list[BaseNode]:
        """Return the nodes unchanged: the base class would search for offsets, which are exact, and add the outline."""
        return nodes


def _as_document(node: BaseNode) -> Document:
    """Convert a node of an earlier transformation to a document."""
    return Document(
        id_=node.node_id,
        text=node.get_content(metadata_mode=MetadataMode.NONE),
        metadata=node.metadata,
        excluded_embed_metadata_keys=node.excluded_embed_metadata_keys,
        excluded_llm_metadata_keys=node.excluded_llm_metadata_keys,
    )
