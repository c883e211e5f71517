"""Comparisons of made-up runs: numbers, verdicts, warnings, and every form of report."""

import dataclasses
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from eval.comparing.compare import compare, precision_recall
from eval.comparing.latency import latency, slower
from eval.comparing.mean_of_seeds import Repeats
from eval.measure.metrics import score, shown
from eval.measure.runs import Run
from eval.report.forms import FORMS
from indexes.errors import SettingsError, SourceError
from tests.eval.made_up_runs import QRELS, QUERIES, made_up

MEASURES = ["nDCG@10", "RR@10", "R@5"]


@pytest.fixture(scope="module")
def comparison():
    runs = [made_up("base", 0.0), made_up("same", 0.01, seed=2), made_up("good", 3.0, seed=3, ms=50.0)]
    return compare([*runs, made_up("bad", -3.0, seed=4)], QRELS, MEASURES, title="made up")


def test_every_step_gets_its_verdict(comparison):
    assert {v.run: v.decision for v in comparison.verdicts} == {"same": "no evidence", "good": "keep", "bad": "drop"}
    sentences = {v.run: v.sentence for v in comparison.verdicts}
    assert sentences["good"].startswith("keep: +")
    assert "+45.0 ms per question (p50; +45.0 to +45.0, at equal load)" in sentences["good"]
    assert sentences["same"].startswith(f"no evidence with these {QUERIES} queries")


def test_differences_are_those_of_the_means(comparison):
    means = {run.name: run.mean for run in comparison.runs}
    for difference in comparison.differences:
        expected = means[difference.run][difference.measure] - means[difference.against][difference.measure]
        assert difference.paired.difference == pytest.approx(expected)
        assert difference.paired.p <= difference.p_holm <= 1
        counts = difference.paired
        assert counts.wins + counts.ties + counts.losses == QUERIES


def test_more_queries_are_asked_for_where_the_effect_is_small():
    found = compare([made_up("base", 0.0), made_up("bit", 0.03, seed=5)], QRELS, ["nDCG@10"])
    needed = found.differences[0].paired.needed
    assert found.verdicts[0].decision == "no evidence" and needed > QUERIES
    assert f"about {needed:,} queries are needed to show" in found.verdicts[0].sentence


def test_equal_runs_are_told_so():
    run = made_up("one", 0.0)
    found = compare([run, dataclasses.replace(run, name="two")], QRELS, ["nDCG@10"])
    assert found.differences[0].paired.p == 1.0
    assert f"all {QUERIES} queries score the same" in found.verdicts[0].sentence


def test_ladders_and_all_pairs():
    runs = [made_up(name, quality, seed=n) for n, (name, quality) in enumerate([("a", 0), ("b", 1), ("c", 2)])]
    assert [(v.run, v.against) for v in compare(runs, QRELS, ["RR@10"], against="previous").verdicts] == [
        ("b", "a"),
        ("c", "b"),
    ]
    assert len(compare(runs, QRELS, ["RR@10"], against="all").verdicts) == 3
    assert [v.against for v in compare(runs, QRELS, ["RR@10"], baseline="c").verdicts] == ["c", "c"]


def test_other_queries_and_other_datasets_are_warned_of():
    full, short = made_up("full", 0.0), made_up("short", 0.0, queries=30)
    found = compare([full, short], QRELS, ["nDCG@10"])
    assert found.queries == QUERIES and "different queries (full 40, short 30 of 40)" in found.warnings[0]
    assert found.runs[1].mean["nDCG@10"] == pytest.approx(score(short.results, QRELS, ["nDCG@10"]).mean["nDCG@10"])
    other = dataclasses.replace(short, dataset="h2")
    found = compare([full, other], QRELS, ["nDCG@10"])
    assert found.queries == 30 and "different datasets" in found.warnings[0]


def test_several_runs_count_by_their_mean():
    """Query by query: what one training lost, another may have found."""
    seeds = [made_up(f"seed {n}", 1.0, seed=n) for n in range(3)]
    found = compare([made_up("base", 0.0), Repeats("tuned", tuple(seeds))], QRELS, ["nDCG@10", "RR@10"])
    alone = [score(run.results, QRELS, ["nDCG@10"]) for run in seeds]
    means = [scores.mean["nDCG@10"] for scores in alone]
    assert found.runs[1].name == "tuned" and found.runs[1].latency == {}
    assert found.runs[1].mean["nDCG@10"] == pytest.approx(np.mean(means))
    for query, value in found.runs[1].per_query["nDCG@10"].items():
        assert value == pytest.approx(np.mean([scores.per_query["nDCG@10"][query] for scores in alone]))
    assert found.verdicts[0].decision == "keep" and found.verdicts[0].latency is None
    (note,) = [note for note in found.notes if note.startswith("tuned is the mean of 3 runs")]
    assert f"standard deviation {np.std(means, ddof=1):.4f}" in note and "do not include the spread" in note
    same = compare([Repeats("a", tuple(seeds)), Repeats("b", tuple(seeds[::-1]))], QRELS, ["nDCG@10"])
    assert same.differences[0].paired.difference == pytest.approx(0.0)
    with pytest.raises(SettingsError, match="'tuned' is a mean of 1 run"):
        Repeats("tuned", (seeds[0],))


