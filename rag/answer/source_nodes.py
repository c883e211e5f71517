"""Passages as LlamaIndex's source nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexes.nodes.record import WINDOW_KEYS, link
from rag.retrieval.candidate import Passage

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore


def passage_node(passage: Passage) -> NodeWithScore:
    """Return a passage as a LlamaIndex source node: the whole window, with its place.

    >>> from indexes.nodes.record import SentenceRecord
    >>> node = passage_node(Passage(1, [SentenceRecord("harbour.md", 0, "The harbour opens at 6.")], [], 0.9))
    >>> node.text, node.score, node.metadata["citation"]
    ('The harbour opens at 6.', 0.9, 1)
    """
    from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

    hits = [sentence for sentence in passage.sentences if sentence.id in passage.hits] or passage.sentences
    best, text = hits[0], passage.text
    node = TextNode(
        id_=best.id,
        text=text,
        metadata={
            **passage.sentences[0].metadata,
            "citation": passage.number,
            "window": text,
            "original_text": best.text,
            **({"more_places": passage.more_places} if passage.repeats else {}),
        },
        excluded_embed_metadata_keys=[*WINDOW_KEYS, "more_places"],
        excluded_llm_metadata_keys=[*WINDOW_KEYS, "more_places"],
        start_char_idx=passage.sentences[0].start,
        end_char_idx=passage.sentences[-1].end,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=best.doc_id)},
    )
    link(node, best, passage.sentences)
    return NodeWithScore(node=node, score=passage.score)
