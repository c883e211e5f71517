"""The fit of refusals: it separates what can be separated, holds questions out, and keeps the wanted rate."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from eval.answers.layouts import Kept
from eval.tuning.refusals import figures, fit_refusals, held_out
from indexes.errors import SettingsError, SourceError
from rag.answer.refusal.signals import read_refusal_file


def rows(number: int = 60, apart: float = 3.0, seed: int = 1) -> list[Kept]:
    """Answers whose log-odds tell right from invented by ``apart`` standard deviations; the rest is noise."""
    rng, made = np.random.default_rng(seed), []
    for place in range(number):
        answerable = place % 2 == 0
        shift = 0.0 if answerable else apart
        signals = {
            "allowed": float(rng.normal(-2 + shift, 1)),
            "logprob": float(rng.normal(-0.3, 0.1)),
            "support": None,
            "asked": float(rng.normal(0.5, 0.1)),
            "near": float(rng.normal(0.5, 0.1)),
        }
        made.append(Kept("d", f"q{place}", "plain", "m", {}, answerable, "x", answerable, False, signals, seconds=2.0))
    return made


def test_it_learns_the_signal_that_tells_and_no_other() -> None:
    found = fit_refusals(rows(), rate=0.05)
    assert (found.alone["allowed"] or 0) > 0.95 and found.alone["support"] is None
    assert abs(found.model.weights["support"]) < 1e-6 and "support" in found.notes[0]
    assert found.model.weights["allowed"] > 0.5
    assert (found.held_out.refused or 0) > 0.85 and (found.held_out.false_refusals or 0) <= 0.1
    assert found.held_out.seconds == 2.0


def test_where_nothing_is_known_of_nearness_the_other_signals_weigh_by_themselves(tmp_path: Path) -> None:
    kept = rows()
    for row in kept:
        row.signals["near"] = 1.0 if row.answerable else -1.0
    model = fit_refusals(kept).model
    assert model.otherwise is not None and set(model.weights) - set(model.otherwise.weights) == {"near"}
    assert model.otherwise.weights["allowed"] > 1.5 * model.weights["allowed"]
    unknown = [{**row.signals, "near": None} for row in kept]
    assert [model.weigh(one) for one in unknown] == [model.otherwise.weigh(one) for one in unknown]
    file = tmp_path / "refusal.json"
    file.write_text(json.dumps(model.as_dict()), encoding="utf-8")
    assert read_refusal_file(file) == model


def test_signals_that_tell_nothing_refuse_few_right_answers() -> None:
    found = fit_refusals(rows(200, apart=0.0), rate=0.05)
    assert (found.held_out.false_refusals or 0) < 0.15


def test_a_question_never_helps_to_judge_itself() -> None:
    """A wrong label on one question must not change that question's own held-out verdict for the better."""
    kept = rows()
    odd = kept[1]
    odd.signals["allowed"] = -9.0  # an unanswerable question that looks answered: only its own row says so
    assert held_out(kept)[1] is False
    kept[3].refused = True
    assert held_out(kept)[3] is True  # what the model refuses itself is refused


def test_figures_count_wrong_answers_apart_from_refusals() -> None:
    kept = rows(4)
    kept[0].right = False
    shares = figures(kept, [False, True, True, False])
    assert (shares.right, shares.false_refusals, shares.refused) == (0.0, 0.5, 0.5)
    assert figures([], []).right is None


def test_impossible_fits_are_refused() -> None:
    with pytest.raises(SettingsError, match="2 is not a share of false refusals"):
        fit_refusals(rows(), rate=2)
    with pytest.raises(SettingsError, match="unknown signal"):
        fit_refusals(rows(), signals=("nonsense",))
    with pytest.raises(SourceError, match="too few"):
        fit_refusals(rows(6))


def test_the_command_writes_what_the_engine_reads(call: Callable[..., Result], tmp_path: Path) -> None:
    kept, out = tmp_path / "kept.jsonl", tmp_path / "refusal.json"
    kept.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows()), encoding="utf-8")
    result = call("calibrate", "--answers", str(kept), "--set", "llm.model=m", "--output", str(out))
    assert result.exit_code == 0, result.output
    assert "held out: " in result.stderr and "allowed alone: area under the curve" in result.stderr
    model = read_refusal_file(out)
    assert model.weights["allowed"] > 0 and model.fitted_on.startswith("60 answers of m in layout plain")
    assert call("calibrate").exit_code == 2
