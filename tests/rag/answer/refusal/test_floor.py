"""The floor of extractive answers, chosen on the collection itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes import Index, build_index
from indexes.nodes.record import SentenceRecord
from rag import build_query_engine
from rag.answer.language import words_of
from rag.answer.refusal.confidence import nearest
from rag.answer.refusal.floor import FEWEST, Floor
from rag.answer.refusal.other_words import nearness
from rag.retrieval.candidate import Passage
from rag.settings import Settings, load_settings
from rag.ways import BLOCKING, run_now

pytestmark = pytest.mark.slow
TRADES = words_of(
    "baker brewer carpenter dyer engraver farrier glazier hatter joiner lacemaker mason nailer organist potter quilter "
    "roofer saddler tanner upholsterer vintner weaver"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    none = {"provider": "none"}
    store = {"path": str(tmp_path_factory.mktemp("store"))}
    return load_settings(profile="offline", encoder={"provider": "minilm"}, rerank=none, llm=none, store=store)


@pytest.fixture(scope="module")
def town(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("town")
    for number, trade in enumerate(sorted(TRADES)):
        text = (
            f"The {trade} of Rookford opens his workshop at {5 + number % 5} in the morning. "
            f"Apprentices of the {trade} receive a wage of {200 + 7 * number} crowns every year. "
            f"The guild inspects the tools of the {trade} before the feast of the river."
        )
        (folder / f"{trade}.md").write_text(text, encoding="utf-8")
    with build_index([folder], collection="town", settings=settings) as index:
        yield index


def test_questions_about_the_documents_are_answered_and_others_refused(town: Index, settings: Settings) -> None:
    engine = build_query_engine(town, settings=settings)
    asked = {
        "What wage do apprentices of the tanner receive?": "extractive",
        "When does the weaver open his workshop?": "extractive",
        "How much are the mason's young helpers paid?": "extractive",  # in other words
        "Which planet has the most moons?": "not_found",
        "How do I reset my password?": "not_found",
        "hello": "not_found",
    }
    found = {question: engine.query(question) for question in asked}
    assert {question: response.metadata["status"] for question, response in found.items()} == asked
    assert found["hello"].metadata["nearest"] and "crowns" not in str(found["hello"])


def test_rare_terms_of_the_collection_weigh_more(town: Index) -> None:
    from rag.answer.words.terms import terms_of

    floor = Floor(town)
    common, rare, unknown = floor.rarity([terms_of(word)[0] for word in ("guild", "tanner", "planet")])
    assert common < rare <= unknown


def test_the_next_process_reads_what_was_fitted(town: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = town.encoder.encode_queries(["What wage do apprentices of the tanner receive?"]).dense[0]
    fitted = Floor(town)
    assert fitted.deviations(asked, 0.5) is not None
    encoder = town.encoder
    monkeypatch.setattr(type(encoder), "encode_queries", None)
    again = Floor(town)
    assert again.deviations(asked, 0.5) == fitted.deviations(asked, 0.5)
    kept = town.store.record()["floor"]
    assert kept["count"] == town.store.count() and kept["low"] <= kept["high"]
    town.store.set_record(floor={**kept, "count": kept["count"] * 2})  # it has shrunk to half since
    with pytest.raises(TypeError):
        Floor(town).deviations(asked, 0.5)


def test_passages_about_the_question_are_nearer_than_others(town: Index, settings: Settings) -> None:
    steps = build_query_engine(town, settings=settings).steps

    def nearness(question: str) -> float | None:
        return steps.own.nearness(run_now(steps.prepare(question, None, None, BLOCKING)))

    near, far = nearness("What wage do apprentices of the tanner receive?"), nearness("Which planet has most moons?")
    assert near is not None and far is not None and near > 1 > far
    assert nearness("制革匠的学徒每年拿多少工钱？") is None  # every English sentence is far from a Chinese question


def test_few_sentences_have_no_nearness(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "one.md").write_text("The mill grinds rye. The miller is deaf.", encoding="utf-8")
    with build_index([tmp_path], collection="mill", settings=settings) as index:
        asked = index.encoder.encode_queries(["What does the mill grind?"]).dense[0]
        assert index.store.count() < FEWEST and Floor(index).deviations(asked, 0.9) is None
        assert Floor(index).nearness(asked, 0.9) is None
        engine = build_query_engine(index, settings=settings)
        assert engine.query("What does the mill grind?").metadata["status"] == "extractive"
        assert engine.query("hello").metadata["status"] == "not_found"


def test_a_greeting_is_no_question_to_texts_of_another_language(tmp_path: Path) -> None:
    none = {"provider": "none"}
    settings = load_settings(profile="offline", rerank=none, llm=none, store={"path": str(tmp_path / "store")})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "boats.md").write_text(
        "The ferry leaves at noon.\n\n| Boat | Price |\n|---|---|\n| Kayak | 30 |\n"
    )
    (tmp_path / "docs" / "渡口.md").write_text("渡口每天六点关门。\n\n学生乘船需要出示学生证。\n", encoding="utf-8")
    with build_index([tmp_path / "docs"], collection="pier", settings=settings) as index:
        engine = build_query_engine(index, settings=settings)
        for greeting in ("hello", "good morning", "thank you very much", "你好", "早上好"):
            assert engine.query(greeting).metadata["status"] == "not_found", greeting
        refused = engine.query("你好")
        assert refused.metadata["note_kinds"] == ["no_llm", "not_found"]
        assert refused.metadata["notes"] == ["没有配置语言模型，因此以下是文档原句", "找到的段落与所问的内容无关"]
        assert engine.query("When does the pier close every day?").metadata["status"] == "extractive"


HIRE = """# Hire

