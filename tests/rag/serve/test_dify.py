"""``POST /retrieval`` as Dify's client sends it: probes, keys, shapes, deadlines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from rag.api import build_retriever
from rag.serve.asking.searches import Searches
from rag.serve.dify.check import cases, run_case
from rag.serve.run import bind

ASKED = {"knowledge_id": "handbook", "query": "How long is the notice?", "retrieval_setting": {"top_k": 2}}
PROBE = {"knowledge_id": "", "query": "", "retrieval_setting": {"top_k": 1, "score_threshold": 0.0}}
KEYS = {"dify": (("read",), ("handbook",))}


def post(client: TestClient, body: Any, *, key: str | None = None, path: str = "/retrieval") -> Any:
    headers = {"authorization": key} if key else {}
    return client.post(f"http://127.0.0.1:8321{path}", json=body, headers=headers)


def test_the_probes_of_old_and_new_versions(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS)
    key = f"Bearer {client.keys['dify']}"  # type: ignore[attr-defined]
    old = client.post("/retrieval", headers={"authorization": key})
    assert old.status_code == 400 and set(old.json()) == {"error_code", "error_msg"}
    assert post(client, PROBE, key=key).json() == {"records": []}
    none, wrong, other = post(client, PROBE), post(client, PROBE, key="Bearer rw-x"), post(client, PROBE, key="Basic x")
    assert [(one.status_code, one.json()["error_code"]) for one in (none, wrong, other)] == [
        (403, 1001),
        (403, 1002),
        (403, 1001),
    ]


def test_records_have_what_dify_reads(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS)
    key = f"bearer  Bearer {client.keys['dify']}"  # type: ignore[attr-defined]
    for path in ("/retrieval", "//retrieval", "/retrieval/"):
        found = post(client, ASKED, key=key, path=path)
        assert found.status_code == 200, found.text
        records = found.json()["records"]
        assert 1 <= len(records) <= 2
        assert "three months" in records[0]["content"]
        assert [record["score"] for record in records] == sorted((r["score"] for r in records), reverse=True)
        for record in records:
            assert 0 <= record["score"] <= 1 and record["title"]
            assert record["metadata"]["document_id"] and record["metadata"]["source"] == "handbook.md"
            assert not {"score", "title", "dataset_id", "dataset_name"} & set(record["metadata"])
    assert "/tmp" not in found.text


@pytest.mark.parametrize("condition", [None, {}, {"conditions": None}, {"logical_operator": None, "conditions": []}])
def test_no_condition_in_every_form(serve: Callable[..., TestClient], condition: Any) -> None:
    assert post(serve(), ASKED | {"metadata_condition": condition}).json()["records"]


def test_conditions_reach_the_search(serve: Callable[..., TestClient]) -> None:
    client = serve()

    def titles(operator: str, value: Any, name: str = "title") -> set[str]:
        rows = [{"name": name, "comparison_operator": operator, "value": value}]
        found = post(client, ASKED | {"metadata_condition": {"conditions": rows}, "retrieval_setting": {"top_k": 9}})
        assert found.status_code == 200, found.text
        return {record["title"] for record in found.json()["records"]}

    assert titles("is", "请假制度") == {"请假制度"}
    assert titles("is not", "请假制度") == {"Handbook"}
    assert titles("start with", "Hand") == {"Handbook"}
    assert titles("end with", "book") == {"Handbook"}
    assert titles("is", "handbook.md", name="source") == {"Handbook"}
    assert titles("contains", "nothing has this") == set()


def test_a_field_that_no_document_has_is_no_error_but_stands_in_the_log(
    serve: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    client = serve()
    for name, noted in (("titel", True), ("title", False)):
        caplog.clear()
        rows = [{"name": name, "comparison_operator": "is", "value": "nobody"}]
        found = post(client, ASKED | {"metadata_condition": {"conditions": rows}})
        assert found.json() == {"records": []}
        assert ("no document has the key 'titel'" in caplog.text and "'title'" in caplog.text) is noted


def test_what_is_wrong_is_said_before_what_is_unknown(serve: Callable[..., TestClient]) -> None:
    """Types come before the collection, and a key without the scope finds nothing."""
    like = {"conditions": [{"name": "year", "comparison_operator": "like", "value": 1}]}
    wrong = post(serve(), ASKED | {"knowledge_id": "nowhere", "metadata_condition": like})
    assert wrong.status_code == 400 and wrong.json()["error_code"] == 1003
    client = serve({"writer": (("write",), ("*",))})
    refused = post(client, ASKED, key=f"Bearer {client.keys['writer']}")  # type: ignore[attr-defined]
    assert refused.status_code == 403 and refused.json()["error_code"] == 1002


def test_refusals_are_sentences_at_the_top_level(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS)
    key = f"Bearer {client.keys['dify']}"  # type: ignore[attr-defined]
    unknown = post(client, ASKED | {"knowledge_id": "nowhere"}, key=key)
    hidden = post(client, ASKED | {"knowledge_id": "garden"}, key=key)
    assert unknown.status_code == hidden.status_code == 404
    assert unknown.json()["error_code"] == hidden.json()["error_code"] == 2001
    assert unknown.json()["error_msg"].replace("nowhere", "garden") == hidden.json()["error_msg"]
    for body in (ASKED | {"query": 3}, ASKED | {"retrieval_setting": {"top_k": "two"}}, [1]):
        refused = post(client, body, key=key)
        assert refused.status_code == 400 and refused.json()["error_code"] == 1003
    like = {"conditions": [{"name": "year", "comparison_operator": "like", "value": 1}]}
    assert "known are" in post(client, ASKED | {"metadata_condition": like}, key=key).json()["error_msg"]


def test_a_blank_question_and_a_high_threshold_give_no_records(serve: Callable[..., TestClient]) -> None:
    client = serve()
    assert post(client, ASKED | {"query": " "}).json() == {"records": []}
    high = post(client, ASKED | {"retrieval_setting": {"top_k": 100, "score_threshold": 1.0}}).json()["records"]
    assert all(record["score"] == 1.0 for record in high)


def test_identical_requests_share_one_search(serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    calls = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        time.sleep(0.3)
        return build_retriever(*arguments, **options)

    monkeypatch.setattr("rag.serve.asking.searches.build_retriever", counted)
    answers: list[int] = []
    asked = ASKED | {"query": "When must I give notice, then?"}
    threads = [threading.Thread(target=lambda: answers.append(post(client, asked).status_code)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 5 and len(calls) == 1


def test_a_search_that_hangs_ends_at_the_deadline(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(dify_seconds=0.4)
    monkeypatch.setattr("rag.serve.asking.searches.build_retriever", lambda *_, **__: time.sleep(1.5))
    started = time.monotonic()
    late = post(client, ASKED | {"query": "late"})
    assert late.status_code == 504 and time.monotonic() - started < 1.4


def test_values_that_were_never_set_and_quotes_that_are_escaped(serve: Callable[..., TestClient]) -> None:
    client = serve()
    unset = {"top_k": None, "score_threshold": None}
    for setting in (None, {}, unset):
        body = ASKED | {"retrieval_setting": setting, "unknown": 1}
        assert 1 <= len(post(client, body).json()["records"]) <= 4
    body = {name: value for name, value in ASKED.items() if name != "retrieval_setting"}
    plain = post(client, body | {"query": 'Who says "notice"?'}).json()
    assert post(client, body | {"query": 'Who says \\"notice\\"?'}).json() == plain  # from Dify's hit testing


def test_an_open_server_ignores_the_key_that_dify_must_have(serve: Callable[..., TestClient]) -> None:
    client = serve()
    for key in ("Bearer anything", "Basic x", "anything"):
        assert post(client, PROBE, key=key).json() == {"records": []}


def test_a_reranker_that_is_too_slow_leaves_the_order_of_the_search_and_says_so(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(dify_seconds=1.0)

    def slow(self: Any, question: Any, rerank: bool) -> Any:
        if rerank:
            time.sleep(1.5)
        return retrieve(self, question, False)

    retrieve = Searches._retrieve
    monkeypatch.setattr(Searches, "_retrieve", slow)
    client.app.state.service.library.reranker = object()  # type: ignore[attr-defined]
    started = time.monotonic()
    found = post(client, ASKED | {"query": "How long is the notice, after all?"})
    assert found.status_code == 200 and time.monotonic() - started < 1.4
    for record in found.json()["records"]:
        assert "reranker did not finish in time" in record["metadata"]["note"]


def test_the_check_plays_difys_client_against_a_running_server(serve: Callable[..., TestClient]) -> None:
    client = serve(KEYS)
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(client.app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    key: str = client.keys["dify"]  # type: ignore[attr-defined]
    rows = [run_case(url, key, case) for case in cases("handbook", "How long is the notice?")]
    hidden = [run_case(url, key, case) for case in cases("garden", "Notice?")]
    server.should_exit = True
    thread.join(timeout=10)
    assert len(rows) == 10 and all(row["ok"] for row in rows), rows
    assert {row["case"] for row in hidden if not row["ok"]} >= {"a question", "a condition (≠)"}
    assert any("garden" in row["answer"] for row in hidden if not row["ok"]), hidden  # the server's own words