def test_no_worse_than_a_margin():
    runs = [made_up("base", 0.0), made_up("same", 0.01, seed=2), made_up("bad", -3.0, seed=4)]
    low = compare(runs, QRELS, ["nDCG@10"]).difference("same", "nDCG@10").paired.low
    share = -low / compare(runs, QRELS, ["nDCG@10"]).runs[0].mean["nDCG@10"]
    wide = compare(runs, QRELS, ["nDCG@10"], margin=share * 1.01)
    assert [v.decision for v in wide.verdicts] == ["no worse", "drop"]
    assert f"at worst {-low:.4f} lower, within the margin of " in wide.verdicts[0].sentence
    narrow = compare(runs, QRELS, ["nDCG@10"], margin=share * 0.99)
    assert [v.decision for v in narrow.verdicts] == ["no evidence", "drop"]
    assert "No worse" in FORMS["html"](wide) and "no worse: " in FORMS["terminal"](wide)


def test_what_cannot_be_compared_is_refused():
    run = made_up("one", 0.0)
    with pytest.raises(SettingsError, match="one run"):
        compare([run], QRELS)
    with pytest.raises(SettingsError, match="two runs are named"):
        compare([run, run], QRELS)
    with pytest.raises(SettingsError, match="no run is named"):
        compare([run, made_up("two", 1)], QRELS, baseline="three")
    with pytest.raises(SourceError, match="no judged query"):
        compare([run, made_up("two", 1)], {"other": {"d": 1}})


def test_latency_by_stage():
    run = Run("r", {}, timings_ms={"a": {"x": 1.0, "y": 2.0}, "b": {"x": 3.0, "y": 4.0}})
    assert latency(run) == {"x": (2.0, 2.9), "y": (3.0, 3.9), "total": (5.0, 6.8)}
    assert latency(Run("r", {})) == {}


def test_precision_recall_curve_by_hand():
    results = {"q": [("a", 3.0), ("n", 2.0), ("b", 1.0)]}
    assert precision_recall(results, {"q": {"a": 1, "b": 1}}) == pytest.approx([1.0] * 6 + [2 / 3] * 5)
    assert precision_recall({}, {"q": {"a": 0}}) == [0.0] * 11


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_report_names_runs_measures_and_verdicts(comparison, form):
    text = FORMS[form](comparison)
    assert all(run.name in text for run in comparison.runs)
    assert all((measure if form == "json" else shown(measure)) in text for measure in MEASURES)
    assert f"{comparison.runs[2].mean['nDCG@10']:.4f}" in text or form == "json"


def test_no_report_has_controls_or_line_breaks_of_names():
    odd = made_up("a\x1b[2J\n\u202e\x9b|b", 2.0, seed=9)
    found = compare([made_up("base", 0.0), odd], QRELS, MEASURES, title="x\x1b\u2066\ny")
    for form in ("terminal", "markdown", "latex", "html"):
        text = FORMS[form](found)
        assert all(character.isprintable() or character == "\n" for character in text), form
        assert "[2J\n" not in text and not re.search(r"^y$", text, re.M), form


def test_json_is_json(comparison):
    read = json.loads(FORMS["json"](comparison))
    assert read["verdicts"][1]["decision"] == "keep" and len(read["differences"]) == 9


def test_latex_marks_significant_wins(comparison):
    text = FORMS["latex"](comparison)
    row = next(line for line in text.splitlines() if "& good &" in line)
    assert r"$^{\mathrm{a" in row and r"\textbf{" in row
    assert "%" not in re.sub(r"\\%", "", text)


def test_html_page_stands_alone_and_is_well_formed():
    odd = made_up('<b>&"odd"</b>', 2.0, seed=9)
    page = FORMS["html"](compare([made_up("base", 0.0), odd], QRELS, MEASURES))
    assert "<b>" not in page and not re.search(r"<script|<link|<img|https?://|@import|url\(", page)
    assert page.count("<svg") == 3 and "prefers-color-scheme:dark" in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.S):
        ElementTree.fromstring(svg)


def test_milliseconds_are_claimed_only_beyond_their_noise():
    draw = np.random.default_rng(3)
    base = 20 + draw.gamma(2, 4, size=200)  # questions differ among themselves far more than the pipelines do
    load = np.repeat(draw.normal(0, 3, size=10), 20)  # the machine was busy now and then
    queries = [f"q{n}" for n in range(200)]

    def run(name: str, values: np.ndarray) -> Run:
        return Run(
            name,
            {},
            timings_ms={q: {"search": float(ms), "total": 99.0} for q, ms in zip(queries, values, strict=False)},
        )

    old, slow = run("old", base), run("slow", base + 5)
    found = slower(slow, old)
    assert found is not None
    assert found.is_certain
    assert found.low <= 5 <= found.high
    assert "+5.0 ms per question" in str(found)
    unsteady = slower(run("unsteady", base + 0.2 + load), old)
    assert unsteady is not None
    assert not unsteady.is_certain
    assert "within the noise" in str(unsteady)
    assert slower(run("few", base[:19]), old) is None


def test_html_without_timings_has_no_latency_plot():
    runs = [dataclasses.replace(made_up(name, n, seed=n), timings_ms={}) for n, name in enumerate("ab")]
    page = FORMS["html"](compare(runs, QRELS, ["MAP"]))
    assert page.count("<svg") == 2 and "Latency per stage" not in page
