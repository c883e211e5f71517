"""Answers checked against their passages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.nodes.record import SentenceRecord
from rag.answer.check.citations import CitationStream, CitedAnswer, cite
from rag.answer.check.mark_forms import MarkForms, is_only_marks
from rag.retrieval.candidate import Passage
from tests.rag.answer.conftest import MakePassage


def statuses(answer: CitedAnswer) -> list[tuple[str, tuple[int, ...]]]:
    return [(sentence.status, sentence.numbers) for sentence in answer.sentences]


def test_cited_sentence_gets_its_best_passage_sentence(guide: list[Passage]) -> None:
    answer = cite("The server uses port 6333 [1].", guide)
    assert statuses(answer) == [("cited", (1,))]
    (citation,) = answer.citations
    assert citation.text == "A Qdrant server listens on port 6333."
    assert (citation.number, citation.source, citation.heading) == (1, "store.md", "Store > Engines")
    assert (citation.start, citation.end, citation.matched) == (200, 237, False)
    assert citation.sentence_id == guide[0].sentences[2].id
    assert citation.as_dict() == {
        "number": 1,
        "source": "store.md",
        "heading": "Store > Engines",
        "page": None,
        "text": "A Qdrant server listens on port 6333.",
        "matched": False,
        "doc_id": "store.md",
        "sentence_id": citation.sentence_id,
        "start": 200,
        "end": 237,
    }


def test_page_is_carried(guide: list[Passage]) -> None:
    assert cite("Anna Berg bakes bread [3].", guide).citations[0].page == 4


def test_uncited_sentences_are_matched_or_unsupported(guide: list[Passage]) -> None:
    answer = cite("Qdrant Edge is the default engine. The moon is made of cheese.", guide)
    assert statuses(answer) == [("matched", (1,)), ("unsupported", ())]
    assert [c.matched for c in answer.citations] == [True]
    assert answer.annotated == "Qdrant Edge is the default engine. [1] The moon is made of cheese."
    assert answer.text == "Qdrant Edge is the default engine. The moon is made of cheese."


def test_chinese_sentences_are_matched(guide: list[Passage]) -> None:
    answer = cite("默认窗口为左右各3句话。查询时可以改变窗口大小。猪八戒住在高老庄。", guide)
    assert statuses(answer) == [("matched", (2,)), ("matched", (2,)), ("unsupported", ())]
    assert [c.text for c in answer.citations] == ["默认的窗口是左右各三句话。", guide[1].sentences[1].text]
    assert answer.annotated == "默认窗口为左右各3句话。[2]查询时可以改变窗口大小。[2]猪八戒住在高老庄。"


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("A Qdrant server listens on port 6333.", True),
        ("A Qdrant server listens on port 6334.", False),
        ("Anna Berg bakes 1200 loaves of bread a day.", True),
        ("Anna Berg bakes 1,300 loaves of bread a day.", False),
        ("The bakery in Lyon opens at 7 o'clock.", True),
        ("The bakery in Paris opens at seven o'clock.", False),
        ("孙悟空被压在五行山下500年。", True),
        ("孙悟空被压在五行山下三百年。", False),
        ("The embedded engine is the default.", True),
        ("The embedded engine supports clusters of many machines in several regions.", False),
    ],
)
def test_a_wrong_number_or_name_is_not_supported(guide: list[Passage], sentence: str, supported: bool) -> None:
    (found,) = cite(sentence, guide).sentences
    assert (found.status == "matched") == supported
    assert found.failed != supported


def test_threshold(guide: list[Passage]) -> None:
    sentence = "The embedded engine is quick and friendly."
    assert statuses(cite(sentence, guide, support_threshold=0.9)) == [("unverified", ())]
    assert statuses(cite(sentence, guide, support_threshold=0.3)) == [("matched", (1,))]
    # nothing in common is never a match, whatever the threshold
    assert statuses(cite("Giraffes sleep standing.", guide, support_threshold=0.0)) == [("unsupported", ())]


def test_invented_numbers_are_removed_and_reported(guide: list[Passage]) -> None:
    answer = cite("Qdrant Edge is the default [7]. It needs no server [1][8].", guide)
    assert answer.text == "Qdrant Edge is the default. It needs no server [1]."
    assert answer.removed == ["[7]", "[8]"]
    assert statuses(answer) == [("matched", (1,)), ("cited", (1,))]


def test_numbers_are_those_of_the_passages_given_not_their_order(guide: list[Passage]) -> None:
    answer = cite("Bread is baked in Lyon [3]. Edge is embedded [1].", [guide[2]])
    assert answer.removed == ["[1]"]
    assert [c.number for c in answer.citations] == [3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Edge is embedded [1]. 窗口是三句 [2].", [(1,), (2,)]),
        ("Edge is embedded. [1] 窗口是三句。[2]", [(1,), (2,)]),
        ("Edge is embedded.[1] The window is three.[2]", [(1,), (2,)]),
        ("[1] says Edge is embedded. [2] says the window is three.", [(1,), (2,)]),
        ("According to [1], Edge is embedded.", [(1,)]),
        ("Edge is embedded [1][2].", [(1, 2)]),
        ("Edge is embedded [1]. [2] The bread is baked.", [(1,), (2,)]),
        ("- Edge is embedded [1]\n- The window is three [2]", [(1,), (2,)]),
        ("1. Edge is embedded [1]\n2. The window is three [2]", [(1,), (2,)]),
        ("Edge is embedded.\n\n[1]", [(1,)]),
        ("“窗口是三句。”[2]", [(2,)]),
        ("窗口是三句[2]，Edge 是默认引擎[1]。", [(2, 1)]),
    ],
)
def test_which_sentence_a_marker_belongs_to(guide: list[Passage], text: str, expected: list[tuple[int, ...]]) -> None:
    assert [s.named for s in cite(text, guide).sentences if s.named] == expected


def test_what_claims_nothing_is_not_judged(guide: list[Passage]) -> None:
    text = "# Answer\n\nHere are the steps you should follow:\n\n```\nrun x[9] giraffe\n```\n---\nYes."
    answer = cite(text, guide)
    assert answer.sentences == []
    assert answer.text == text


def test_sentence_places(guide: list[Passage]) -> None:
    answer = cite("Hm! **Edge** is the default engine. [1] 窗口是左右各三句话。", guide)
    places = [answer.text[s.start : s.end] for s in answer.sentences]
    assert places == ["Hm!", "**Edge** is the default engine. [1]", "窗口是左右各三句话。"]


def test_the_same_sentence_is_cited_once_and_the_model_wins(guide: list[Passage]) -> None:
    answer = cite("Qdrant Edge is the default engine. The default engine is Qdrant Edge [1].", guide)
    assert len(answer.citations) == 1
    assert not answer.citations[0].matched


def test_an_answer_in_another_language_falls_back_on_the_hit(guide: list[Passage]) -> None:
    answer = cite("Die Fenstergröße ist frei [2].", guide)
    assert answer.sentences[0].support == 0.0
    assert answer.citations[0].text == guide[1].sentences[1].text  # the passage's hit


def test_headings_are_not_cited(make_passage) -> None:  # type: ignore[no-untyped-def]
    passage = make_passage(1, "Installation of Edge", "Run make demo.", hits=[0], kinds=["heading", "text"])
    assert cite("Installation of Edge: run make demo [1].", [passage]).citations[0].text == "Run make demo."


def test_the_heading_lends_its_words(make_passage) -> None:  # type: ignore[no-untyped-def]
    passage = make_passage(1, "It listens on 6333.", heading="Qdrant server")
    assert statuses(cite("The Qdrant server listens on 6333.", [passage])) == [("matched", (1,))]


def test_no_passages() -> None:
    answer = cite("Edge is the default [1].", [])
    assert (answer.text, answer.removed) == ("Edge is the default.", ["[1]"])
    assert statuses(answer) == [("unsupported", ())]
    assert cite("", []) == CitedAnswer("")


PIECES = st.sampled_from(
    ("Qdrant Edge is the default engine", "默认的窗口是左右各三句话", "port 6333", "port 6334", ". ", "。", "\n",
     "\n\n- ", " [1]", "[2]", "[9]", "【1, 9】", "`", "```\n", " ", "the moon", "a[1]", ": ", "[", "「[9]」",
     "Dr. Who", "1. ", "!")
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join), st.data())
def test_streaming_equals_the_whole(text: str, data: st.DataObject) -> None:
    guide = [
        Passage(1, [SentenceRecord("a", 0, "Qdrant Edge is the default engine on port 6333.")], [], 1.0),
        Passage(2, [SentenceRecord("b", 0, "默认的窗口是左右各三句话。")], [], 0.5),
    ]
    whole = cite(text, guide, support_threshold=0.5)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    stream = CitationStream(guide, support_threshold=0.5)
    shown = "".join(stream.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))
    shown += stream.finish()
    assert shown == whole.text
    assert stream.result() == whole
    for sentence in whole.sentences:
        assert 0 <= sentence.start < sentence.end <= len(whole.text)
        assert set(sentence.numbers) <= {1, 2}
        assert not (sentence.status == "unsupported" and sentence.numbers)
        assert sentence.numbers or sentence.status not in ("cited", "matched", "moved")
    assert {c.number for c in whole.citations} == {n for s in whole.sentences for n in s.numbers}


def test_plain_text_streams_without_delay(guide: list[Passage]) -> None:
    stream = CitationStream(guide)
    stream.feed("The embedded engine of the store is")
    assert [stream.feed(token) for token in (" the", " default", " [", "1", "].")] == [
        " the", " default", "", "", " [1].",
    ]  # fmt: skip


def passages(make: MakePassage, *texts: str) -> list[Passage]:
    return [make(number, text) for number, text in enumerate(texts, start=1)]


FRUIT = ("Figs cost 3 dollars in spring.", "Figs cost 4 dollars in autumn.", "Kiwis cost 5 dollars.")
HOUSE = (
    "The notice period is four weeks to the end of a month.",
    "Training budgets must be approved by the head of the department.",
    "A room costs up to 95 euros a night.",
)
PRICES = "| Article | Price |\n| --- | --- |\n| Hinge B2 | 14.92 |\n| Latch C4 | 3.10 |"


@pytest.mark.parametrize(
    ("texts", "question", "answer", "status", "numbers"),
    [
        (FRUIT, "How much are figs in spring?", "Figs cost 3 dollars in spring. [1]", "cited", (1,)),
        (FRUIT, "How much are figs in spring?", "Figs cost 9 dollars in spring. [1]", "contradicted", (1,)),
        (FRUIT, "How much are figs in spring?", "Figs cost 3 dollars in spring. [2]", "moved", (1,)),
        (FRUIT, "How much are figs in spring?", "Kiwis cost 3 dollars. [1]", "contradicted", (1,)),
        (FRUIT, "How much are figs in spring?", "3 dollars [1]", "cited", (1,)),
        (FRUIT, "How much are figs in spring?", "$3", "matched", (1,)),
        (FRUIT, "How much are figs in spring?", "5 [3]", "contradicted", (3,)),
        (FRUIT, "Do figs cost 3 dollars in spring?", "Yes. [1]", "cited", (1,)),
        (FRUIT, "Do figs cost 3 dollars in spring?", "No. [1]", "contradicted", (1,)),
        (FRUIT, "How much are figs in spring?", "Figs cost 3 dollars in spring (1).", "cited", (1,)),
        (FRUIT, "How much are figs in spring?", "Figs cost 3 dollars in spring.¹", "cited", (1,)),
        (FRUIT, "How much are figs in spring?", "Figs cost 3 dollars in spring [Source: doc1.md].", "cited", (1,)),
        (FRUIT, "How much are figs in spring?", "According to passage 1, figs cost 3 dollars.", "cited", (1,)),
        (FRUIT, "How much are figs in spring?", "Figs cost 3 dollars in spring (passage 1).", "cited", (1,)),
        (("Oars cost 6 euros a day.",), "What do oars cost?", "Oars cost 6 euros an hour. [1]", "contradicted", (1,)),
        (("Hunde sind nicht erlaubt.",), "Sind Hunde erlaubt?", "Hunde sind erlaubt. [1]", "contradicted", (1,)),
        (("船桨每天 6 元。",), "船桨多少钱？", "船桨每小时 6 元。[1]", "contradicted", (1,)),
        (HOUSE, "How long is the notice period?", "The capital of Peru is Lima. [2]", "unsupported", ()),
        (HOUSE, "How long is the notice period?", "28 days [1]", "cited", (1,)),
        (HOUSE, "Who approves training?", "The Harbour Council must approve training budgets.", "contradicted", ()),
        (HOUSE, "What may a room cost?", "Up to EUR 95.", "matched", (3,)),
        (HOUSE, "What may a room cost?", "Up to 95 dollars.", "contradicted", ()),
        (("Orbis was founded in 1865.", "Grew in 2011."), "When did Delta start?", "founded 2011", "unsupported", ()),
        (("加班可以领取补贴。节假日加班不得调休。",), "节假日加班可以调休吗？", "可以调休。[1]", "contradicted", (1,)),
        (("夏季桃子的价格是每公斤3美元。",), "桃子多少钱？", "夏季桃子的價格是每公斤3美元。[1]", "cited", (1,)),
        (("该项目投资125万元。",), "投资多少？", "该项目投资1,250,000元。[1]", "cited", (1,)),
        (("The bar opens at 9 pm.",), "", "The bar opens at 21:00. [1]", "cited", (1,)),
        (("The bar opens at 9 pm.",), "", "The bar opens at 9 a.m. [1]", "contradicted", (1,)),
        (("酒吧晚上九点半开门。",), "酒吧几点开门？", "21:30[1]", "cited", (1,)),
        (("酒吧晚上九点半开门。",), "酒吧几点开门？", "酒吧早上九点半开门。[1]", "contradicted", (1,)),
        (("The board has three members.",), "", "The board has five members. [1]", "contradicted", (1,)),
        (("委员会有两名成员。",), "", "委员会有三名成员。[1]", "contradicted", (1,)),
        (("Fish is stored at -5 °C.",), "", "Fish is stored at minus five degrees. [1]", "cited", (1,)),
        (("鱼存放在零下5度。",), "", "鱼存放在5度。[1]", "contradicted", (1,)),
    ],
)  # fmt: skip
def test_every_claim_is_checked(
    make_passage: MakePassage, texts: tuple[str, ...], question: str, answer: str, status: str, numbers: tuple[int, ...]
) -> None:
    (found,) = cite(answer, passages(make_passage, *texts), question=question).sentences
    assert (found.status, found.numbers) == (status, numbers)


def test_a_bare_value_must_stand_in_the_row_that_is_asked_for(make_passage: MakePassage) -> None:
    other = "| Article | Price |\n| --- | --- |\n| Drill Z9 | 360.77 |"
    rows = [make_passage(1, PRICES, kinds=["table"]), make_passage(2, other, kinds=["table"])]
    question = "What does the Hinge B2 cost?"
    assert statuses(cite("14.92 [1]", rows, question=question)) == [("cited", (1,))]
    assert cite("3.10 [1]", rows, question=question).sentences[0].failed
    assert cite("360.77 [2]", rows, question=question).sentences[0].failed
    assert statuses(cite("360.77 [1]", rows, question="What does the Drill Z9 cost?")) == [("moved", (2,))]


@pytest.mark.parametrize(
    ("answer", "text", "numbers"),
    [
        ("Figs cost 3 dollars in spring <1>.", "Figs cost 3 dollars in spring [1].", (1,)),
        ("Figs cost 3 dollars in spring ①.", "Figs cost 3 dollars in spring [1].", (1,)),
        ("Figs cost 3 dollars in spring.①②", "Figs cost 3 dollars in spring.[1][2]", (1, 2)),
        (r"\boxed{Figs cost 3 dollars in spring [1].}", "Figs cost 3 dollars in spring [1].", (1,)),
        (r"Answer: $\boxed{\text{Figs cost 3 dollars in spring}}$ [1]", "Figs cost 3 dollars in spring [1]", (1,)),
        (r"Figs cost `\boxed{3}` dollars in spring.", r"Figs cost `\boxed{3}` dollars in spring.", (1,)),
    ],
)
def test_other_forms_of_marks_and_a_box(
    make_passage: MakePassage, answer: str, text: str, numbers: tuple[int, ...]
) -> None:
    found = cite(answer, passages(make_passage, *FRUIT))
    assert (found.text, found.sentences[0].numbers) == (text, numbers)
    assert found.sentences[0].status == ("cited" if "[1]" in text else "matched")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("六点开门①。", "六点开门[1]。"),
        ("六点开门<2>，九点关门。", "六点开门[2]，九点关门。"),
        ("① 申请。② 审批。", "① 申请。② 审批。"),
        ("包括①申请，②审批。", "包括①申请，②审批。"),
        ("见步骤①。", "见步骤①。"),
        ("① Apply. ② Wait.", "① Apply. ② Wait."),
        ("Figs as in step ①.", "Figs as in step ①."),
        ("Figs cost 3 dollars <7>.", "Figs cost 3 dollars <7>."),
        ("a list<1> of x", "a list<1> of x"),
        (r"\[ \boxed{40\%} \] ①", "40% [1]"),
        (r"It costs $5 or $6 in C:\temp.", r"It costs $5 or $6 in C:\temp."),
    ],
)
def test_forms_of_marks_in_pieces(text: str, shown: str) -> None:
    for size in (1, 2, 3, len(text)):
        forms = MarkForms({1, 2})
        pieces = [text[place : place + size] for place in range(0, len(text), size)]
        assert "".join(forms.feed(piece) for piece in pieces) + forms.finish() == shown


@pytest.mark.parametrize("mark", ["[1-3]", "[1–3]", "【1-3】"])
def test_of_a_range_the_passage_that_holds_the_sentence_is_cited(make_passage: MakePassage, mark: str) -> None:
    given = passages(make_passage, "Boats are blue.", "The ferry leaves at 6 every morning.", "Dogs are welcome.")
    answer = cite(f"The ferry leaves at 6 every morning {mark}.", given)
    assert statuses(answer) == [("cited", (2,))]
    assert [citation.number for citation in answer.citations] == [2]
    assert answer.annotated == "The ferry leaves at 6 every morning. [2]"
    # Numbers that the model wrote one by one stay.
    assert statuses(cite("The ferry leaves at 6 every morning [1][2].", given)) == [("cited", (1, 2))]
    assert statuses(cite(f"The ferry leaves at 9 every morning {mark}.", given)) == [("contradicted", (1, 2, 3))]


def test_a_label_and_a_list_of_sources_are_no_claims(make_passage: MakePassage) -> None:
    given = passages(make_passage, *FRUIT)
    answer = cite("**Answer:** Figs cost 3 dollars in spring.[1]\n\n**Sources:**\n[1] doc1.md\n[2] doc2.md", given)
    assert (answer.text, statuses(answer)) == ("Figs cost 3 dollars in spring.[1]", [("cited", (1,))])
    listed = cite("Figs cost 3 dollars in spring.\n\nSources: [1]", given)
    assert (listed.text, statuses(listed)) == ("Figs cost 3 dollars in spring.[1]", [("cited", (1,))])


@pytest.mark.parametrize(
    "listed", ["\n\nQuellen: [1], [2]", "\n\n[^1]: doc1.md\n[^2]: doc2.md", "\n\nRéférences :\n[1] doc1.md"]
)
def test_sources_under_other_headings_and_as_footnotes(make_passage: MakePassage, listed: str) -> None:
    answer = cite("Figs cost 3 dollars in spring.[1]" + listed, passages(make_passage, *FRUIT))
    assert (answer.text, statuses(answer)) == ("Figs cost 3 dollars in spring.[1]", [("cited", (1,))])


@pytest.mark.parametrize(
    "text", ["(1)", "<1>", "①", "¹", "【1】。", "See [1].", "Passage [2]", "**[1]**", "参见[1]", "[1][2]"]
)
def test_an_answer_of_marks_alone_says_nothing(text: str) -> None:
    assert is_only_marks(text) and not is_only_marks(f"150 {text}")


def test_the_documents_own_marks_are_moved_to_the_passage(make_passage: MakePassage) -> None:
    given = passages(
        make_passage, "The dam was built in 1932.[2] It is 140 metres long.[3]", "Ferries run.", "No bikes."
    )
    answer = cite("The dam was built in 1932.[2]", given, question="When was the dam built?")
    assert answer.annotated == "The dam was built in 1932. [1]"
    assert cite("The dam was built in 1932.⟦2⟧", given).text == "The dam was built in 1932."
