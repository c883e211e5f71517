"""The leakage guard: no question on two sides, documents divided, what is shared counted and said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.datasets import CorpusPassage, Dataset, convert, splits_of
from eval.datasets.questions import wording
from eval.finetune.lessons.splits import Splits, divide, make_splits, shared_documents
from indexes.errors import SettingsError, SourceError
from tests.eval.finetune.harbour import write_harbour


def world(pairs: dict[str, list[str]], name: str = "world", texts: dict[str, str] | None = None) -> Dataset:
    """query id -> relevant documents; each question and document has a text of its own unless ``texts`` says so."""
    own = texts or {}
    documents = sorted({document for listed in pairs.values() for document in listed} | {"spare"})
    return Dataset(
        name,
        {d: CorpusPassage(d, "", own.get(d, f"passage {d}")) for d in documents},
        {q: own.get(q, f"question number {q}") for q in pairs},
        {q: dict.fromkeys(listed, 1) for q, listed in pairs.items()},
    )


def write(folder: Path, **splits: Dataset) -> Path:
    for split, dataset in splits.items():
        convert(replace(dataset, split=split), folder, "beir")
    return folder


def relevant(dataset: Dataset) -> set[str]:
    return {document for query in dataset.queries for document in dataset.relevant(query)}


def test_questions_of_the_test_leave_the_training_by_id_and_by_wording(tmp_path: Path) -> None:
    both = {f"q{i}": [f"d{i}"] for i in range(20)}
    asked = {"q3": "What is  the Salt pier?", "t1": "what is a salt pier", "q9": "C++?", "t2": "C#?"}
    everything = world({**both, "t1": ["d3"], "t2": ["d9"]}, texts=asked)
    train = replace(
        everything, queries={q: everything.queries[q] for q in both}, qrels={q: {both[q][0]: 1} for q in both}
    )
    names = ["t1", "t2", "q5"]
    test = replace(
        everything,
        queries={q: everything.queries[q] for q in names},
        qrels={q: everything.qrels[q] for q in names},
    )
    found = make_splits(write(tmp_path / "set", train=train, test=test))
    left = set(found.train.queries) | set(found.dev.queries)
    assert left == set(both) - {"q3", "q5"}  # q3 is t1 in other words of the same kind; q9 is another question than t2
    assert found.dropped == 2 and any("2 training questions" in note for note in found.notes)
    assert set(found.test.queries) == set(names)
    assert found.shared_documents == 1  # d9; d3 and d5 are relevant in test only now
    assert found.notes[-1].endswith("also in training or dev: 1")


def test_dev_is_divided_by_document_and_equal_seeds_are_equal(tmp_path: Path) -> None:
    pairs = {f"q{i}": [f"d{i // 3}"] for i in range(60)}  # three questions a document
    train, test = world(pairs), world({"t": ["spare"]})
    path = write(tmp_path / "set", train=train, test=replace(test, corpus=train.corpus))
    found = make_splits(path, dev_share=0.2)
    assert len(found.dev.queries) == 12 and len(found.train.queries) == 48
    assert not relevant(found.dev) & relevant(found.train)
    again = make_splits(path, dev_share=0.2)
    assert (again.train.hash, again.dev.hash) == (found.train.hash, found.dev.hash)
    assert make_splits(path, dev_share=0.2, seed=8).dev.hash != found.dev.hash
    assert found.as_dict()["queries"] == {"train": 48, "dev": 12, "test": 1}


def known_to_training(tmp_path: Path, shared: int, **options: Any) -> Splits:
    """40 training questions, two a document; 20 test questions, one a document, ``shared`` of them training's."""
    pairs = {f"q{i}": [f"d{i // 2}"] for i in range(40)}
    asked = {f"t{i}": [f"d{i}" if i < shared else f"other{i}"] for i in range(20)}
    everything = world(pairs | asked)
    train, test = (
        replace(
            everything, queries={q: everything.queries[q] for q in part}, qrels={q: {d[0]: 1} for q, d in part.items()}
        )
        for part in (pairs, asked)
    )
    return make_splits(write(tmp_path / "set", train=train, test=test), dev_share=0.25, **options)


@pytest.mark.parametrize(
    ("shared", "options", "by", "told"),
    [
        (2, {}, "question", "question, since 2 of the test's 20 relevant documents are in training too (limit: 10%)"),
        (1, {}, "document", "document, since 1 of the test's 20 relevant documents are in training too (limit: 10%)"),
        (2, {"limit": 30}, "question", "question, since 2 of the test's 20"),
        (2, {"dev_by": "document"}, "document", "divided by document"),
        (0, {"dev_by": "question"}, "question", "divided by question"),
    ],
)
def test_dev_is_to_training_as_the_test_is(
    tmp_path: Path, shared: int, options: dict[str, Any], by: str, told: str
) -> None:
    found = known_to_training(tmp_path, shared, **options)
    assert bool(relevant(found.dev) & relevant(found.train)) is (by == "question")
    assert any(told in note for note in found.notes), found.notes
    if "dev_by" in options:
        assert not any("limit" in note for note in found.notes)