Refunds of the deposit are paid within three days after the boat is back.
Life jackets are lent free of charge.
Crews with a captain under eighteen are turned away.
A torn sail is mended at the hirer's expense.
"""
HIRE_ZH = """# 租船

天气恶劣时可免费取消。
救生衣免费借用。
船长未满十八岁的不予出租。
船帆破损由租船人承担修理费用。
"""


@pytest.mark.parametrize(
    ("text", "question", "sentence", "note", "others"),
    [
        (
            HIRE,
            "how do I get my money back",
            "Refunds of the deposit",
            "the sentence holds hardly a word",
            ("Which planet has the most moons?", "who painted the Mona Lisa"),
        ),
        (HIRE_ZH, "下大雨了能退吗", "天气恶劣", "这句话几乎不含问题里的词", ("哪颗行星的卫星最多", "蒙娜丽莎是谁画的")),
    ],
)
def test_a_question_in_other_words_gets_the_nearest_sentence_which_is_not_called_checked(
    tmp_path: Path, text: str, question: str, sentence: str, note: str, others: tuple[str, ...]
) -> None:
    none = {"provider": "none"}
    settings = load_settings(profile="offline", rerank=none, llm=none, store={"path": str(tmp_path / "store")})
    (tmp_path / "hire.md").write_text(text, encoding="utf-8")
    with build_index([tmp_path / "hire.md"], collection="hire", settings=settings) as index:
        engine = build_query_engine(index, settings=settings)
        answer = engine.query(question)
        found = answer.metadata
        assert found["status"] == "extractive" and sentence in str(answer), found["nearest"]
        assert [one["status"] for one in found["sentences"]] == ["unverified"]
        assert found["note_kinds"][-1] == "other_words" and found["notes"][-1].startswith(note)
        for other in others:
            refused = engine.query(other).metadata
            assert refused["status"] == "not_found" and refused["nearest"], other


def test_the_nearest_passages_show_their_best_sentence() -> None:
    first, best = (
        SentenceRecord("pier.md", place, text) for place, text in enumerate(["Boats wait.", "It opens at 6."])
    )
    shown = nearest([Passage(1, [first, best], [best.id, first.id], 0.9), Passage(2, [first], [], 0.5)])
    assert [row["text"] for row in shown] == ["It opens at 6.", "Boats wait."]


def test_an_encoder_that_cannot_tell_is_not_asked(town: Index) -> None:
    assert nearness(town.encoder, 0.9, "zh") is None  # MiniLM reads no Chinese
    far, near = (nearness(town.encoder, cosine, "en") for cosine in (0.1, 0.5))
    assert far is not None and near is not None and far < 0.5 < near
