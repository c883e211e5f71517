"""Conditions choose the documents they promise, and the commands answer and score through the real engine."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from eval.answers.robustness import NoiseCondition, chosen_documents, measure, with_noise
from eval.cli.main import main
from eval.datasets import Dataset
from eval.datasets.dataset import CorpusPassage
from indexes.errors import SettingsError, SourceError
from indexes.nodes.record import SentenceRecord


@pytest.fixture
def dataset():
    texts = {"p1": "Ada won.", "p2": "The winner is Ada.", "n1": "It rained.", "n2": "A long day.", "f1": "Bob won."}
    corpus = {name: CorpusPassage(name, "", text) for name, text in texts.items()}
    judged = {"p1": 1, "p2": 1, "n1": 0, "n2": 0, "f1": 0}
    return Dataset("d", corpus, {"q": "Who won?"}, {"q": judged}, {"q": {"answers": ["Ada"], "fakeanswer": "Bob"}})


def test_each_condition_gets_its_documents(dataset):
    assert set(chosen_documents(dataset, NoiseCondition("noise", 2))["q"]) == {"p1", "p2"}
    half = chosen_documents(dataset, NoiseCondition("noise", 2, 0.5))["q"]
    assert [name[0] for name in half] == ["p", "n"]
    assert set(chosen_documents(dataset, NoiseCondition("none", 5))["q"]) == {"n1", "n2"}
    assert chosen_documents(dataset, NoiseCondition("false", 2))["q"][0] == "f1"


def test_a_dataset_without_what_is_needed_is_told_so(dataset):
    dataset.qrels["q"] = {"p1": 1}
    with pytest.raises(SourceError, match="false facts"):
        chosen_documents(dataset, NoiseCondition("false"))
    with pytest.raises(SettingsError, match="not a share"):
        chosen_documents(dataset, NoiseCondition("noise", 5, 1.5))


def test_commands_answer_and_score(made_up_dataset, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common = ["--profile", "offline", "--set", "encoder.provider=minilm", "--set", "llm.provider=none", "--no-rerank"]
    where = [made_up_dataset.path, "--split", "all", "--cache", str(cache)]
    runner = CliRunner()
    made = runner.invoke(main, ["run", *where, *common, "--answers", "--queries", "6"], standalone_mode=False)
    assert made.exit_code == 0, (made.output, made.exception)
    scored = runner.invoke(main, ["answers", "runs/base", "--json"], standalone_mode=False)
    assert scored.exit_code == 0, (scored.output, scored.exception)
    (found,) = json.loads(scored.stdout)
    assert found["mean"]["contains"] > 0.5 and found["mean"]["citation_precision"] > 0.2
    noisy = runner.invoke(
        main, ["robustness", *where, *common, "--noise", "0", "--queries", "4", "--json"], standalone_mode=False
    )
    assert noisy.exit_code == 0, (noisy.output, noisy.exception)
    clean, none = json.loads(noisy.stdout)
    # A question wholly in other words than the documents' is refused: two of these four are.
    assert clean["mean"]["contains"] >= 0.5 and none["condition"] == "no relevant passage"
    assert "noise is what a search finds" in noisy.stderr
    assert "no question for the condition 'false facts'; use a dataset with 'fakeanswer' fields" in noisy.stderr


def test_noise_is_searched_for_where_nothing_is_judged_0(dataset):
    class Retriever:
        index = None

        def search(self, question):
            found = [SimpleNamespace(record=SentenceRecord(name, 0, name)) for name in ("p1", "f1", "n1", "n2", "f1")]
            return SimpleNamespace(candidates=found)

    assert with_noise(dataset, Retriever(), 2) is dataset
    dataset.qrels["q"] = {"p1": 1, "p2": 1}
    noisy = with_noise(dataset, Retriever(), 2)
    assert noisy.qrels == {"q": {"p1": 1, "p2": 1, "f1": 0, "n1": 0}}
    assert dataset.qrels["q"] == {"p1": 1, "p2": 1} and "no judgements of 0" in noisy.notes[-1]
    assert set(chosen_documents(noisy, NoiseCondition("none", 5))["q"]) == {"n1"}  # f1 states a false fact


def test_too_few_relevant_documents_are_said(dataset):
    class Engine:
        def answer(self, question, only):
            return SimpleNamespace(response="Ada", metadata={})

    scores = measure(Engine(), dataset, NoiseCondition("noise", 4, 0.25))
    assert "1 question has too few relevant documents" in scores.notes[0] and len(scores.notes) == 1


def test_no_gold_answers_are_said_once(tmp_path, cache, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qrels").mkdir()
    texts = {"p": "Otters sleep in the old boiler.", "n": "Bells are cast at night."}
    rows = [json.dumps({"_id": name, "title": "", "text": text}) for name, text in texts.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "Where do otters sleep?"}))
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp\t1\n")
    options = ["--profile", "offline", "--set", "encoder.provider=minilm", "--no-llm", "--cache", str(cache)]
    done = CliRunner().invoke(main, ["robustness", str(tmp_path), *options], standalone_mode=False)
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.stderr.count("no gold answers") == 1 and "citation_precision" in done.stdout
