"""An answer is shown first and once, then its sources, then what is to be said of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rag.cli.answering import AnswerScreen, sources_text
from rag.cli.main import main
from tests.rag.cli.screen import screen


def citation(number: int, text: str, *, matched: bool = False, **place: Any) -> dict[str, Any]:
    where = {"source": "a.md", "heading": "Top > Deep", "page": 2, **place}
    return {"number": number, "text": text, "matched": matched, **where}


def response(answer: str, *citations: dict[str, Any], notes: tuple[str, ...] = (), **more: Any) -> Any:
    metadata = {"citations": list(citations), "notes": list(notes), "trace": {}, **more}
    return SimpleNamespace(response=answer, metadata=metadata)


class FakeStream:
    """A streamed answer as the engine's: tokens, then the checked response."""

    def __init__(self, tokens: list[str], response: Any) -> None:
        self._tokens, self.response = tokens, response

    def tokens(self) -> Any:
        yield from self._tokens


def test_a_sentence_that_the_answer_quotes_is_not_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    quoted, other = "Boats leave at high tide.", "The pier is closed in winter."
    AnswerScreen().show(response(f"{quoted} [1]", citation(1, quoted), citation(1, other), notes=("no model",)))
    shown = capsys.readouterr()
    assert shown.out == f"{quoted} [1]\n\n[1] a.md › Top › Deep, page 2\n    “{other}”\n"
    assert shown.err == "note: no model\n"


def test_one_line_a_source_with_its_sentences_below() -> None:
    rows = [citation(2, "C.", matched=True), citation(1, "A.", matched=True), citation(1, "B."), citation(1, "A.")]
    lines = sources_text(rows, "Something else [1][2]", None).splitlines()
    assert [line.strip() for line in lines if "“" in line] == ["“A.”", "“B.”", "“C.”"]
    assert sum("a.md" in line for line in lines) == 2
    assert "matched, not cited by the model" in lines[-2] and "matched" not in lines[0]


def test_notes_are_told_once_a_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    answers = AnswerScreen()
    for answer in ("One.", "Two."):
        answers.show(response(answer, notes=("the model is small", f"about {answer}")))
    assert capsys.readouterr().err.count("the model is small") == 1
    assert answers.shown_notes == {"the model is small", "about One.", "about Two."}


def test_a_follow_up_shows_what_was_searched(capsys: pytest.CaptureFixture[str]) -> None:
    trace = {"question": "How wide?", "searched": "How wide is a window?"}
    AnswerScreen().show(response("Three.", trace=trace))
    assert capsys.readouterr().out == "(searched: How wide is a window?)\nThree.\n"
    AnswerScreen().show(response("Three.", trace={"question": "How wide?", "searched": "How wide?"}))
    assert capsys.readouterr().out == "Three.\n"


def test_what_is_near_is_shown_where_nothing_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    near = [{"source": "b.md", "heading": None, "text": "Pears are\nsold."}]
    AnswerScreen().show(response("Not in these documents.", nearest=near))
    assert capsys.readouterr().out == "Not in these documents.\n\nClosest passages:\nb.md\n    Pears are sold.\n"


def test_what_stands_around_an_answer_is_in_the_language_of_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    chinese = {"trace": {"question": "多少？", "searched": "多少？", "language": "zh"}}
    near = [{"source": "b.md", "heading": None, "text": "梨论筐卖。"}]
    AnswerScreen().show(response("没有找到。", nearest=near, notes=("没有配置语言模型",), **chinese))
    shown = capsys.readouterr()
    assert (
        shown.out == "没有找到。\n\n最接近的段落：\nb.md\n    梨论筐卖。\n" and shown.err == "说明：没有配置语言模型\n"
    )
    rows = [citation(1, "甲。", matched=True, more_places=[{}])]
    AnswerScreen().show(response("乙。[1]", *rows, **chinese))
    assert "(自动匹配，不是模型所引; 另有 1 处)" in capsys.readouterr().out


def test_a_stream_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    done = response("Yes, it is. [1]", citation(1, "A.", matched=True))
    AnswerScreen().stream(FakeStream(["Yes", ", it", " is. [1]"], done))
    assert capsys.readouterr().out.startswith("Yes, it is. [1]\n\n[1] a.md › Top › Deep, page 2  (matched, not cited")
    AnswerScreen().stream(FakeStream(["Yes [9]"], response("Yes")))
    assert "After checking the citations:\nYes\n" in capsys.readouterr().out
    AnswerScreen().stream(FakeStream(["Yes."], response("Yes. [1]")))
    assert "With the passages that support it:\nYes. [1]\n" in capsys.readouterr().out
    AnswerScreen().stream(FakeStream(["Wrong.", "\n\nOwn words. [1]"], response("Own words. [1]")))
    assert capsys.readouterr().out == "Wrong.\n\nOwn words. [1]\n"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_terminal_shows_the_checked_answer_in_the_place_of_what_came(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    terminal = screen(monkeypatch, "stdout", columns)
    wrong, right = "Something that no passage says. " * 6, "默认是左右各三句，宽度在提问时选择。[1]" * 4
    AnswerScreen().stream(FakeStream([*wrong.split(" "), "\n\n", *right], response(right, citation(1, "B."))))
    seen = terminal.seen
    assert "no passage says" not in seen
    assert seen.count("宽度在提问时选择") >= 3 and "".join(seen.split()).count("".join(right.split())) == 1
    assert "[1] a.md › Top › Deep, page 2\n    “B.”" in seen


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    def bold(*options: str, **environ: str) -> bool:
        shown = CliRunner().invoke(main, ["doctor", "--profile", "offline", *options], env=environ)
        return "\x1b[3" in shown.stdout

    assert not bold()
    assert bold("--color", "always")
    terminal = screen(monkeypatch, "stdout")
    with main.make_context("rag", ["status"]) as context:
        for choice, variable, expected in (("auto", "", True), ("auto", "1", False), ("never", "", False)):
            from rag.cli.page import set_colours

            monkeypatch.setenv("NO_COLOR", variable)
            set_colours(choice)
            before = len(terminal.written)
            AnswerScreen().show(response("Yes. [1]"))
            assert ("\x1b[36m" in terminal.written[before:]) is expected
        assert context.color is False


def test_documents_cannot_steer_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    AnswerScreen().show(response("a\x1b[31mb\ue000", citation(1, "\x1b[2J evil", source="x\x1b]0;t\x07.md")))
    assert "\x1b" not in capsys.readouterr().out
