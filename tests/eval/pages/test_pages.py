"""The evaluation pages: runs with intervals, two compared, a failed question's trace; no model is loaded for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from eval.measure.runs import save_run
from rag.serve.app import build_app
from rag.serve.keys import KeyRing
from rag.serve.library import Library
from rag.serve.pages import routes
from rag.settings import load_settings
from tests.eval.made_up_runs import QRELS, made_up

TRACE = [
    {"rank": 1, "id": "x3", "text": "<b>Otters</b> sleep.", "dense": 2, "sparse": None, "fused": 0.91},
    {"rank": 12, "id": "d1", "text": "Badgers dig.", "dense": 30, "sparse": 4, "fused": 0.2, "rerank": 0.01},
]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A server whose runs folder holds two runs of one dataset, an old one without judgements, and rubbish."""
    point = EntryPoint("evaluation", "eval.pages.routes:evaluation_pages", "ragwright.pages")
    monkeypatch.setattr(routes, "entry_points", lambda **_: [point])
    for name, quality in (("base", 0.0), ("better", 1.5)):
        run = made_up(name, quality)
        run.qrels, run.questions = QRELS, {query: f"What of <{query}>?" for query in QRELS}
        run.scores = {"nDCG@10": 0.5, "R@10": 0.6}
        run.dataset_path = "/secret/place/otters"
        run.details = {"q1": {"trace": TRACE, "wanted": {"d1": "Badgers dig at night."}, "notes": ["HyDE was off"]}}
        run.settings = {"retrieval": {"fusion": "rrf" if quality else "minmax"}}
        save_run(run, tmp_path / "runs" / "otters" / name)
    save_run(dataclasses.replace(made_up("old", 0.0), scores={"nDCG@10": 0.4}), tmp_path / "runs" / "old")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "run.json").write_text("{")
    settings = load_settings(
        profile="offline", **{"store.path": str(tmp_path / "store"), "serve.runs": str(tmp_path / "runs")}
    )
    library = Library(settings)
    app = build_app(settings, library=library, keys=KeyRing(tmp_path / "keys.toml"), load=False)
    with TestClient(app, base_url="http://127.0.0.1:8321") as made:
        yield made
    assert library.encoder is None and library.llm is None


def test_runs_are_listed_with_intervals_and_opened(client: TestClient) -> None:
    page = client.get("/eval").text
    assert 'href="/eval/run/otters/base"' in page and 'aria-current="page">Evaluation' in page
    assert ">NDCG@10<" in page and 'class="reach"' in page and "secret" not in page
    assert "has no saved judgements" in page and "broken" not in page
    run = client.get("/eval/run/otters/base?words=q1%3E").text
    assert "What of &lt;q1&gt;?" in run and "&lt;q2&gt;" not in run and "badge not_found" in run
    assert "评测" in client.get("/eval", headers={"accept-language": "zh"}).text
    for wrong in ("/eval/run/none", "/eval/run/../../etc/passwd", "/eval/run/old", "/eval/question/otters/base?id=zz"):
        assert client.get(wrong).status_code == 404, wrong


def test_a_failed_questions_trace_is_opened(client: TestClient) -> None:
    page = client.get("/eval/question/otters/base?id=q1").text
    assert "&lt;b&gt;Otters" in page and "<b>Otters" not in page
    assert "Badgers dig at night." in page and "HyDE was off" in page
    assert page.count('class="relevant"') == 1 and "0.910" in page


def test_two_runs_are_compared(client: TestClient) -> None:
    page = client.get("/eval/compare?run=otters/base&run=otters/better").text
    assert "retrieval.fusion" in page and "keep" in page
    assert "Questions that got worse" in page and "/eval/question/otters/better?id=q" in page
    assert client.get("/eval/compare?run=otters/base").status_code == 400


def test_the_same_as_json_and_only_with_a_key_for_all_collections(client: TestClient) -> None:
    rows: list[dict[str, Any]] = client.get("/api/v1/evaluations").json()["runs"]
    assert {row["id"] for row in rows} == {"otters/base", "otters/better", "old"}
    found = client.get("/api/v1/evaluations/otters/base").json()
    assert found["intervals"]["nDCG@10"]["low"] < found["intervals"]["nDCG@10"]["mean"]
    assert next(row for row in found["queries"] if row["id"] == "q1")["trace"][0]["id"] == "x3"
    keys: KeyRing = client.app.state.keys  # type: ignore[attr-defined]
    narrow, wide = keys.new("narrow", collections=["otters"]), keys.new("wide")
    assert "password" in client.get("/eval").text
    for text, status in ((narrow, 403), (wide, 200)):
        answer = client.get("/api/v1/evaluations", headers={"authorization": f"Bearer {text}"})
        assert answer.status_code == status
