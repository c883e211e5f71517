"""Tuning on made-up values: the choice, its cross-validation, and the refusal to test on what was tuned."""

import tomllib
import zlib

import numpy as np
import pytest

from eval.datasets import Dataset, load_dataset
from eval.datasets.questions import without
from eval.tuning.tune import check_apart, choose, split_queries, to_toml, tune
from indexes.errors import SettingsError, SourceError
from rag.settings import Settings

AXES = [
    [{"retrieval.dense_weight": w, "retrieval.sparse_weight": 1 - w} for w in (0.25, 0.75)],
    [{"rerank.depth": depth} for depth in (10, 20)],
]


def questions(names: range) -> Dataset:
    return Dataset("d", {}, {f"q{n}": f"question {n}" for n in names}, {f"q{n}": {"d": 1} for n in names})


def values(changes):
    """Weight 0.75 helps much, depth 20 a little, in questions 0 to 99."""
    gain = 0.2 * (changes.get("retrieval.dense_weight") == 0.75) + 0.01 * (changes.get("rerank.depth") == 20)
    noise = np.random.default_rng(0).normal(0, 0.01, 100)
    return {f"q{n}": 0.5 + gain + noise[n] * (1 + gain) for n in range(100)}


def test_the_better_settings_are_found_and_written_as_a_profile():
    found = tune(values, values, AXES, questions(range(60)), questions(range(60, 100)), measure="nDCG@10")
    assert found.changes == {"retrieval.dense_weight": 0.75, "retrieval.sparse_weight": 0.25, "rerank.depth": 20}
    assert found.test.difference == pytest.approx(0.21, abs=0.01) and found.test.p < 0.01
    assert found.held_out == pytest.approx(found.train_best) and found.agreed == 1.0
    written = tomllib.loads(to_toml(found, "mine"))["profiles"]["mine"]
    assert written == {"retrieval": {"dense_weight": 0.75, "sparse_weight": 0.25}, "rerank": {"depth": 20}}
    Settings.model_validate(written)


def test_nothing_better_leaves_the_settings_alone():
    flat = lambda changes: {f"q{n}": 0.5 for n in range(100)}  # noqa: E731
    found = tune(flat, flat, AXES, questions(range(50)), questions(range(50, 100)), measure="MAP")
    assert found.changes == {} and found.test.p == 1.0 and "no other settings were better" in found.notes[0]


def test_noise_is_not_believed():
    def noise(world):
        def measured(changes):
            seed = zlib.crc32(repr((world, sorted(changes.items()))).encode())
            return {f"q{n}": value for n, value in enumerate(np.random.default_rng(seed).random(100))}

        return measured

    sides = questions(range(50)), questions(range(50, 100))
    found = [tune(noise(world), noise(world), AXES, *sides, measure="MAP") for world in range(20)]
    chosen, held = np.mean([t.train_best for t in found]), np.mean([t.held_out for t in found])
    assert held < chosen - 0.01  # what was chosen among noise looks better than it is; held-out figures say so
    assert held == pytest.approx(0.5, abs=0.03)


def test_choice_takes_each_axis_from_the_best_of_the_one_before():
    assert choose(values, AXES, ["q1", "q2"])["rerank.depth"] == 20


def test_the_same_questions_on_both_sides_are_refused():
    with pytest.raises(SettingsError, match="1 of 2 test questions"):
        check_apart(questions(range(2)), questions(range(1, 3)))
    same_words = Dataset("d", {}, {"other": "Question 1?"}, {"other": {"d": 1}})
    with pytest.raises(SettingsError, match="also in training"):
        tune(values, values, AXES, questions(range(2)), same_words, measure="MAP")


def test_shared_questions_can_be_left_out_of_training():
    train, test = questions(range(4)), questions(range(3, 6))
    train.queries["q1"] = test.queries["q5"]  # the same words under another id
    kept = without(train, [test])
    check_apart(kept, test)
    assert list(kept.queries) == list(kept.qrels) == ["q0", "q2"] and len(train.queries) == 4


def test_questions_that_differ_in_signs_alone_are_two_questions():
    train = Dataset("d", {}, {"a": "C++?"}, {"a": {"d": 1}})
    check_apart(train, Dataset("d", {}, {"b": "C#?"}, {"b": {"d": 1}}))


def test_dividing_one_split_keeps_equal_wordings_together():
    whole = questions(range(20))
    whole.queries["q0"] = whole.queries["q1"]
    train, test = split_queries(whole, 0.5)
    check_apart(train, test)
    assert len(train.queries) + len(test.queries) == 20 and set(train.qrels) == set(train.queries)
    assert split_queries(whole, 0.5)[0].queries == train.queries


def test_command_tunes_a_real_index(made_up_dataset, cache, tmp_path, monkeypatch):
    import json

    from click.testing import CliRunner

    from eval.cli.main import main

    output = tmp_path / "tuned.toml"
    monkeypatch.chdir(tmp_path)
    common = ["--profile", "offline", "--set", "encoder.provider=minilm", "--no-rerank", "--cache", str(cache)]
    options = [made_up_dataset.path, *common, "--set", "retrieval.fusion=dense", "--folds", "3", "-o", str(output)]
    result = CliRunner().invoke(main, ["tune", *options, "--json"], standalone_mode=False)
    assert result.exit_code == 0, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert found["changes"]["retrieval.fusion"] in ("minmax", "rrf", "sparse")
    assert found["train_best"] > found["train_base"] and found["test"]["queries"] == 18
    assert "retrieval" in tomllib.loads(output.read_text())["profiles"]["offline"]
    refused = CliRunner().invoke(main, ["tune", *options[:-2], "--train", "test"], standalone_mode=False)
    assert isinstance(refused.exception, SettingsError) and "also in training" in str(refused.exception)
    divided = [*options[:-2], "--holdout", "0.5", "--queries", "8", "--json"]
    result = CliRunner().invoke(main, ["tune", *divided], standalone_mode=False)
    assert json.loads(result.stdout)["test"]["queries"] == 4
    shared = CliRunner().invoke(main, ["tune", *options[:-2], "--train", "all", "--drop-shared"], standalone_mode=False)
    assert shared.exit_code == 0 and "18 training questions are also test questions" in shared.stderr
    result = CliRunner().invoke(main, ["tune", *options[:-2], "--train", "dev"], standalone_mode=False)
    assert isinstance(result.exception, SourceError) and "--holdout" in str(result.exception)
    assert "has no split 'dev' to choose on, only all, test, train" in str(result.exception)
    assert load_dataset(made_up_dataset.path, "train").corpus_hash == made_up_dataset.corpus_hash
