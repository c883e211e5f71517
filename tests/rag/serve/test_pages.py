"""The pages without script: everything is reached by links and forms, and no wrong place is marked."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from indexes import build_index
from rag.serve.pages.words import WORDS
from rag.serve.wire import document_id
from tests import ROOT
from tests.rag.serve.conftest import settings_at
from tests.rag.serve.test_api import own  # noqa: F401 - a fixture

ASK = {"question": "Who approves business class?", "collection": "handbook"}
TABLE = """# Prices

| Part | Price |
| --- | --- |
| Kettle | 12 euro |
| Cup | 3 euro |

The shop opens at nine. It closes at six. Dogs wait outside.
"""


def test_each_stage_of_a_trace_has_its_name_in_chinese() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "rag").rglob("*.py")]
    stages = {name for source in sources for name in re.findall(r'\.stage\("(\w+)"', source)}
    assert "refusal" in stages and {f"stage_{name}" for name in stages} <= WORDS.keys()


def test_an_answer_with_all_that_belongs_to_it(serve: Callable[..., TestClient], served_store: Path) -> None:
    client = serve(feedback=True)
    page = client.post("/", data=ASK | {"window": "1", "fusion": "dense", "filters": "title=Handbook"}).text
    panels = page.split('id="panel-cited"')[1]
    assert panels.index(">Cited</h2>") < panels.index(">All passages</h2>") and "score" in panels
    assert "hidden" not in panels.split("</aside>")[0]
    assert (
        "The head of the department approves it." in page.split('class="mark"')[1].split(">")[0]
    )  # the marker's title
    assert page.count('class="trace-table"') == 1
    again = html.unescape(page.split('id="permalink" href="')[1].split('"')[0])
    asked = {name: values[0] for name, values in parse_qs(urlsplit(again).query).items()}
    assert asked == ASK | {"window": "1", "fusion": "dense", "filters": "title=Handbook"}
    filled = client.get(again).text
    assert 'name="window" type="number" min="0" max="50" value="1"' in filled and "<option selected>dense" in filled
    form = page.split('action="/feedback"')[1].split("</form>")[0]
    hidden = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">', form)}
    sent = client.post("/feedback", data=hidden | {"verdict": "right"}, follow_redirects=False)
    assert sent.status_code == 303 and "Thank you for your feedback" in client.get(sent.headers["location"]).text
    row = json.loads((served_store / "feedback.jsonl").read_text().splitlines()[-1])
    assert row["question"] == ASK["question"] and row["citations"][0]["sentence_id"]
    foreign = client.post("/feedback", data=hidden | {"verdict": "right"}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_a_key_that_may_not_ask_gets_no_answer_from_the_page(serve: Callable[..., TestClient]) -> None:
    client = serve({"reader": (("read",), ("*",)), "asker": (("ask",), ("*",))})
    client.post("/login", data={"key": client.keys["reader"]})  # type: ignore[attr-defined]
    refused = client.post("/", data=ASK, headers={"origin": "http://127.0.0.1:8321"})
    assert refused.status_code == 403 and "head of the department" not in refused.text
    client.post("/login", data={"key": client.keys["asker"]})  # type: ignore[attr-defined]
    assert client.get("/docs").status_code == client.get("/search?question=x").status_code == 403
    assert client.post("/login", data={"key": "x"}, headers={"origin": "https://evil.example"}).status_code == 403


def test_two_settings_side_by_side(serve: Callable[..., TestClient]) -> None:
    address = "/search?question=notice&collection=handbook"
    client = serve()
    assert client.get(address).text.count('class="timings"') == 1
    page = client.get(f"{address}&fusion=sparse&fusion_b=dense&top_k_b=3").text
    assert page.count('class="timings"') == 2
    first, second = page.split('class="side"')[1:]
    assert "<h2>fusion sparse</h2>" in first and "<h3>Dense</h3>" not in first
    assert "<h2>top_k 3, fusion dense</h2>" in second and "<h3>Sparse</h3>" not in second


def test_pages_begin_with_the_collection_that_was_named_at_the_start(serve: Callable[..., TestClient]) -> None:
    client = serve()
    service: Any = client.app.state.service  # type: ignore[attr-defined]
    service.settings = service.settings.model_copy(update={"collection": "handbook"})
    for path in ("/", "/search", "/upload", "/docs"):
        page = client.get(path).text
        first = re.search(r'<select name="collection">\s*<option[^>]*>([^<]+)', page)
        assert first and first[1] == "handbook", path
    assert "2 documents" in page and "请假.md" in page
    assert "1 document<" in client.get("/docs?collection=garden").text
    chinese = client.get("/docs?collection=garden", headers={"accept-language": "zh"}).text
    assert "1 篇文档" in chinese


def test_the_language_is_switched_where_the_reader_is(serve: Callable[..., TestClient]) -> None:
    client = serve()
    page = client.get("/docs?collection=handbook").text
    link = html.unescape(page.split('class="language" href="')[1].split('"')[0])
    moved = client.get(link, follow_redirects=False)
    assert moved.headers["location"] == "/docs?collection=handbook"
    assert client.get("/language/zh?next=//evil.example", follow_redirects=False).headers["location"] == "/"


def test_a_document_with_its_borders_windows_and_tables(
    library: Any, serve: Callable[..., TestClient], tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "prices.md").write_text(TABLE, encoding="utf-8")
    (tmp_path / "shop" / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    settings = settings_at(library.settings.store.path)
    client = serve()
    encoder = library.encoder.inner
    build_index(tmp_path / "shop", collection="shop", settings=settings, encoder=encoder).close()
    listed = client.get("/docs?collection=shop").text
    assert re.search(r'class="figure">20\d\d-\d\d-\d\d<', listed)
    assert "Could not be read" in listed and "broken.pdf" in listed and str(tmp_path) not in listed
    row = client.get("/api/v1/collections/shop/documents").json()["documents"][0]
    address = f"/docs/shop/{row['id']}"
    page = client.get(f"{address}?borders=1").text
    assert '<th scope="col">Part</th>' in page and "<td>12 euro</td>" in page
    sentences = client.get(f"/api/v1/collections/shop/documents/{row['id']}/sentences").json()["sentences"]
    middle = next(one for one in sentences if "closes at six" in one["text"])
    assert f'href="{address}?sentence={middle["id"]}&amp;borders=1#marked"' in page
    marked = client.get(f"{address}?sentence={middle['id']}").text
    assert marked.count('id="marked"') == 1 and marked.count('class="s near"') >= 2
    expected = client.get(address, params={"sentence": middle["id"], "text": "It  closes at six."}).text
    assert 'id="marked"' in expected
    kettle = next(one for one in sentences if one["kind"] == "table")
    assert '<mark id="marked"' in client.get(f"{address}?sentence={kettle['id']}").text


def test_nothing_is_marked_in_a_document_that_has_changed(serve: Callable[..., TestClient]) -> None:
    client = serve()
    found = client.post("/api/v1/ask", json=ASK).json()["citations"][0]
    address = f"/docs/handbook/{found['document_id']}"
    for changed in ({"sentence": found["sentence_id"], "text": "Every flight is allowed."}, {"sentence": "none"}):
        page = client.get(address, params=changed).text
        assert 'id="marked"' not in page and "has changed since" in page
        assert changed.get("text", "") in page


def test_health_names_what_the_doctor_finds(serve: Callable[..., TestClient]) -> None:
    page = serve().get("/status").text
    findings = page.split('class="findings"')[1]
    assert "python" in findings and 'class="badge ok"' in findings
    assert not re.search(r"[ '(]/(?:home|root|tmp|work|usr)/", findings)


def test_a_job_can_be_cancelled_by_a_button(own: TestClient) -> None:  # noqa: F811
    app: Any = own.app
    text = "\n\n".join(f"Rule {n} says that boat {n * 7} stays in harbour {n * 3}." for n in range(30))
    job = own.post("/upload", data={"collection": "notes"}, files={"files": ("rules.txt", text.encode())})
    assert job.status_code == 200 and "/upload" in str(job.url)
    made = app.state.jobs.all()[0]
    if made.ended is None:
        assert f'action="/jobs/{made.id}/cancel"' in own.get("/upload").text
    assert own.post(f"/jobs/{made.id}/cancel", follow_redirects=False).status_code == 303
    assert made.stop.is_set()
    assert own.post("/jobs/none/cancel").status_code == 404
    kept = app.state.settings.store.path / "uploads" / "notes" / document_id("upload:rules.txt")
    assert (kept / "rules.txt").is_file()


@pytest.mark.parametrize("path", ["/", "/search?question=notice&collection=handbook", "/docs", "/upload", "/status"])
def test_no_page_needs_a_style_or_script_of_its_own(serve: Callable[..., TestClient], path: str) -> None:
    page = serve().get(path).text
    assert not re.search(r"<script(?! type=\"module\" src=\"/static/)|style=|\son\w+=", page)
