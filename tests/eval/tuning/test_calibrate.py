"""The threshold: its guarantee on made-up scores, the fit on a real index, and the engine that refuses strangers."""

import json
import tomllib

import numpy as np
import pytest

from eval.measure.session import Session
from eval.tuning import calibrate as calibrate_module
from eval.tuning.calibrate import calibrate, fit, fit_threshold, to_toml
from indexes.errors import SettingsError, SourceError
from rag import build_query_engine
from rag.settings import load_settings


def offline(**sections):
    sections.setdefault("retrieval", {"fusion": "dense"})
    none = {"provider": "none"}
    return load_settings(profile="offline", encoder={"provider": "minilm"}, rerank=none, llm=none, **sections)


def test_threshold_keeps_the_rate_on_the_scores_it_was_fitted_on():
    scores = np.random.default_rng(0).normal(size=199)
    for rate in (0.01, 0.05, 0.3):
        limit = fit_threshold(scores, rate)
        assert (scores >= limit).mean() <= rate
        assert (scores >= limit).mean() > rate - 0.02


def test_threshold_keeps_the_rate_on_average_over_new_scores():
    rng = np.random.default_rng(1)
    rates = [(rng.normal(size=400) >= fit_threshold(rng.normal(size=60), 0.1)).mean() for _ in range(400)]
    assert 0.08 < np.mean(rates) <= 0.102


def test_a_score_equal_to_a_wrong_one_is_not_answered():
    assert fit_threshold([0.5] * 40, 0.05) > 0.5


def test_what_cannot_be_fitted():
    with pytest.raises(SettingsError, match="too few"):
        fit_threshold([0.1] * 18, 0.05)
    assert fit_threshold([0.1] * 19, 0.05) > 0.1
    with pytest.raises(SettingsError, match="is not a false-answer rate"):
        fit_threshold([0.1], 1.5)
    with pytest.raises(SourceError, match="no question finds a wrong passage"):
        fit([(0.3, None)], 0.05)


def test_held_out_figures_are_near_the_wanted_rate():
    rng = np.random.default_rng(2)
    found = fit(
        [(float(a), float(b)) for a, b in zip(rng.normal(2, 1, 2000), rng.normal(0, 1, 2000), strict=True)], 0.05
    )
    assert found.false_answers == pytest.approx(0.05, abs=0.015)
    assert found.answered == pytest.approx(0.64, abs=0.05)


def test_a_threshold_that_silences_the_engine_is_refused():
    rng = np.random.default_rng(3)
    pairs = [(float(a), float(b)) for a, b in zip(rng.normal(1, 1, 400), rng.normal(0, 1, 400), strict=True)]
    found = fit(pairs, 0.02)
    rates = [row.rate for row in found.trade_off]
    assert rates == sorted(rates) and 0.02 in rates and 0.5 in rates
    answered = [row.answered for row in found.trade_off]
    assert answered == sorted(answered) and found.answered < 0.5 < answered[-1]
    enough = next(row for row in found.trade_off if row.answered >= 0.5)
    with pytest.raises(SettingsError, match=f"only .*% of 400.*--rate {enough.rate:g} answers"):
        found.check(0.5)
    found.check(found.answered)
    hopeless = fit([(0.1, 0.9)] * 60, 0.05)
    with pytest.raises(SettingsError, match="no rate answers that many"):
        hopeless.check(0.5)
    assert fit([(None, 0.3)] * 40, 0.05).check(1.0) is None  # nothing could be answered: no share to speak of


def test_the_command_prints_the_trade_off_and_refuses(call, lighthouse, tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    scores = zip(rng.normal(1, 1, 400).tolist(), rng.normal(0, 1, 400).tolist(), strict=True)
    monkeypatch.setattr(calibrate_module, "calibrate", lambda *_, **__: fit(list(scores), 0.3))
    monkeypatch.setattr(Session, "retriever", lambda *_: None)
    lines = tmp_path / "lines.toml"
    options = [str(lighthouse), "--set", "retrieval.fusion=dense", "--rate", "0.3", "--output", str(lines)]
    refused = call("calibrate", *options, "--min-answered", "0.9", "--json")
    assert refused.exit_code == 2 and "0.3 (this)" in refused.stderr and "--min-answered" in refused.stderr
    rows = json.loads(refused.stdout)["trade_off"]
    assert rows[0]["rate"] == 0.01 and rows[0].keys() == {"rate", "below", "false_answers", "answered"}
    assert not lines.exists()
    gone = call("calibrate", "--test", str(tmp_path / "none.jsonl"))  # files of splits, as everywhere
    assert gone.exit_code == 1 and "there is no file at" in gone.stderr
    assert "Missing argument 'DATASET'" in call("calibrate").stderr


def test_fit_on_a_real_index_and_refusal_under_another_fusion(made_up_dataset, cache, tmp_path):
    settings = offline()
    with Session(made_up_dataset, cache=cache) as session:
        found = calibrate(session.retriever(settings), made_up_dataset, rate=0.1)
        assert 0 < found.below < 1 and found.unanswerable == 36 and "fusion=dense" in found.fingerprint
        (tmp_path / "rag.toml").write_text(to_toml(found))
        stored = tomllib.loads((tmp_path / "rag.toml").read_text())["answer"]
        assert stored == {"abstain_below": found.below, "abstain_fingerprint": found.fingerprint}
        index = session.index(settings)
        engine = build_query_engine(index, settings=offline(answer=stored), rerank=False)
        assert engine.query("How are submarines painted in Peru?").metadata["status"] == "not_found"
        assert engine.query("Who is the lighthouse keeper of Brassmoor?").metadata["status"] == "extractive"
        other = offline(answer=stored, retrieval={"fusion": "minmax"})
        with pytest.raises(SettingsError, match="was calibrated for"):
            build_query_engine(index, settings=other, rerank=False)
        own = offline(answer={"abstain_below": 0.1}, retrieval={"fusion": "minmax"})
        build_query_engine(index, settings=own, rerank=False)  # no fingerprint: the user's own threshold


@pytest.mark.parametrize("fusion", ["minmax", "rrf"])
def test_relative_scores_are_replaced_by_the_share_of_terms(made_up_dataset, cache, fusion):
    with Session(made_up_dataset, cache=cache) as session:
        retriever = session.retriever(offline(retrieval={"fusion": fusion}))
        found = calibrate(retriever, made_up_dataset, rate=0.2)
        assert 0 < found.below <= 1.0001 and "confidence=share-of-terms" in found.fingerprint
        assert found.answered > found.false_answers
