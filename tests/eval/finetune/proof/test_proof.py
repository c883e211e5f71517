"""The proof: better, worse and unproved models are told apart; losses elsewhere are flagged; runs are kept."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from eval.datasets import CorpusPassage, Dataset, load_dataset
from eval.finetune.proof.forgetting import PROBES, losses, others, probes, run_key
from eval.finetune.proof.proof import NotBetterError, Proof, prove
from eval.finetune.proof.scorer import Measure, score_all
from eval.measure.runs import Run
from indexes.errors import SettingsError, SourceError


def collection(name: str, questions: int = 60) -> Dataset:
    numbers = range(questions)
    return Dataset(
        name,
        {f"d{i}": CorpusPassage(f"d{i}", "", f"{name} {i}") for i in numbers},
        {f"q{i}": f"where is {i}" for i in numbers},
        {f"q{i}": {f"d{i}": 1} for i in numbers},
    )


def model(skill: float, calls: list[str] | None = None, wrong_rank: int = 5) -> Measure:
    """Finds the answer first with this probability (the same questions for every skill), else at ``wrong_rank``."""

    def measure(dataset: Dataset) -> Run:
        if calls is not None:
            calls.append(dataset.name)
        draw = random.Random(dataset.name)
        results = {}
        for query in dataset.queries:
            good = f"d{query[1:]}"
            listed = [name for name in dataset.corpus if name != good][:20]
            listed.insert(0 if draw.random() < skill else wrong_rank - 1, good)
            results[query] = [(name, 1 / place) for place, name in enumerate(listed, start=1)]
        return Run("model", results, dataset=dataset.hash)

    return measure


def proof(tmp_path: Path, before: float, after: float, *, elsewhere: float | None = None) -> Proof:
    test, other = collection("own"), collection("foreign", 80)
    base = score_all(model(before), [test], tmp_path / "base") | score_all(model(0.6), [other], tmp_path / "base")
    tuned = score_all(model(after), [test], tmp_path / "tuned")
    tuned |= score_all(model(0.6 if elsewhere is None else elsewhere), [other], tmp_path / "tuned")
    return prove(base, tuned, test, [other], notes=["a note of the run"], advice="average it")


def test_a_better_model_is_proved_with_all_figures(tmp_path: Path) -> None:
    found = proof(tmp_path, 0.4, 0.8)
    assert found.better and found.verdict.startswith("better: MAP 0.")
    found.require_better()
    text = found.to_text()
    for word in ("MAP", "MRR@10", "NDCG@10", "95 % interval", "win / tie / loss", "foreign", "note: a note of the run"):
        assert word in text
    assert [loss.name for loss in found.forgetting] == ["foreign"] and not found.warnings
    row = next(line for line in text.splitlines() if line.startswith("MAP"))
    before, after, difference = (float(cell) for cell in row.split()[1:4])
    assert difference == pytest.approx(after - before, abs=1.5e-4) and row.split()[4] == f"{difference / before:+.1%}"


def test_a_worse_model_is_caught_and_said_to_be_worse(tmp_path: Path) -> None:
    found = proof(tmp_path, 0.8, 0.4)
    assert not found.better and "significantly worse than the base" in found.verdict
    with pytest.raises(NotBetterError, match=r"significantly worse.*your settings are unchanged") as caught:
        found.require_better()
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0.60, 0.62, "not better: no significant gain"),
        (0.62, 0.60, "not better: a lower mean"),
        (0.6, 0.6, "no change: all 60"),
    ],
)
def test_what_these_questions_cannot_show_is_no_gain(tmp_path: Path, before: float, after: float, words: str) -> None:
    found = proof(tmp_path, before, after)
    assert not found.better and found.verdict.startswith(words)
    assert ("questions are needed to show" in found.verdict) == (after > before)
    with pytest.raises(NotBetterError):
        found.require_better()


def test_losses_elsewhere_are_flagged_and_the_gain_still_stands(tmp_path: Path) -> None:
    found = proof(tmp_path, 0.4, 0.8, elsewhere=0.4)
    (loss,) = found.forgetting
    assert found.better and loss.too_much and loss.significant
    assert found.verdict.endswith("more than allowed elsewhere: average it") and "too much" in found.to_text()
    assert any("lost elsewhere (more than the allowed 2.5%): foreign: MAP" in line for line in found.warnings)
    low, high = loss.interval()
    assert low < loss.relative() < high < 0
    assert loss.relative() == pytest.approx(loss.after["MAP"] / loss.before["MAP"] - 1)


def test_a_significant_loss_within_the_limit_and_a_weak_base_are_told_apart() -> None:
    other = collection("foreign", 400)
    key = run_key(other)

    def runs(skill: float, rank: int = 2) -> dict[str, Run]:
        return {key: model(skill, wrong_rank=rank)(other)}  # type: ignore[dict-item]

    (small,) = losses(runs(0.8), runs(0.76), [other])
    assert small.significant and not small.too_much
    (weak,) = losses(runs(0.02, 15), runs(0.015, 15), [other])
    assert weak.weak and not weak.too_much and not weak.significant and weak.relative() < -0.025
    assert any("hardly works there" in note for note in weak.notes)
    (fallen,) = losses(runs(0.1, 15), runs(0.0, 15), [other])
    assert fallen.weak and fallen.too_much  # significant: said all the same
    with pytest.raises(SettingsError, match="max_loss"):
        losses(runs(0.5), runs(0.5), [other], max_loss=2)


def test_runs_are_kept_and_measured_again_only_for_another_model_or_dataset(tmp_path: Path) -> None:
    calls: list[str] = []
    sets = [collection("one", 20), collection("two", 20)]
    first = score_all(model(0.5, calls), sets, tmp_path / "base", fingerprint="a")
    again = score_all(model(0.5, calls), sets, tmp_path / "base", fingerprint="a")
    assert calls == ["one", "two"]
    assert {k: r.results for k, r in first.items()} == {k: r.results for k, r in again.items()}
    score_all(model(0.9, calls), sets[:1], tmp_path / "base", fingerprint="b")
    assert calls == ["one", "two", "one"]
    score_all(model(0.5, calls), [collection("one", 21)], tmp_path / "base", fingerprint="b")
    assert calls[3:] == ["one"]
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == sorted(
        {run_key(d) for d in (*sets, collection("one", 21))}
    )


def test_an_interruption_leaves_no_half_run(tmp_path: Path) -> None:
    def stops(dataset: Dataset) -> Run:
        raise KeyboardInterrupt

    sets = [collection("one", 20), collection("two", 20)]
    calls: list[str] = []
    score_all(model(0.5, calls), sets[:1], tmp_path / "base")
    with pytest.raises(KeyboardInterrupt):
        score_all(stops, sets, tmp_path / "base")
    (tmp_path / "base" / f"{run_key(sets[1])}.part").mkdir()  # what a kill in the middle of writing leaves
    score_all(model(0.5, calls), sets, tmp_path / "base")
    assert calls == ["one", "two"]


def test_a_run_of_another_dataset_is_refused(tmp_path: Path) -> None:
    wrong = model(0.5)(collection("other"))
    with pytest.raises(SourceError, match="made on another dataset"):
        score_all(lambda _: wrong, [collection("own")], tmp_path)


def test_proof_is_written_for_readers_and_programs(tmp_path: Path) -> None:
    found = proof(tmp_path, 0.4, 0.8, elsewhere=0.4)
    found.save(tmp_path)
    kept = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))
    assert kept["better"] is True and kept["forgetting"][0]["measures"]["MAP"]["relative"] < 0
    assert kept["in_domain"]["measures"] == ["MAP", "RR@10", "nDCG@10"]
    page = (tmp_path / "proof.md").read_text(encoding="utf-8")
    assert page.startswith("# Proof") and "| MAP | 0." in page and "> **Warning:** lost elsewhere" in page


@pytest.fixture(scope="module", autouse=True)
def small_probes() -> None:
    """The whole collections: they are what is looked at here."""


def test_the_probes_are_two_small_collections_of_our_own() -> None:
    found = probes()
    assert [dataset.name for dataset in found] == list(PROBES)
    for dataset in found:
        assert len(dataset.corpus) == 120 and len(dataset.queries) >= 100 and not dataset.notes
        assert all(len(dataset.relevant(query)) == 1 for query in dataset.queries)
        assert len({passage.text for passage in dataset.corpus.values()}) == 120
        assert len(set(dataset.queries.values())) == len(dataset.queries)
        # A question in the words of its passage would be found by anything.
        for query, text in dataset.queries.items():
            assert text.rstrip("?？") not in dataset.corpus[dataset.relevant(query)[0]].text
    folder = Path(found[0].path).parent
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 200_000


def test_others_are_the_probes_and_what_is_named_besides(tmp_path: Path) -> None:
    own = Path(probes()[0].path)
    assert [dataset.name for dataset in others()] == list(PROBES)
    with pytest.raises(SettingsError, match="is named twice or packaged"):
        others([own])
    with pytest.raises(SourceError, match="no dataset at"):
        others([tmp_path / "nowhere"])
    copied = tmp_path / "mine"
    (copied / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        (copied / name).write_bytes((own / name).read_bytes())
    lines = (own / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[:30]
    (copied / "qrels" / "test.tsv").write_text("\n".join(lines), encoding="utf-8")
    mine = load_dataset(copied)
    with pytest.raises(SettingsError, match="the dataset to train for"):
        others([copied], test=mine)
    (*_, last) = others([copied], test=probes()[0])
    assert any("it does not show forgetting" in note for note in last.notes)
