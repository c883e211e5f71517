"""The JSON API and the pages: documents, windows, answers as events, uploads while serving."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes import build_index
from rag.serve.app import build_app
from rag.serve.asking import searches
from rag.serve.keys import KeyRing
from rag.serve.library import Library
from rag.serve.writing.jobs import WriteJob
from tests.rag.serve.conftest import settings_at

ASK = {"question": "Who approves business class?", "collection": "handbook"}


def test_a_document_is_read_back_in_order(serve: Callable[..., TestClient]) -> None:
    client = serve()
    found = client.get("/api/v1/collections/handbook/documents", params={"name": "HAND"}).json()
    assert found["total"] == 1 and found["documents"][0]["name"] == "handbook.md"
    document = found["documents"][0]["id"]
    base = f"/api/v1/collections/handbook/documents/{document}"
    details = client.get(base).json()
    assert [row["heading"] for row in details["outline"]] == ["Handbook > Notice", "Handbook > Travel"]
    rows = client.get(f"{base}/sentences", params={"from": 1, "to": 2}).json()["sentences"]
    assert [row["position"] for row in rows] == [1, 2]
    window = client.get(f"/api/v1/collections/handbook/sentences/{rows[0]['id']}/window", params={"window": 9}).json()
    assert rows[0]["id"] in [row["id"] for row in window["sentences"]]
    for wrong in (f"{base}x", "/api/v1/collections/handbook/sentences/none/window"):
        assert client.get(wrong).status_code == 404


def test_search_and_ask(serve: Callable[..., TestClient]) -> None:
    client = serve()
    found = client.post("/api/v1/search", json=ASK | {"trace": True, "filters": ["title=Handbook"]}).json()
    assert found["passages"][0]["name"] == "handbook.md" and found["trace"]["candidates"]
    answer = client.post("/api/v1/ask", json=ASK).json()
    assert answer["status"] == "extractive" and answer["citations"] and answer["passages"]
    for wrong in ({"question": ""}, ASK | {"top_k": 0}, ASK | {"filters": ["a ? b"]}, ASK | {"fusion": "magic"}):
        refused = client.post("/api/v1/search", json=wrong)
        assert refused.status_code == 400 and refused.json()["error"]["message"]


def test_many_questions_in_one_request(serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    """They find what each finds alone, are encoded together, and take turns in pieces."""
    monkeypatch.setattr(searches, "PIECE", 4)
    client = serve(search_seconds=120.0)
    asked = [ASK["question"], "How long is the notice period?", *(f"Is rule {n} about travel?" for n in range(5))]
    shared = {"collection": "handbook", "top_k": 2, "hits": True, "filters": ["title=Handbook"]}
    alone = [client.post("/api/v1/search", json=shared | {"question": text}).json() for text in asked]
    encoder = client.app.state.service.library.encoder  # type: ignore[attr-defined]
    encoder._known.clear()
    passes: list[int] = []
    real = encoder.inner.encode_queries
    monkeypatch.setattr(encoder.inner, "encode_queries", lambda texts: passes.append(len(texts)) or real(texts))
    together = client.post("/api/v1/search", json=shared | {"questions": asked}).json()["results"]
    assert sum(passes) == len(asked) and len(passes) <= 2
    assert [one["question"] for one in together] == asked
    for one, other in zip(alone, together, strict=True):
        assert [row["text"] for row in one["passages"]] == [row["text"] for row in other["passages"]]
        assert {row["id"] for row in one["hits"]} == {row["id"] for row in other["hits"]}
        assert {"encode", "search"} <= set(other["timings_ms"])
    wrong: list[Any] = [[], "one", [""], ["x"] * 65, [3]]
    for questions in wrong:
        assert client.post("/api/v1/search", json={"questions": questions}).status_code == 400
    assert client.post("/api/v1/search", json=ASK | {"questions": asked}).status_code == 400
    assert client.post("/api/v1/ask", json={"questions": asked}).status_code == 400
    gone = {"questions": asked, "collection": "none"}
    assert client.post("/api/v1/search", json=gone).status_code == 404


def test_an_answer_as_events(serve: Callable[..., TestClient]) -> None:
    names = []
    with serve().stream("POST", "/api/v1/ask", json=ASK, headers={"accept": "text/event-stream"}) as response:
        for line in response.iter_lines():
            if line.startswith("event: "):
                names.append(line[7:])
            elif line.startswith("data: "):
                last = json.loads(line[6:])
    assert names[0] == "status" and names[1] == "sources" and names[-1] == "done" and "token" in names
    assert last["answer"].startswith("Business class")


def test_pages_work_without_script_and_in_both_languages(serve: Callable[..., TestClient]) -> None:
    client = serve()
    page = client.post("/", data={"question": ASK["question"], "collection": "handbook"})
    assert "head of the department" in page.text and 'class="mark"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    link = page.text.split('class="mark" href="')[1].split('"')[0].replace("&amp;", "&")
    document = client.get(link.split("#")[0])
    assert '<mark id="marked"' in document.text and "Business class" in document.text
    assert "提问" in client.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"}).text
    for path in ("/search?question=notice&collection=handbook", "/docs", "/upload", "/status"):
        assert client.get(path).status_code == 200
    assert client.get("/docs/handbook/none").status_code == 404
    foreign = client.post("/", data={"question": "x"}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_the_original_file_is_offered_only_where_that_is_switched_on(serve: Callable[..., TestClient]) -> None:
    client = serve()
    rows = client.get("/api/v1/collections/handbook/documents", params={"name": "handbook"}).json()["documents"]
    address = f"/docs/handbook/{rows[0]['id']}"
    assert client.get(f"{address}/original").status_code == 404 and "/original" not in client.get(address).text
    client = serve(downloads=True)
    assert f"{address}/original" in client.get(address).text
    file = client.get(f"{address}/original")
    assert file.text.startswith("# Handbook") and "attachment" in file.headers["content-disposition"]
    assert "sandbox" in file.headers["content-security-policy"]


def test_what_an_answer_says_besides_its_text(serve: Callable[..., TestClient]) -> None:
    """The nearest passages of an unanswered question, in the API, to OpenAI clients, to MCP and on the page."""
    client = serve()
    asked = {"question": "Which telescope photographed Saturn?", "collection": "handbook"}
    found = client.post("/api/v1/ask", json=asked).json()
    assert found["status"] == "not_found" and found["nearest"][0]["text"]
    assert all("/" not in row["source"] for row in found["nearest"])
    own = client.post(
        "/v1/chat/completions",
        json={"model": "handbook", "messages": [{"role": "user", "content": asked["question"]}]},
    ).json()["ragwright"]
    assert own["nearest"] == found["nearest"]
    page = client.post("/", data=asked, headers={"accept-language": "zh"}).text
    assert "最接近的段落" in page and found["nearest"][0]["text"][:20] in page


def test_a_key_is_asked_for_and_kept_in_a_cookie(serve: Callable[..., TestClient]) -> None:
    client = serve({"me": (("read", "ask"), ("*",))})
    assert 'type="password"' in client.get("/").text
    assert client.post("/login", data={"key": "wrong"}).status_code == 401
    done = client.post("/login", data={"key": client.keys["me"], "next": "//evil"}, follow_redirects=False)
    assert done.headers["location"] == "/" and "HttpOnly" in done.headers["set-cookie"]
    assert "SameSite=strict" in done.headers["set-cookie"]
    assert 'name="question"' in client.get("/").text


def test_metrics_parse_and_count(serve: Callable[..., TestClient]) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    client = serve(metrics_open=True)
    client.post("/api/v1/ask", json=ASK)
    page = client.get("/metrics", headers={"accept": "text/plain"})
    families = {family.name: family for family in text_string_to_metric_families(page.text)}
    samples = families["ragwright_requests"].samples
    assert any(
        s.labels == {"route": "api", "collection": "handbook", "status": "extractive", "code": "200"} for s in samples
    )
    assert "_created" not in page.text and "business class" not in page.text
    assert families["ragwright_stage_duration_seconds"].samples


def test_feedback_is_kept_only_where_it_is_switched_on(serve: Callable[..., TestClient], served_store: Path) -> None:
    row = {
        "verdict": "wrong_source",
        "question": "Who?",
        "answer": "Me. [1]",
        "collection": "handbook",
        "citations": [],
    }
    assert serve().post("/api/v1/feedback", json=row).status_code == 404
    client = serve(feedback=True)
    assert client.post("/api/v1/feedback", json=row | {"verdict": "great"}).status_code == 400
    assert client.post("/api/v1/feedback", json=row).json() == {"kept": True}
    file = served_store / "feedback.jsonl"
    assert (
        json.loads(file.read_text().splitlines()[-1])["verdict"] == "wrong_source"
        and file.stat().st_mode & 0o777 == 0o600
    )
    assert 'data-verdict="right"' in client.get("/").text


def test_half_characters_and_numbers_that_are_none_are_no_fault(serve: Callable[..., TestClient]) -> None:
    """At every door: answered, or refused in a sentence."""
    client, half = serve(), "Who\\ud800 approves it?"
    message = f'"messages": [{{"role": "user", "content": "{half}"}}], "max_tokens": NaN'
    bodies = {
        "/api/v1/search": [
            f'{{"question": "{half}", "collection": "handbook"}}',
            f'{{"question": "{half}", "filters": ["title=\\udfff", "\\ud800>1"]}}',
            '{"question": "Who?", "collection": "\\ud800", "top_k": NaN, "fusion": "\\ud800"}',
            '{"question": "Who?", "collection": "\\ud800"}',
            '{"question": "Who?", "top_k": 1e999}',
        ],
        "/api/v1/ask": [f'{{"question": "{half}", "collection": "handbook", "trace": true}}'],
        "/v1/chat/completions": [f'{{"model": "handbook", {message}}}', f'{{"model": "\\ud800", {message}}}'],
        "/retrieval": [
            f'{{"knowledge_id": "handbook", "query": "{half}", "retrieval_setting": {{"top_k": NaN}}}}',
            f'{{"knowledge_id": "\\ud800", "query": "{half}", "retrieval_setting": {{"top_k": 3}}}}',
        ],
    }
    for path, texts in bodies.items():
        for text in texts:
            found = client.post(path, content=text.encode(), headers={"content-type": "application/json"})
            assert found.status_code < 500 and found.json(), (path, text, found.text)
    assert client.get("/", params={"q": "x"}).status_code == 200
    for path in (
        "/?q=%ED%A0%80",
        "/?question=%ED%A0%80&collection=%ED%A0%80",
        "/api/v1/documents?collection=%ED%A0%80",
    ):
        assert client.get(path).status_code < 500


def test_ready_only_when_models_are_loaded(serve: Callable[..., TestClient]) -> None:
    client = serve()
    assert client.get("/readyz").json()["status"] == "ready"
    client.app.state.service.state = "loading"
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200
    refused = client.post("/api/v1/search", json=ASK)
    assert refused.status_code == 503 and refused.headers["retry-after"]


@pytest.fixture
def own(library: Library, tmp_path: Path) -> Any:
    """A store of its own, to write into while serving."""
    settings = settings_at(tmp_path / "store")
    (tmp_path / "a.md").write_text("# A\n\nThe kettle is blue.\n", encoding="utf-8")
    encoder = library.encoder
    assert encoder is not None
    build_index(tmp_path / "a.md", collection="notes", settings=settings, encoder=encoder.inner).close()
    made = Library(settings, encoder=encoder.inner)
    made.load()
    app = build_app(settings, library=made, keys=KeyRing(tmp_path / "keys.toml"), load=False)
    with TestClient(app, base_url="http://127.0.0.1:8321") as client:
        app.state.service.state = "ready"
        yield client


def finished(client: TestClient, job: str) -> dict[str, Any]:
    for _ in range(600):
        found = client.get(f"/api/v1/jobs/{job}").json()
        if found["state"] in ("done", "failed", "cancelled"):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def test_upload_search_and_delete_while_serving(own: TestClient) -> None:
    files = [("files", ("../tea.md", b"# Tea\n\nThe teapot is green.\n")), ("files", ("empty.txt", b""))]
    sent = own.post("/api/v1/collections/notes/documents", files=files)
    assert sent.status_code == 202
    done = finished(own, sent.json()["job"])
    assert done["state"] == "done", done
    assert {row["name"].split("/")[-1]: row["status"] for row in done["files"]} == {
        "tea.md": "added",
        "empty.txt": "skipped",
    }
    found = own.post("/api/v1/search", json={"question": "teapot", "collection": "notes"}).json()
    assert "green" in found["passages"][0]["text"]
    rows = own.get("/api/v1/collections/notes/documents", params={"name": "tea"}).json()["documents"]
    gone = own.delete(f"/api/v1/collections/notes/documents/{rows[0]['id']}")
    assert finished(own, gone.json()["job"])["state"] == "done"
    assert own.get("/api/v1/collections/notes/documents").json()["total"] == 1
    refused = own.post("/api/v1/collections/notes/documents", files=[("files", ("x.exe", b"MZ"))])
    assert refused.status_code == 400 and "format" in refused.json()["error"]["message"]
    foreign = own.post("/api/v1/collections/notes/documents", files=files, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_a_graph_is_built_while_serving(own: TestClient) -> None:
    refused = own.post("/api/v1/collections/notes/optimize", json={"force": True})
    assert refused.status_code == 403  # for the account that started the server
    jobs = own.app.state.jobs
    job = jobs.add(WriteJob("optimize", "notes", force=True, total=1))
    assert finished(own, job.id)["state"] == "done", job
    assert job.report["graph"]["points"] == job.sentences == 1
    assert own.post("/api/v1/search", json={"question": "kettle", "collection": "notes"}).json()["passages"]
    wrong = jobs.add(WriteJob("optimize", "none", total=1))
    assert finished(own, wrong.id)["state"] == "failed" and "no collection 'none'" in wrong.message


def test_a_watched_folder_is_kept_in_step(library: Library, tmp_path: Path) -> None:
    """Changed, moved and deleted files are taken up into a collection that need not exist before."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in {"a.md": "The kettle is blue.", "b.md": "The cup is red.", "c.md": "The pot is old."}.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    settings = settings_at(tmp_path / "store").model_copy(update={"collection": "kitchen"})
    assert library.encoder is not None
    made = Library(settings, encoder=library.encoder.inner)
    made.load()
    app = build_app(settings, library=made, keys=KeyRing(tmp_path / "keys.toml"), load=False, watch=[folder])
    watcher = app.state.watcher
    with TestClient(app, base_url="http://127.0.0.1:8321") as client:
        watcher.stop()  # the test looks for itself
        app.state.service.state = "ready"
        assert watcher.look() is None  # one look is not enough: files may be being written
        finished(client, watcher.look().id)
        assert watcher.look() is None
        (folder / "a.md").write_text("The kettle is green now.\n", encoding="utf-8")
        (folder / "b.md").rename(folder / "renamed.md")
        (folder / "c.md").unlink()
        assert watcher.look() is None
        done = finished(client, watcher.look().id)
        rows = client.get("/api/v1/collections/kitchen/documents").json()["documents"]
        assert sorted(Path(row["name"]).name for row in rows) == ["a.md", "renamed.md"], done
        found = client.post("/api/v1/search", json={"question": "kettle", "collection": "kitchen"}).json()
        assert "green" in found["passages"][0]["text"]
        for name in ("a.md", "renamed.md"):
            (folder / name).unlink()
        assert client.post("/sync", headers={"origin": "https://evil.example"}).status_code == 403
        assert client.post("/sync", follow_redirects=False).status_code == 303
        assert finished(client, watcher.job.id)["state"] == "failed"  # a disk that is not mounted removes nothing
        assert client.get("/api/v1/collections/kitchen/documents").json()["total"] == 2
        assert "kitchen" in client.get("/upload").text and client.get("/api/v1/sync").json()["watched"]
