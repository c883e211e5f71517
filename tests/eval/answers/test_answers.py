"""Answer measures by hand, in both languages; nested alternatives; abstention; the judge's agreement."""

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms import MockLLM

from eval.answers.judge import judge, read_verdict
from eval.answers.scores import Answered, agreement, exact_match, f1, means, score_answer, score_answers
from eval.datasets import Dataset
from eval.datasets.dataset import CorpusPassage
from eval.gold import contains, tokens
from eval.measure.runs import Run
from indexes.errors import SourceError


def test_tokens_of_both_languages():
    assert tokens("The U.S. won 3-1 [2]") == ["u", "s", "won", "3", "1"]
    assert tokens("１９９８年，Ｂ站") == ["1998", "年", "b", "站"]


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("The Tampa, Florida.", [["Tampa Florida", "Miami"]], 1.0),
        ("Tampa", [["Tampa Florida"]], 0.0),
        ("江苏苏宁。", [["江苏苏宁"]], 1.0),
        ("Ada and Bob", [["Ada and Bob"]], 1.0),
        ("Ada, Bob", [["Ada", "A."], ["Bob"]], 1.0),
    ],
)
def test_exact_match(answer, gold, expected):
    assert exact_match(answer, gold) == expected


def test_f1_counts_words_in_english_and_characters_in_chinese():
    assert f1("won in Tampa", [["Tampa Florida"]]) == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    assert f1("苏宁队", [["江苏苏宁"]]) == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert f1("nothing alike", [["Tampa"]]) == 0.0
    assert f1("Ada Bob", [["Ada"], ["Eve", "Bob"]]) == 1.0


def test_containment_needs_every_answer_in_any_of_its_forms():
    gold = [["January 2", "Jan 2"], ["2022"]]
    assert contains("It was on Jan 2, 2022 [1].", gold) == 1.0
    assert contains("It was on Jan 2.", gold) == 0.0
    assert contains("It was on Jan 21, 2022", gold) == 0.0  # whole words only
    assert contains("冠军是江苏苏宁队", [["江苏苏宁"]]) == 1.0
    assert contains("共有170个", [["70"]]) == 0.0
    assert contains("anything", []) == 0.0


def test_citations_against_gold_documents():
    row = score_answer("q", "x", [["x"]], relevant=["a", "b"], cited=["a", "z"])
    assert (row.citation_precision, row.citation_recall) == (0.5, 0.5)
    assert score_answer("q", "x", [["x"]], relevant=["a"], cited=[]).citation_precision == 0.0
    assert score_answer("q", "x", [["x"]], relevant=["a"]).citation_precision is None


def test_abstention_precision_and_recall():
    rows = [
        Answered("1", "", abstained=True, answerable=False),
        Answered("2", "", abstained=True, answerable=True, contains=0.0),
        Answered("3", "x", abstained=False, answerable=False),
        Answered("4", "x", abstained=False, answerable=True, contains=1.0),
    ]
    found = means(rows)
    assert (found["abstention_precision"], found["abstention_recall"], found["abstained"]) == (0.5, 0.5, 0.5)
    assert found["contains"] == 0.5


def test_agreement_by_hand():
    assert agreement([True, False], [True, False]) == {"pairs": 2, "equal": 1.0, "kappa": 1.0}
    assert agreement([True, True], [True, False])["kappa"] == 0.0
    assert agreement([], [])["pairs"] == 0


@pytest.fixture
def dataset():
    corpus = {"a": CorpusPassage("a", "", "Tampa hosted it."), "b": CorpusPassage("b", "", "Oslo did not.")}
    return Dataset(
        "d",
        corpus,
        {"1": "Who hosted it?", "2": "谁赢了？"},
        {"1": {"a": 1}, "2": {"b": 0}},
        {"1": {"answers": ["Tampa"]}},
    )


def test_scores_of_a_run(dataset):
    details = {
        "1": {"answer": "Tampa hosted it. [1]", "status": "extractive", "citations": [{"number": 1, "source": "a"}]},
        "2": {"answer": "文档中没有", "status": "not_found"},
    }
    scores = score_answers(Run("r", {}, details=details), dataset)
    assert scores.mean["contains"] == 1.0 and scores.mean["citation_precision"] == 1.0
    assert scores.mean["abstention_precision"] == scores.mean["abstention_recall"] == 1.0
    with pytest.raises(SourceError, match="has no answers"):
        score_answers(Run("r", {}), dataset)


def test_the_judge_is_compared_with_the_strings(dataset):
    details = {"1": {"answer": "Tampa", "status": "answered"}, "2": {"answer": "", "status": "not_found"}}
    scores = score_answers(Run("r", {}, details=details), dataset)
    judged = judge(scores, dataset.queries, {"1": ["Tampa hosted it."]}, MockLLM())  # it echoes the prompt: no verdict
    assert judged.answers[0].faithful is None and "neither yes nor no" in " ".join(judged.notes)
    assert read_verdict("<think>no?</think>\n是的。") is True
    assert read_verdict("不是") is False


class Thinker(MockLLM):
    """Thinks "no" aloud, and then says yes; the second reply is cut while it thinks."""

    replies: list[str] = ["<thinking>No, surely not.</thinking>Yes.", "<think>No: the passage"]

    def chat(self, messages, **kwargs):
        return ChatResponse(message=ChatMessage(role="assistant", content=self.replies.pop(0)))


def test_what_a_judge_thinks_is_no_verdict(dataset):
    details = {"1": {"answer": "Tampa", "status": "answered"}, "2": {"answer": "", "status": "not_found"}}
    scores = score_answers(Run("r", {}, details=details), dataset)
    judged = judge(scores, dataset.queries, {"1": ["Tampa hosted it."]}, Thinker())
    assert judged.answers[0].faithful is True and judged.answers[0].relevant is None
    assert any("neither yes nor no" in note for note in judged.notes)


def test_answers_are_judged_side_by_side_in_their_order(dataset):
    details = {query: {"answer": f"{query} yes", "status": "answered"} for query in dataset.queries}
    scores = score_answers(Run("r", {}, details=details), dataset)
    passages = {query: ["Tampa hosted it."] for query in dataset.queries}
    alone, several = (judge(scores, dataset.queries, passages, Agrees(), parallel=n) for n in (1, 4))
    assert alone == several and all(row.faithful for row in several.answers)


class Agrees(MockLLM):
    def chat(self, messages, **kwargs):
        return ChatResponse(message=ChatMessage(role="assistant", content="Yes."))
