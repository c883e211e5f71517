"""The dashboard asks only for what the server exports."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from starlette.testclient import TestClient

from rag.serve.telemetry.metrics import Metrics

DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana.json"
NEEDED = {"requests", "stage_duration", "tokens", "waiting", "rejected", "notes", "model_load", "llm_errors"}

PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


def exported() -> set[str]:
    """Names of all series, as a scraper stores them."""
    names = set()
    for family in Metrics().registry.collect():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {f"{family.name}{end}" for end in ends}
    return names


def test_every_metric_of_the_dashboard_is_exported_and_with_these_labels() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    texts.append(dashboard["templating"]["list"][1]["query"])
    asked = {name for text in texts for name in re.findall(r"ragwright_\w+", text)}
    assert asked <= exported(), asked - exported()
    assert all(any(word in name for name in asked) for word in NEEDED)
    labels = {name: set(metric._labelnames) for metric in _metrics() for name in [metric._name]}
    for text in texts:
        base = re.sub(r"_(total|bucket|sum|count)$", "", re.findall(r"ragwright_\w+", text)[0])
        grouped = {word.strip() for group in re.findall(r"by \(([^)]*)\)", text) for word in group.split(",")}
        matched = set(re.findall(r"(\w+)=~?\"", text))
        assert (grouped | matched) - {"le"} <= labels[base], text


def _metrics() -> list[object]:
    return [value for value in vars(Metrics()).values() if hasattr(value, "_labelnames")]


def test_failures_of_the_model_and_invented_citations_are_counted() -> None:
    metrics = Metrics()
    metadata = {
        "notes": [
            "the model cited [7], [9], but there is no such passage; removed from the answer",
            "the server is away",
        ],
        "note_kinds": ["citation_removed", "llm_failed"],
        "trace": {"llm": {"failure": "LLMUnreachableError", "completion_tokens": 3}},
    }
    metrics.answer(metadata, "tiny")
    value = metrics.registry.get_sample_value
    assert value("ragwright_citations_removed_total") == 2
    assert value("ragwright_llm_errors_total", {"kind": "unreachable"}) == 1
    assert value("ragwright_notes_total", {"kind": "llm_failed"}) == 1
    assert value("ragwright_generation_tokens_total", {"model": "tiny"}) == 3


def test_panels_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24 and not own & cells, panel["title"]
        cells |= own


class _Span(trace.NonRecordingSpan):
    """What an SDK would keep of a span."""

    def __init__(self, name: str, parent: Any) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.name, self.parent, self.ended = name, parent, False
        self.attributes: dict[str, Any] = {}

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, name: str, value: Any) -> None:
        self.attributes[name] = value

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.attributes["status"] = status.status_code.name

    def end(self, end_time: int | None = None) -> None:
        self.ended = True


def test_spans_of_a_request_go_on_with_its_trace(
    serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[_Span] = []

    class Tracer:
        def start_span(self, name: str, context: Any = None, start_time: int | None = None) -> _Span:
            parent = trace.get_current_span(context)
            made.append(_Span(name, parent if isinstance(parent, _Span) else parent.get_span_context().trace_id))
            return made[-1]

    monkeypatch.setattr(trace, "get_tracer", lambda name: Tracer())
    for content in (False, True):
        made.clear()
        client = serve(trace_content=content)
        headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        asked = {"question": f"Who approves business class, then {content}?", "collection": "handbook"}
        for path in ("/api/v1/search", "/api/v1/ask"):
            assert client.post(path, json=asked, headers=headers).status_code == 200
        roots = [span for span in made if not isinstance(span.parent, _Span)]
        assert [root.name for root in roots] == ["ragwright.search", "ragwright.ask"]
        assert {root.parent for root in roots} == {0x0AF7651916CD43DD8448EB211C80319C}
        children = [span for span in made if span.parent is roots[1]]
        kinds = {span.name: span.attributes["openinference.span.kind"] for span in children}
        assert kinds["ragwright.encode"] == "EMBEDDING" and kinds["ragwright.search"] == "RETRIEVER"
        assert roots[1].attributes["ragwright.status"] == "extractive" and all(span.ended for span in made)
        assert "user.id" not in roots[1].attributes
        chat = {"model": "handbook", "user": "ann", "ragwright": {"session": "s-1"}}
        chat |= {"messages": [{"role": "user", "content": f"And who books it, {content}?"}]}
        assert client.post("/v1/chat/completions", json=chat).status_code == 200
        last = [span for span in made if not isinstance(span.parent, _Span)][-1].attributes
        assert (last["user.id"], last["session.id"]) == ("ann", "s-1")
        words = str([span.attributes for span in made])
        assert ("head of the department" in words) is content and ("business class, then" in words) is content


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool (Debian's package prometheus, or PROMTOOL=path)")
def test_prometheus_itself_finds_no_fault(serve: Callable[..., TestClient], tmp_path: Path) -> None:
    """Neither in what is exported nor in what the dashboard asks."""
    client = serve(metrics_open=True)
    client.post("/api/v1/ask", json={"question": "Who approves business class?", "collection": "handbook"})
    page = client.get("/metrics", headers={"accept": "text/plain"}).text
    checked = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    filled = [re.sub(r"\$\{?collection\}?", ".*", re.sub(r"\$__\w+", "5m", text)) for text in asked]
    rules = {"groups": [{"name": "all", "rules": [{"record": "a:b", "expr": text} for text in filled]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules), encoding="utf-8")
    command = [str(PROMTOOL), "check", "rules", "--lint=none", str(tmp_path / "rules.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