def test_dev_of_a_divided_dataset_is_by_document_whatever_it_shares() -> None:
    found = make_splits(world({f"q{i}": [f"d{i // 2}"] for i in range(80)}))
    assert found.divided and not relevant(found.dev) & relevant(found.train)
    assert any(note.endswith("divided by document, as the test is") for note in found.notes)
    hub = make_splits(world({f"q{i}": ["hub", f"d{i}"] for i in range(40)}))
    assert any(note.endswith("divided by document, as the test is") for note in hub.notes)


def test_one_split_is_divided_and_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "set", test=world({f"q{i}": [f"d{i}"] for i in range(40)}))
    found = make_splits(path)
    assert found.divided and len(found.test.queries) == 10 and found.shared_documents == 0
    sides = [set(part.queries) for part in (found.train, found.dev, found.test)]
    assert set.union(*sides) == {f"q{i}" for i in range(40)} and sum(map(len, sides)) == 40
    assert any("only one split" in note for note in found.notes)
    only_train = write(tmp_path / "other", train=world({f"q{i}": [f"d{i}"] for i in range(40)}))
    assert make_splits(only_train).divided


def test_a_file_of_one_split_is_divided_too(tmp_path: Path) -> None:
    rows = [{"query": f"question {i}", "pos": [f"passage {i}"], "neg": [f"other {i}"]} for i in range(20)]
    file = tmp_path / "train.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = make_splits(file)
    assert found.divided and len(found.test.queries) == 5
    assert not set(found.train.queries.values()) & set(found.test.queries.values())


def test_a_split_called_dev_is_dev(tmp_path: Path) -> None:
    pairs = {f"q{i}": [f"d{i}"] for i in range(30)}
    whole = world(pairs)

    def part(low: int, high: int) -> Dataset:
        kept = [f"q{i}" for i in range(low, high)]
        return replace(whole, queries={q: whole.queries[q] for q in kept}, qrels={q: whole.qrels[q] for q in kept})

    path = write(tmp_path / "set", train=part(0, 12), dev=part(10, 20), test=part(18, 30))
    found = make_splits(path)
    assert set(found.train.queries) == {f"q{i}" for i in range(10)}  # 10 and 11 are dev's
    assert set(found.dev.queries) == {f"q{i}" for i in range(10, 18)}  # 18 and 19 are the test's
    assert splits_of(path) == ["dev", "test", "train"]


def test_a_group_too_large_is_divided_by_question_and_its_documents_are_counted() -> None:
    dataset = world({f"q{i}": ["hub", f"d{i}"] for i in range(20)})
    rest, part = divide(dataset, 0.25, seed=7)
    assert len(part.queries) == 5 and len(rest.queries) == 15
    assert shared_documents([rest], part) == 1


def test_equal_texts_under_other_ids_are_shared_documents() -> None:
    train = world({"q1": ["a"]}, texts={"a": "the same passage"})
    test = world({"q2": ["b"]}, texts={"b": "the same passage"})
    assert shared_documents([train], test) == 1


def test_a_limit_takes_training_questions_only(tmp_path: Path) -> None:
    found = make_splits(write_harbour(tmp_path / "harbour"), limit=8, dev_share=0.25)
    assert len(found.train.queries) + len(found.dev.queries) == 8 and len(found.test.queries) == 12


def test_what_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    path = write_harbour(tmp_path / "harbour")
    with pytest.raises(SettingsError, match="dev_share = 0 is not a share"):
        make_splits(path, dev_share=0)
    with pytest.raises(SettingsError, match="both 'test'"):
        make_splits(path, train_split="test")
    with pytest.raises(SourceError, match="neither a split 'trian' nor 'tset'"):
        make_splits(path, train_split="trian", test_split="tset")
    one = write(tmp_path / "one", test=world({"q": ["d"]}))
    with pytest.raises(SourceError, match="leaves no questions for"):
        make_splits(one)
    leaked = world({"q1": ["d1"], "q2": ["d2"]})
    with pytest.raises(SourceError, match="leaves no questions for train"):
        make_splits(write(tmp_path / "leaked", train=leaked, test=leaked))


def test_wording_ignores_case_width_and_articles_but_not_signs() -> None:
    assert wording("What is the Ａnswer?") == wording("what is an answer")
    assert wording("C++?") != wording("C#?")
    assert wording("押金能退吗？") == wording("押金能退吗")
