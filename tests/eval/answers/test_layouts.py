"""Layouts measured: which questions lose their documents, what is kept, and the command with a real model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from eval.answers.layouts import (
    AnswerFile,
    Kept,
    ask,
    cut_documents,
    hours_left,
    in_turn,
    questions_of,
    read_answers,
    run,
)
from eval.datasets import Dataset
from eval.datasets.dataset import CorpusPassage
from indexes.errors import LLMError, SourceError


def dataset(name: str = "d", questions: int = 3) -> Dataset:
    texts = {f"p{n}": f"Person {n} won prize {n}." for n in range(questions)}
    texts |= {"copy": "They say that Person 1 won it.", "n": "It rained."}
    corpus = {key: CorpusPassage(key, "", text) for key, text in texts.items()}
    asked = {f"q{n}": f"Who won prize {n}?" for n in range(questions)}
    judged = {f"q{n}": {f"p{n}": 1, "n": 0} for n in range(questions)}
    answers = {f"q{n}": {"answers": [f"Person {n}"]} for n in range(questions)}
    return Dataset(name, corpus, asked, judged, answers)


def test_every_second_question_loses_all_that_answers_it() -> None:
    first, second, third = questions_of(dataset())
    assert [one.answerable for one in (first, second, third)] == [True, False, True]
    assert "p0" in first.documents
    assert "p1" not in second.documents and "copy" not in second.documents and "n" in second.documents
    with pytest.raises(SourceError, match="no question with gold answers"):
        questions_of(Dataset("e", dataset().corpus, dataset().queries, dataset().qrels))


def test_documents_are_cut_but_never_the_relevant_ones() -> None:
    cut = cut_documents(dataset(), 3)
    assert set(cut.corpus) == {"p0", "p1", "p2"} and "3 of 5 documents" in cut.notes[0]
    assert cut_documents(dataset(), 50).notes == []


def test_questions_come_in_turn() -> None:
    order = in_turn([questions_of(dataset("a", 2)), questions_of(dataset("b", 1))])
    assert [(one.dataset, one.query) for one in order] == [("a", "q0"), ("b", "q0"), ("a", "q1")]


def engine(text: str, calls: list[str]) -> Any:
    def answer(question: str, filters: Any) -> Any:
        calls.append(question)
        refusal = {"text": text, "signals": {"allowed": -1.0}, "decided_by": None} if text else {}
        trace = {"refusal": refusal, "llm": {"prompt_tokens": 9, "prompt_ms": 1500.0}, "notes": ["no model"]}
        return SimpleNamespace(metadata={"trace": trace})

    return SimpleNamespace(answer=answer)


def test_what_is_kept_is_not_asked_again(tmp_path: Path) -> None:
    path, calls = tmp_path / "kept.jsonl", list[str]()
    layouts = {"plain": {"answer.layout": "plain"}, "both": {"answer.layout": "both"}}
    questions = questions_of(dataset())
    engines = {("d", name): engine("Person 0", calls) for name in layouts}
    rows = run(engines, questions[:2], layouts, AnswerFile(path), "m")
    assert [(row.layout, row.right, row.answerable) for row in rows] == [
        ("plain", True, True),
        ("both", True, True),
        ("plain", False, False),
        ("both", False, False),
    ]
    assert rows[0].first_word == 1.5 and len(calls) == 4
    with path.open("ab") as file:
        file.write(b'{"dataset": "d", "qu')  # killed while it wrote
    run(engines, questions, layouts, AnswerFile(path), "m")
    assert len(calls) == 6 and len(read_answers(path)) == 6
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"a line of .* is not an answer"):
        AnswerFile(path)


def test_an_answer_that_the_model_did_not_give_is_an_error_and_not_kept() -> None:
    with pytest.raises(LLMError, match=r"did not answer 'Who won prize 0\?' \(no model\)"):
        ask(engine("", []), questions_of(dataset())[0], "plain", {}, "m")


def test_hours() -> None:
    row = Kept("d", "q", "plain", "m", {}, True, "x", True, False, {}, seconds=36.0)
    assert hours_left([row], 100, "m") == (1.0, 36.0)
    assert hours_left([row], 144, "other") == (1.0, 25.0)
    assert Kept(**json.loads(json.dumps(asdict(row)))) == row


def test_the_commands_with_a_real_model(call: Callable[..., Result], lighthouse: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    kept = tmp_path / "kept.jsonl"
    small = ["llm.provider=llama_cpp", "llm.model=smollm2", "llm.max_tokens=6", "llm.context_window=1024"]
    sets = [part for text in small for part in ("--set", text)]
    specs = ["--pipeline", "plain=answer.layout:plain,top_n:1,window:0"]
    line = ["layouts", str(lighthouse), *specs, *sets, "--queries", "2", "--documents", "10", "--out", str(kept)]
    result = call(*line, "--json")
    assert result.exit_code == 0, result.output
    assert "2 of 2 answers are missing: about" in result.stderr
    model, signals = json.loads(result.stdout)
    assert (model["layout"], model["answers"], model["answerable"]) == ("plain", 2, 1)
    assert signals["decided"] == "signals, held out"
    assert all(row.signals["logprob"] is not None for row in read_answers(kept))
    again = call(*line, "--table")
    assert again.exit_code == 0 and "as the model writes:" in again.stdout
    few = call("calibrate", "--answers", str(kept), *sets)
    assert few.exit_code == 1 and "too few to fit refusals on" in few.stderr
    other = call("calibrate", "--answers", str(kept), "--set", "llm.model=nobody")
    assert "the file has: smollm2 in layout plain" in other.stderr
