"""Questions without labels: which are taken, what the pipeline finds for them, and what the teacher makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.finetune.lessons.splits import Splits, make_splits
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.lessons.unlabelled import PREFIX, Unlabelled, best_first, read_unlabelled
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.reranker.rows import training_rows
from eval.finetune.reranker.run import finetune_reranker
from indexes.errors import SettingsError, SourceError
from rag import load_settings
from tests.eval.finetune.harbour import questions, tiny_bert, write_harbour


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_harbour(tmp_path_factory.mktemp("unlabelled") / "harbour")


@pytest.fixture(scope="module")
def splits(harbour: Path) -> Splits:
    return make_splits(harbour)


def read(paths: list[Path], splits: Splits) -> Unlabelled:
    return read_unlabelled(paths, splits.train, [splits.dev, splits.test])


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_questions_are_read_once_and_none_of_the_labelled(splits: Splits, tmp_path: Path) -> None:
    test, train = next(iter(splits.test.queries.values())), next(iter(splits.train.queries.values()))
    lines = written(
        tmp_path / "log.txt",
        f"Who mended the rudder?\n\n{test.upper()}\nwho mended the  rudder\r\n{train} \n桅杆是谁修的？\n",
    )
    rows = [{"_id": "1", "text": "How many sails were torn?"}, {"question": "Who slept ashore?"}, {"query": test}]
    found = read([lines, written(tmp_path / "log.jsonl", "\n".join(map(json.dumps, rows)))], splits)
    assert list(found.questions.values()) == [
        "Who mended the rudder?",
        "桅杆是谁修的？",
        "How many sails were torn?",
        "Who slept ashore?",
    ]
    assert all(name.startswith(PREFIX) for name in found.questions)
    assert found.notes == [
        "4 questions without labels are answered by the teacher; "
        "left out: 2 that something is measured on, 1 of training, 1 asked before"
    ]
    assert read([], splits).questions == {} and read([], splits).hash != found.hash


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log.txt", "\n \n", "none of 0 questions is new"),
        ("log.jsonl", '{"text": "Who?"}\n{"text": ""}\nno\n', "line 2: needs a text for one of text, question, query"),
        ("log.jsonl", '{"text": "Who?"}\nno\n', "line 2: not JSON"),
        ("log.bin.txt", "\0\x01\x02", "is not text"),
    ],
)
def test_a_file_without_questions_is_told(name: str, content: str, said: str, splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said):
        read([written(tmp_path / name, content)], splits)


def test_a_file_that_is_not_there_is_told(splits: Splits, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.txt is not a file of questions"):
        read([tmp_path / "nowhere.txt"], splits)
    with pytest.raises(SourceError, match="is not a file of questions"):
        read([tmp_path], splits)


def test_the_teachers_best_stands_for_the_answer_and_earns_no_bonus() -> None:
    texts = {"a": "1", "b": "22", "c": "333", "d": "22"}  # the best text stands there twice
    asked = TrainingSet([Example("u:0", "asked", (), ("a", "b", "c", "d")), Example("u:1", "bare", (), ("a",))], texts)
    scores = {"u:0": {"a": -1.0, "b": 0.0, "c": -2.0, "d": -0.5}, "u:1": {"a": 0.0}, "q": {"a": 0.0, "b": -3.0}}
    more = best_first(asked, scores)
    assert more == [Example("u:0", "asked", ("b",), ("a", "c"))]
    labelled = TrainingSet([Example("q", "labelled", ("a",), ("b",))], {"a": "1", "b": "22", "c": "333"})
    rows: Any = training_rows(
        labelled, "listnet", negatives=2, epochs=3, seed=7, scores=scores, bonus=5.0, unlabelled=more
    )
    assert sorted(rows["question"]) == ["asked", "labelled", "labelled", "labelled"]  # once in all epochs
    found = dict(zip(rows["question"], rows["label"], strict=True))
    assert found == {"asked": [-1.0, 0.0, -2.0], "labelled": [5.0, -3.0]}


def test_every_question_is_seen_once() -> None:
    more = [Example(f"u:{i}", f"asked {i}", ("a",), ("b",)) for i in range(7)]
    scores = {example.query: {"a": 0.0, "b": -1.0} for example in more} | {"q": {"a": 0.0, "b": -3.0}}
    labelled = TrainingSet([Example("q", "labelled", ("a",), ("b",))], {"a": "1", "b": "22"})
    rows = training_rows(labelled, "listnet", negatives=1, epochs=3, seed=7, scores=scores, unlabelled=more)
    assert sorted(rows["question"]) == [*(f"asked {i}" for i in range(7)), *["labelled"] * 3]
    places = [place for place, question in enumerate(rows["question"]) if question == "labelled"]
    assert places != [0, 1, 2] and places != [7, 8, 9]  # among the others


def test_a_run_with_questions_that_nobody_judged(harbour: Path, harbour_cache: Path, tmp_path: Path) -> None:
    """The teacher answers them; the same run again loads everything, and other questions are another run."""
    settings = load_settings(
        profile="offline", **{"encoder.provider": "minilm", "rerank.depth": 12, "rerank.device": "cpu"}
    )
    ships = [question.split("did the ")[1].split()[0] for question, _ in questions().values()]
    asked = written(tmp_path / "asked.txt", "\n".join(f"Who signed the ledger of the {ship}?" for ship in ships))
    options = RerankerOptions(
        epochs=2,
        batch=4,
        negatives=3,
        lr=3e-3,
        evaluations=1,
        dtype="float32",
        residual=True,
        unlabelled=(str(asked),),
        refit=True,
    )
    bert = tiny_bert(tmp_path / "bert")
    same: dict[str, Any] = {"out": tmp_path / "out", "options": options, "settings": settings, "teacher": ("pipeline",)}
    said: list[str] = []
    found = finetune_reranker(harbour, str(bert), cache=harbour_cache, say=said.append, **same)
    held = TrainingSet.load(tmp_path / "out" / "unlabelled.jsonl")
    assert len(held.examples) == len(ships) and all(len(example.negatives) == 4 for example in held.examples)
    scored = (tmp_path / "out" / "teacher.jsonl").read_text(encoding="utf-8")
    assert scored.count(f'"{PREFIX}') == len(ships)
    lists = [int(line.split(" rows")[0].split()[-1]) for line in said if line.startswith("training on")]
    assert lists[0] == 2 * 15 + len(ships)
    note = f"{len(ships)} questions without labels are answered by the teacher"
    assert any(line.startswith(note) for line in found.proof.notes)
    assert note in (found.model / "README.md").read_text(encoding="utf-8")
    again = finetune_reranker(harbour, str(bert), cache=harbour_cache, **same)
    assert again.as_dict() == found.as_dict()
    with asked.open("a", encoding="utf-8") as file:
        file.write("\nWho mended the oars?\n")
    with pytest.raises(SettingsError, match="asked"):
        finetune_reranker(harbour, str(bert), cache=harbour_cache, **same)


def test_without_a_teacher_nobody_answers(harbour: Path, tmp_path: Path) -> None:
    options = RerankerOptions(unlabelled=("asked.txt",))
    with pytest.raises(SettingsError, match="questions without labels need a teacher"):
        finetune_reranker(harbour, "minilm", out=tmp_path / "out", options=options)
