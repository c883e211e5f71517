"""Documents to sentence records, streaming, and the LlamaIndex node parser built on it.

Choices:

- A sentence is a record of its own and is stored once; its window is fetched at query time.
- ``section`` is the index of the outline section the sentence stands in, so a window never crosses a heading, a table
  or a code block. Consecutive text sections that differ in nothing but their page count as one: a sentence or a window
  may run over a page break, and a sentence's page is the one it begins on.
- A heading is no record of its own where body text stands under it, or under one of its sub-headings: the heading path
  of that text names it already. A heading without any body is a record of kind "heading".
- A table is a record a row (its header row with the rule below it). A code block is one record, cut at line ends where
  it is longer than ``max_chars``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, Document, MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import Field

from indexes.errors import SourceError
from indexes.nodes.record import STRUCTURE_KEYS, SentenceRecord
from indexes.readers.outline import HIDDEN_KEYS, Section, outline_of
from indexes.sentences import MAX_CHARS, Span, iter_cuts, iter_spans


def iter_records(document: Document, *, max_chars: int = MAX_CHARS) -> Iterator[SentenceRecord]:
    """The sentences of one document in order, one at a time; ``position`` counts them from 0.

    Records of the same section and page share one ``metadata`` dict: copy it before you change it.

    Args:
        document: with or without an outline; its metadata but the outline goes into every record.
        max_chars: longest sentence in characters.

    Raises:
        SettingsError: ``max_chars`` is below 1.
    """
    text = document.text
    base = {key: value for key, value in document.metadata.items() if key not in HIDDEN_KEYS}
    waiting: SentenceRecord | None = None
    for index, run in _runs(text, outline_of(document)):
        first = run[0]
        starts = [section.start for section in run]
        metadatas = [_metadata(base, section) for section in run]
        for span in _spans(text, first.kind, first.start, run[-1].end, max_chars):
            record = SentenceRecord(
                doc_id=document.node_id,
                position=0 if waiting is None else waiting.position + 1,
                text=text[span.start : span.end],
                start=span.start,
                end=span.end,
                section=index,
                kind=first.kind,
                metadata=metadatas[max(bisect_right(starts, span.start) - 1, 0)],
            )
            if waiting is not None:
                waiting.after = _leading_space(text[waiting.end : span.start])
                yield waiting
            waiting = record
    if waiting is not None:
        waiting.after = _leading_space(text[waiting.end :])
        yield waiting


def _spans(text: str, kind: str, start: int, end: int, max_chars: int) -> Iterator[Span]:
    if kind == "table":
        return _rows(text, start, end, max_chars)
    if kind == "code":
        return iter_cuts(text, start, end, max_chars)
    return iter_spans(text, start, end, max_chars)


def _rows(text: str, start: int, end: int, max_chars: int) -> Iterator[Span]:
    """A table row by row, so that no row is lost in a text longer than the model reads; a rule goes with its header."""
    begin = at = start
    while at < end:
        line_end = text.find("\n", at, end)
        line_end = end if line_end < 0 else line_end
        following = text.find("\n", line_end + 1, end)
        rule = text[line_end + 1 : end if following < 0 else following]
        at = line_end + 1
        if rule.strip() and not rule.strip("|-: \t\r"):
            continue
        yield from iter_cuts(text, begin, line_end, max_chars)
        begin = at


def _leading_space(gap: str) -> str:
    """The white space that follows a sentence; what else lies in the gap (a heading told by the path) is not its."""
    return gap[: len(gap) - len(gap.lstrip())]


def _metadata(base: dict[str, Any], section: Section) -> dict[str, Any]:
    metadata = dict(base)
    if section.heading:
        metadata["heading"] = " > ".join(section.heading)
    if section.page is not None:
        metadata["page"] = section.page
    if section.place:
        metadata["place"] = section.place
    return metadata


def _runs(text: str, sections: Sequence[Section]) -> Iterator[tuple[int, list[Section]]]:
    """Sections to index, as (index of the first, sections): text that differs only in its page is one run."""
    told = _headings_told(text, sections)
    index = 0
    run: list[Section] = []
    for i, section in enumerate(sections):
        if i in told:
            continue
        last = run[-1] if run else None
        if (
            last is not None
            and section.kind == last.kind == "text"
            and section.heading == last.heading
            and section.page != last.page
            and section.start >= last.end
            and not text[last.end : section.start].strip()
        ):
            run.append(section)
            continue
        if run:
            yield index, run
        index, run = i, [section]
    if run:
        yield index, run


def _headings_told(text: str, sections: Sequence[Section]) -> set[int]:
    """Indexes of the headings that the path of some body below them names."""
    told: set[int] = set()
    body: tuple[str, ...] = ()
    for i in range(len(sections) - 1, -1, -1):
        section = sections[i]
        if section.kind != "heading":
            if section.end > section.start and text[section.start : section.start + 200].strip():
                body = section.heading
        elif section.heading and body[: len(section.heading)] == section.heading:
            told.add(i)
        else:
            body = section.heading
    return told


class SentenceWindowNodeParser(NodeParser):
    """LlamaIndex node parser: one node a sentence, with the ids and keys of ``SentenceRecord.to_node()``.

    Windows are not copied into the nodes; they are fetched at query time. Use it where LlamaIndex takes a
    transformation, for example ``IngestionPipeline(transformations=[SentenceWindowNodeParser.from_defaults()])``.

    Node ids are made of the document's id and the sentence's position, so two documents of the same id in one call
    would overwrite each other: that is a SourceError.
    """

    max_chars: int = Field(default=MAX_CHARS, ge=1, description="longest sentence in characters")

    @classmethod
    def from_defaults(
        cls, max_chars: int = MAX_CHARS, include_metadata: bool = True, include_prev_next_rel: bool = True
    ) -> SentenceWindowNodeParser:
        return cls(max_chars=max_chars, include_metadata=include_metadata, include_prev_next_rel=include_prev_next_rel)

    @classmethod
    def class_name(cls) -> str:
        return "RagWrightSentenceWindowNodeParser"

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:
        seen: set[str] = set()
        parsed: list[BaseNode] = []
        for node in nodes:
            if node.node_id in seen:
                raise SourceError(
                    f"two documents have the id '{node.node_id}'", remedy="give every Document an id_ of its own"
                )
            seen.add(node.node_id)
            parsed += self._nodes_of(node)
        return parsed

    def _nodes_of(self, node: BaseNode) -> list[TextNode]:
        document = node if isinstance(node, Document) else _as_document(node)
        nodes = []
        for record in iter_records(document, max_chars=self.max_chars):
            sentence = record.to_node()
            if not self.include_metadata:
                sentence.metadata = {key: sentence.metadata[key] for key in STRUCTURE_KEYS}
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
        """Offsets and metadata are exact already; the base class would search for them and add the outline."""
        return nodes


def _as_document(node: BaseNode) -> Document:
    """A node of an earlier transformation, taken as a document of its own."""
    return Document(
        id_=node.node_id,
        text=node.get_content(metadata_mode=MetadataMode.NONE),
        metadata=node.metadata,
        excluded_embed_metadata_keys=node.excluded_embed_metadata_keys,
        excluded_llm_metadata_keys=node.excluded_llm_metadata_keys,
    )
