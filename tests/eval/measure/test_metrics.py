"""Measures: equal to pytrec_eval, one tie rule, and what trec_eval does with awkward judgements."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.measure.metrics import Measure, parse_measures, score
from indexes.errors import SettingsError, SourceError

pytrec_eval = pytest.importorskip("pytrec_eval")

THEIRS = {
    "nDCG": "ndcg",
    "nDCG@3": "ndcg_cut_3",
    "MAP": "map",
    "MAP@3": "map_cut_3",
    "RR": "recip_rank",
    "R@3": "recall_3",
    "P@3": "P_3",
    "Hit@3": "success_3",
}
ASKED = {"ndcg", "ndcg_cut.3", "map", "map_cut.3", "recip_rank", "recall.3", "P.3", "success.3"}

documents = st.sampled_from(["a", "b", "B", "é", "文", "d10", "d9", "-", "𝄞"])
# Few values, so that ties abound; two that differ only beyond 32 bits.
values = st.sampled_from([0.0, 0.5, 0.5 + 1e-12, -1.0, 3.0, 1e-30])
# Not only negative judgements: pytrec_eval never comes back from those.
qrels_of = st.dictionaries(documents, st.sampled_from([-1, 0, 1, 2, 3]), min_size=1).filter(
    lambda judged: max(judged.values()) >= 0
)
run_of = st.dictionaries(documents, values, min_size=1)


@settings(max_examples=300, deadline=None)
@given(qrels=st.dictionaries(st.sampled_from(["1", "2", "3"]), qrels_of, min_size=1), data=st.data())
def test_equal_to_pytrec_eval(qrels: dict, data: st.DataObject) -> None:
    run = {query: data.draw(run_of) for query in qrels}
    ours = score({query: list(found.items()) for query, found in run.items()}, qrels, list(THEIRS))
    theirs = pytrec_eval.RelevanceEvaluator(qrels, ASKED).evaluate(run)
    for name, key in THEIRS.items():
        for query in qrels:
            assert ours.per_query[name][query] == pytest.approx(theirs[query][key], abs=1e-9), (name, query)


def test_the_larger_id_wins_a_tie_whatever_the_order() -> None:
    qrels = {"q": {"b": 1}}
    for order in (["a", "b", "c"], ["c", "b", "a"]):
        scores = score({"q": [(document, 1.0) for document in order]}, qrels, ["RR"])
        assert scores.mean["RR"] == 0.5


def test_reciprocal_rank_with_a_cut() -> None:
    run = {"q": [("a", 3.0), ("b", 2.0), ("c", 1.0)]}
    scores = score(run, {"q": {"c": 1}}, ["RR@2", "RR@3"])
    assert scores.mean == {"RR@2": 0.0, "RR@3": pytest.approx(1 / 3)}


def test_awkward_queries_count_as_in_trec_eval_and_are_said() -> None:
    qrels = {"found": {"a": 1}, "no positive": {"a": 0}, "missing": {"a": 1}}
    scores = score({"found": [("a", 1.0)], "no positive": [("a", 1.0)], "unjudged": [("a", 1.0)]}, qrels, ["Hit@1"])
    assert scores.per_query["Hit@1"] == {"found": 1.0, "no positive": 0.0, "missing": 0.0}
    assert scores.mean["Hit@1"] == pytest.approx(1 / 3)
    said = " ".join(scores.notes)
    for part in (
        "1 of 3 queries has no relevant document",
        "1 of 3 queries is not in the run",
        "1 query of the run has no",
        "0",
    ):
        assert part in said


def test_a_higher_bar_for_relevance() -> None:
    run = {"q": [("a", 2.0), ("b", 1.0)]}
    scores = score(run, {"q": {"a": 1, "b": 2}}, ["P(rel=2)@2", "RR(rel=2)", "R(rel=3)@2"])
    assert scores.mean == {"P(rel=2)@2": 0.5, "RR(rel=2)": 0.5, "R(rel=3)@2": 0.0}


def test_windows_are_measured_where_answers_are() -> None:
    scores = score({}, {"1": {"a": 1}}, ["Window@2"], window_ranks={"1": 2, "2": 3, "3": None})
    assert scores.per_query["Window@2"] == {"1": 1.0, "2": 0.0, "3": 0.0}
    with pytest.raises(SettingsError, match="gold answers"):
        score({}, {"1": {"a": 1}}, ["Window@2"])


def test_prompts_count_each_relevant_document_once() -> None:
    qrels = {"1": {"a": 1, "b": 2, "c": 0}, "2": {"a": 1}, "3": {"a": 0}, "4": {"z": 1}}
    prompts = {"1": ["c", "a", "b"], "2": ["a", "b"], "3": ["a"]}
    scores = score({}, qrels, ["Prompt@2", "prompt@3"], prompts=prompts)
    assert scores.per_query["Prompt@2"] == {"1": 0.5, "2": 1.0, "3": 0.0, "4": 0.0}
    assert scores.per_query["Prompt@3"]["1"] == 1.0
    with pytest.raises(SettingsError, match="which documents the answer reads"):
        score({}, qrels, ["Prompt@2"])


def test_names_have_one_spelling_and_bad_ones_are_all_reported() -> None:
    found = parse_measures(["ndcg@10", "MRR@10", "ap", "Recall@5", "precision(rel=2)@3", "success@1", "nDCG@10"])
    assert [str(measure) for measure in found] == ["nDCG@10", "RR@10", "MAP", "R@5", "P(rel=2)@3", "Hit@1"]
    assert parse_measures([Measure("R", 7)]) == [Measure("R", 7)]
    with pytest.raises(SettingsError) as caught:
        parse_measures(["nDCG@0", "R", "Zzz@3", "MAP"])
    assert all(repr(name) in str(caught.value) for name in ("nDCG@0", "R", "Zzz@3"))


def test_other_names_are_those_of_ir_measures() -> None:
    pytest.importorskip("ir_measures")
    scores = score({"1": [("a", 2.0), ("b", 1.0)]}, {"1": {"b": 1}, "2": {"c": 1}}, ["Bpref", "Judged@2", "MAP"])
    assert scores.per_query["Judged@2"] == {"1": 0.5, "2": 0.0}
    assert set(scores.mean) == {"Bpref", "Judged@2", "MAP"}


def test_scores_that_are_no_numbers_and_doubles_are_refused() -> None:
    with pytest.raises(SourceError, match="not a number"):
        score({"q": [("a", math.nan)]}, {"q": {"a": 1}}, ["MAP"])
    with pytest.raises(SourceError, match="twice"):
        score({"q": [("a", 1.0), ("a", 2.0)]}, {"q": {"a": 1}}, ["MAP"])
