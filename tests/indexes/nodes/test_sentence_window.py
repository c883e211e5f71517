from collections.abc import Callable
from itertools import pairwise

import pytest
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import MetadataMode, NodeRelationship, TextNode

from indexes.errors import SettingsError, SourceError
from indexes.nodes import SentenceRecord, SentenceWindowNodeParser, iter_records, point_id
from indexes.nodes.record import join_records
from indexes.readers.builder import OutlineBuilder
from indexes.readers.outline import OUTLINE_KEY, make_document, outline_of


def built(fill: Callable[[OutlineBuilder], object], **metadata: str) -> Document:
    builder = OutlineBuilder()
    fill(builder)
    extract = builder.build()
    return make_document("doc", extract.text, extract.sections, metadata)


def guide(builder: OutlineBuilder) -> None:
    builder.heading(1, "Guide")
    builder.paragraph("Welcome here. 欢迎使用。请先阅读。")
    builder.heading(2, "Tables")
    builder.paragraph("See below.")
    builder.table([["name", "size"], ["a", "1"]])
    builder.code("x = 1\n\ny = 2")
    builder.paragraph("After the code. The end.")
    builder.heading(2, "To do")


def test_document_without_outline_is_one_section() -> None:
    records = list(iter_records(Document(id_="d", text="  One. Two.\n\n三。四。\n", metadata={"k": 1})))
    assert [record.text for record in records] == ["One.", "Two.", "三。", "四。"]
    assert [record.position for record in records] == [0, 1, 2, 3]
    assert [record.after for record in records] == [" ", "\n\n", "", "\n"]
    assert {record.section for record in records} == {0}
    assert records[0].metadata == {"k": 1}
    assert records[2].id == point_id("d", 2)


def test_windows_never_cross_headings_tables_and_code() -> None:
    document = built(guide, source="/x", title="Guide")
    records = list(iter_records(document))
    assert [(record.kind, record.section) for record in records] == [
        ("text", 1), ("text", 1), ("text", 1), ("text", 3), ("table", 4), ("code", 5), ("text", 6), ("text", 6),
        ("heading", 7),
    ]  # fmt: skip
    assert records[3].metadata == {"source": "/x", "title": "Guide", "heading": "Guide > Tables"}
    assert (records[4].text, records[4].raw) == ("Tables — name: a; size: 1", "| a | 1 |")
    assert records[5].text == "x = 1\n\ny = 2"


def test_heading_is_a_record_only_without_body_below_it() -> None:
    records = list(iter_records(built(guide)))
    assert [record.text for record in records if record.kind == "heading"] == ["To do"]
    assert records[-1].heading == "Guide > To do"


def test_heading_over_headings_without_body_is_named_by_their_path() -> None:
    def fill(builder: OutlineBuilder) -> None:
        builder.heading(1, "A")
        builder.heading(2, "B")
        builder.heading(2, "C")

    assert [record.heading for record in iter_records(built(fill))] == ["A > B", "A > C"]


def test_text_and_after_give_back_the_document_within_a_section() -> None:
    document = built(guide)
    records = list(iter_records(document, max_chars=20))
    for first, second in pairwise(records):
        assert (first.raw or first.text) == document.text[first.start : first.end]
        if first.section == second.section and second.start >= first.end:
            assert first.text + first.after == document.text[first.start : second.start]
        assert first.after == "" or first.after.isspace()
    for section in {record.section for record in records}:
        joined = join_records([record for record in records if record.section == section])
        assert joined in document.text


def test_a_sentence_runs_over_a_page_break_and_keeps_the_page_it_begins_on() -> None:
    def fill(builder: OutlineBuilder) -> None:
        builder.paragraph("First. A sentence that goes", page=1)
        builder.paragraph("on here. Last.", page=2, glue=" ")

    records = list(iter_records(built(fill)))
    assert [(record.text, record.page) for record in records] == [
        ("First.", 1),
        ("A sentence that goes on here.", 1),
        ("Last.", 2),
    ]
    assert {record.section for record in records} == {0}


def test_long_tables_are_cut_at_line_ends() -> None:
    document = built(lambda builder: builder.table([["a" * 20, "b"]] * 20))
    records = list(iter_records(document, max_chars=100))
    assert len(records) > 1
    assert all(len(record.raw) <= 100 and record.raw.startswith("|") and record.raw.endswith("|") for record in records)
    assert len({record.section for record in records}) == 1


def test_max_chars_is_checked() -> None:
    with pytest.raises(SettingsError):
        list(iter_records(Document(text="a"), max_chars=0))


def test_records_stream() -> None:
    records = iter_records(Document(id_="d", text="好。" * 500_000))
    assert next(records).position == 0


def test_parser_in_an_ingestion_pipeline_gives_the_nodes_of_the_records() -> None:
    document = built(guide, source="/x")
    document.excluded_embed_metadata_keys.append("source")
    parser = SentenceWindowNodeParser.from_defaults(max_chars=200)
    nodes = IngestionPipeline(transformations=[parser]).run(documents=[document])
    records = list(iter_records(document, max_chars=200))
    assert [node.node_id for node in nodes] == [record.id for record in records]
    assert [SentenceRecord.from_node(node) for node in nodes] == records
    assert OUTLINE_KEY not in nodes[0].metadata
    assert nodes[0].ref_doc_id == "doc"
    assert nodes[1].relationships[NodeRelationship.PREVIOUS].node_id == nodes[0].node_id
    assert nodes[1].relationships[NodeRelationship.NEXT].node_id == nodes[2].node_id
    assert "/x" not in nodes[0].get_content(MetadataMode.EMBED)
    assert "/x" in nodes[0].get_content(MetadataMode.LLM)
    assert len(outline_of(document)) == 8  # the document itself is left as it was


def test_parser_options() -> None:
    parser = SentenceWindowNodeParser.from_defaults(include_metadata=False, include_prev_next_rel=False)
    node = parser.get_nodes_from_documents([built(guide, source="/x")])[0]
    assert set(node.metadata) == {"position", "section", "after", "kind"}
    assert set(node.relationships) == {NodeRelationship.SOURCE}
    assert parser.to_dict()["max_chars"] == parser.max_chars


def test_nodes_of_an_earlier_transformation_are_documents_of_their_own() -> None:
    nodes = SentenceWindowNodeParser.from_defaults()([TextNode(id_="chunk", text="One. Two.", metadata={"k": 1})])
    assert [node.node_id for node in nodes] == [point_id("chunk", 0), point_id("chunk", 1)]
    assert nodes[0].metadata["k"] == 1


def test_two_documents_of_one_id_are_refused() -> None:
    documents = [Document(id_="same", text="A."), Document(id_="same", text="B.")]
    with pytest.raises(SourceError, match="two documents have the id 'same'"):
        SentenceWindowNodeParser.from_defaults().get_nodes_from_documents(documents)


def test_a_table_is_a_record_a_row_and_joins_exactly() -> None:
    rows = [["name", "size"], *[[f"item {number}", str(number)] for number in range(5)]]
    document = built(lambda builder: builder.table(rows))
    records = list(iter_records(document))
    assert [record.text for record in records][:2] == ["name: item 0; size: 0", "name: item 1; size: 1"]
    assert len(records) == 5
    assert join_records(records) == document.text
    assert join_records(records[3:]) == "| name | size |\n| --- | --- |\n| item 3 | 3 |\n| item 4 | 4 |"
