"""Runs: written and read again as they were."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.measure.runs import Run, load_run, refuse_other, save_run
from indexes.errors import SettingsError, SourceError
from rag.settings import Settings

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
scores = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(results=st.dictionaries(ids, st.dictionaries(ids, scores, max_size=4), max_size=4))
def test_any_run_survives(tmp_path: Path, results: dict) -> None:
    ranked = {query: sorted(found.items(), key=lambda item: -item[1]) for query, found in results.items()}
    run = Run("a run", ranked, {"retrieval": {"top_k": 5}}, {"encoder": "x"}, "abc", notes=["said"])
    back = load_run(save_run(run, tmp_path / "run"))
    assert back.results == ranked
    assert list(back.results) == list(ranked)
    assert (back.name, back.settings, back.fingerprint, back.dataset, back.notes) == (
        run.name,
        run.settings,
        run.fingerprint,
        "abc",
        ["said"],
    )


def test_timings_and_details_survive_and_equal_runs_give_equal_files(tmp_path: Path) -> None:
    run = Run(
        "r", {"q": [("d", 1.0)], "none": []}, timings_ms={"q": {"search": 1.5}}, details={"q": {"window_rank": 2}}
    )
    run.questions, run.qrels = {"q": "Where?", "none": "What?"}, {"q": {"d": 1, "e": 0}, "none": {}}
    first, second = save_run(run, tmp_path / "1"), save_run(run, tmp_path / "2")
    back = load_run(first)
    assert back.timings_ms == {"q": {"search": 1.5}}
    assert back.window_ranks == {"q": 2}
    assert (back.questions, back.qrels) == (run.questions, run.qrels)
    assert back.results == {"q": [("d", 1.0)], "none": []}
    for name in ("run.trec", "run.json", "queries.jsonl"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_run_keeps_no_logins_and_no_keys_of_addresses(tmp_path: Path) -> None:
    settings = {"llm": {"base_url": "https://me:word@host/v1?sig=s3cr3t"}, "retrieval": {"top_k": 5}}
    noted = {"q": {"notes": ["https://host/x?sig=s3cr3t did not answer"], "found": ["https://a.org/page?id=7"]}}
    run = Run("r", {"q": [("https://a.org/page?id=7", 1.0)]}, settings, details=noted)
    folder = save_run(run, tmp_path / "run")
    kept = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert "s3cr3t" not in kept and "me:word" not in kept and "https://***@host/v1?***" in kept
    back = load_run(folder)
    assert back.results == run.results and back.details["q"]["found"] == noted["q"]["found"]  # ids stay as they are
    refuse_other(run, folder)  # a repeat of the same measurement
    with pytest.raises(SettingsError, match=r"differs in llm\.base_url"):
        refuse_other(Run("r", {}, {**settings, "llm": {"base_url": "https://other/v1"}}), folder)


def test_a_setting_that_an_old_run_does_not_hold_counts_as_its_default(tmp_path: Path) -> None:
    now = Settings().model_dump(mode="json")
    old = {**now, "retrieval": {key: value for key, value in now["retrieval"].items() if key != "per_document"}}
    folder = save_run(Run("r", {}, old), tmp_path / "run")
    refuse_other(Run("r", {}, now), folder)
    with pytest.raises(SettingsError, match=r"differs in retrieval\.per_document"):
        refuse_other(Run("r", {}, {**now, "retrieval": {**now["retrieval"], "per_document": 3}}), folder)


def test_a_foreign_trec_file_is_a_run(tmp_path: Path) -> None:
    path = tmp_path / "bm25.trec.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("1 Q0 d%201 7 0.5 tag\n1\tQ0\td2\t9\t2.5\ttag\n\n2 Q0 d1 1 -1e3 tag\n")
    run = load_run(path)
    assert run.name == "bm25"
    assert run.results == {"1": [("d2", 2.5), ("d%201", 0.5)], "2": [("d1", -1000.0)]}


def test_every_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.trec"
    path.write_text("1 Q0 a 1 0.5 t\n1 Q0 a 2 0.4 t\n1 Q0 b\n1 Q0 c 1 many t\n1 Q0 d 1 nan t\n", encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        load_run(path)
    assert all(f"line {number}:" in str(caught.value) for number in (2, 3, 4, 5))
    with pytest.raises(SourceError, match="no run"):
        load_run(tmp_path / "nothing")
