"""A folder with a file a split is one dataset, and so are files that are named one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from eval.cli.main import main
from eval.datasets import convert, load_dataset, splits_of
from eval.datasets.split_files import split_of
from eval.finetune.lessons.splits import make_splits
from indexes.errors import SettingsError, SourceError


def rows(name: str, count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"query": f"Where is {name} {i}?", "positive": [f"{name} {i} is in yard {i}."], "negative": ["No."], **more}
        for i in range(count)
    ]


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    return path


def qa_file(path: Path, name: str, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {  # as EmbeddingQAFinetuneDataset.save_json writes it
        "queries": {f"q{i}": f"Where is {name} {i}?" for i in range(count)},
        "corpus": {f"d{i}": f"{name} {i} is in yard {i}." for i in range(count)},
        "relevant_docs": {f"q{i}": [f"d{i}"] for i in range(count)},
        "mode": "text",
    }
    path.write_text(json.dumps(content, indent=4))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("train_dataset.json", "train"),
        ("trainset.jsonl.gz", "train"),
        ("val_dataset.json", "dev"),
        ("validation.jsonl", "dev"),
        ("reranking_dev.jsonl", "dev"),
        ("test-00000.jsonl", "test"),
        ("validated.jsonl", None),
        ("testimony.jsonl", None),
        ("corpus.jsonl", None),
    ],
)
def test_a_name_says_the_split(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_llama_index_files_of_train_and_val_train_and_prove(tmp_path: Path) -> None:
    qa_file(tmp_path / "train_dataset.json", "crane", 20)
    qa_file(tmp_path / "val_dataset.json", "barge", 6)  # the same ids as in training, for other questions and texts
    assert splits_of(tmp_path) == ["dev", "train"]
    found = make_splits(tmp_path, test_split="val")
    proved = make_splits(tmp_path)  # the same without a word
    assert proved.test.queries == found.test.queries and proved.test.split == "dev" and not proved.divided
    assert "there is no split 'test': the questions of 'dev' are the test" in proved.notes
    assert make_splits(tmp_path, test_split="other").divided
    assert len(found.test.queries) == 6 and len(found.train.queries) + len(found.dev.queries) == 20
    assert found.dropped == 0 and found.shared_documents == 0
    assert found.test.corpus["d1"].text.startswith("barge") and found.train.corpus["d1"].text.startswith("crane")


def test_what_trains_on_validation_says_so_and_teacher_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / "validation.jsonl", rows("crane", 20))
    write(tmp_path / "test.jsonl", rows("barge", 6))
    write(
        tmp_path / "validation_kldiv_distill.jsonl",
        [{"query": "Where is crane 1?", "positive": "a", "negative": "b", "label": [0.9, 0.1]}],
    )
    write(tmp_path / "train_distill.jsonl", [{"query": "Where is crane 1?", "passage": "a", "score": 3.5}])
    assert splits_of(tmp_path) == ["dev", "test"]
    found = make_splits(tmp_path, train_split="validation")
    assert len(found.test.queries) == 6 and len(found.train.queries) + len(found.dev.queries) == 20
    said = " ".join(found.notes)
    assert "validation_kldiv_distill.jsonl holds a teacher's scores" in said and "train_distill.jsonl" in said
    assert any("--train-split dev" in note for note in make_splits(tmp_path).notes)  # the test alone would be divided
    with pytest.raises(SourceError, match=r"teacher's scores.*--teacher file:"):
        load_dataset(tmp_path / "validation_kldiv_distill.jsonl")


def test_two_files_for_one_split_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", rows("crane", 3))
    write(tmp_path / "train_more.jsonl", rows("barge", 3))
    with pytest.raises(SourceError, match=r"train\.jsonl, train_more\.jsonl.*--train"):
        load_dataset(tmp_path, "train")


def test_a_folder_in_beir_layout_stays_one(tmp_path: Path) -> None:
    write(tmp_path / "corpus.jsonl", [{"_id": "d", "text": "A crane."}])
    write(tmp_path / "queries.jsonl", [{"_id": "q", "text": "What?"}])
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    write(tmp_path / "reranking_train.jsonl", rows("crane", 3))
    write(tmp_path / "reranking_dev.jsonl", rows("barge", 3))
    assert splits_of(tmp_path) == ["test"] and list(load_dataset(tmp_path).queries) == ["q"]


def test_files_named_one_by_one(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.jsonl", rows("crane", 20)), write(tmp_path / "b.jsonl", rows("barge", 6))
    target = tmp_path / "out"
    for split in ("train", "test"):
        command = ["convert", str(target), "--train", str(train), "--test", str(test), "--to", "beir", "--split", split]
        result = CliRunner().invoke(main, command, standalone_mode=False)
        assert result.exception is None, result.exception
    assert len(load_dataset(target, "train").queries) == 20 and len(load_dataset(target).queries) == 6
    both = CliRunner().invoke(main, ["run", str(target), "--test", str(test)], standalone_mode=False)
    assert isinstance(both.exception, SettingsError) and "both named" in str(both.exception)
    none = CliRunner().invoke(main, ["run"], standalone_mode=False)
    assert isinstance(none.exception, SettingsError) and "--train FILE" in str(none.exception)
    gone = CliRunner().invoke(main, ["run", "--test", str(tmp_path / "c.jsonl")], standalone_mode=False)
    assert isinstance(gone.exception, SourceError) and "c.jsonl" in str(gone.exception)


@pytest.mark.parametrize("form", ["beir", "trec"])
def test_a_second_split_keeps_the_first_and_its_documents(tmp_path: Path, form: str) -> None:
    train = load_dataset(write(tmp_path / "a.jsonl", rows("crane", 20)), "train")
    test = load_dataset(write(tmp_path / "b.jsonl", rows("barge", 6)), "test")
    for part in (train, test):  # both number their questions q1, q2, ...
        part.queries = {f"{part.split}-{q}": text for q, text in part.queries.items()}
        part.qrels = {f"{part.split}-{q}": judged for q, judged in part.qrels.items()}
    for part in (train, test, train):
        convert(part, tmp_path / "out", form)
    back = load_dataset(tmp_path / "out", "train")
    assert back.queries == train.queries and back.qrels == train.qrels
    assert all(document in back.corpus for judged in back.qrels.values() for document in judged)
    assert load_dataset(tmp_path / "out").qrels == test.qrels


def test_what_would_be_lost_is_refused_until_overwrite_is_said(tmp_path: Path) -> None:
    first = load_dataset(write(tmp_path / "a.jsonl", rows("crane", 5)))
    other = load_dataset(write(tmp_path / "b.jsonl", rows("barge", 5)))
    convert(first, tmp_path / "out", "beir")
    before = (tmp_path / "out" / "queries.jsonl").read_bytes()
    with pytest.raises(SourceError, match=r"other judgements.*--overwrite"):
        convert(other, tmp_path / "out", "beir")
    other.split = "train"
    with pytest.raises(SourceError, match=r"5 ids .* have other texts .*'q1'"):  # q1 is another question there
        convert(other, tmp_path / "out", "beir")
    assert (tmp_path / "out" / "queries.jsonl").read_bytes() == before
    convert(other, tmp_path / "out", "beir", overwrite=True)
    assert load_dataset(tmp_path / "out", "train").queries == other.queries
    convert(first, tmp_path / "one.jsonl", "mteb")
    convert(first, tmp_path / "one.jsonl", "mteb")  # an exact repeat
    with pytest.raises(SourceError, match=r"one\.jsonl already exists"):
        convert(other, tmp_path / "one.jsonl", "mteb")
    assert load_dataset(tmp_path / "one.jsonl").queries == first.queries
    assert [path.name for path in tmp_path.glob(".convert*")] == []
