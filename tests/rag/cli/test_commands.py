"""Each command end to end, with the packaged models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.cli.output import clean, shown_path, trace_text
from tests.rag.cli.cli_runner import Rag, runner

HIT = {
    "rank",
    "id",
    "score",
    "text",
    "window",
    "source",
    "heading",
    "page",
    "dense_rank",
    "sparse_rank",
    "rerank_score",
}
CITATION = {"number", "source", "heading", "page", "text", "matched", "doc_id", "sentence_id", "start", "end"}


def test_ingest_again_changes_nothing(rag: Rag, documents: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    result = rag("ingest", str(documents), "--json", "--report", str(report))
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert (shown["unchanged"], shown["sentences_added"], shown["collection"]) == (2, 0, "default")
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert {Path(line["path"]).name for line in lines} == {"windows.md", "prices.txt"}
    assert {line["status"] for line in lines} == {"unchanged"}


def test_ingest_exit_codes(rag: Rag, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing of the kind")
    result = rag("ingest", str(broken), "--collection", "other")
    assert result.exit_code == 3
    assert "skipped broken.pdf: " in result.stderr
    assert "1 skipped" in result.stdout
    result = rag("ingest", str(tmp_path / "missing"))
    assert result.exit_code == 1
    assert str(tmp_path / "missing") in result.stderr
    result = rag("ingest", str(broken), "--report", str(tmp_path / "no" / "folder.jsonl"))
    assert result.exit_code == 2
    result = rag("demo", str(tmp_path / "missing"), "-q", "Where?")
    assert result.exit_code == 1 and result.stderr.startswith("rag: there is no file or folder")  # before any download
    (tmp_path / "empty").mkdir()
    assert rag("ingest", str(tmp_path / "empty"), "--dry-run").stdout.startswith("no readable files; ")


def test_search_json_has_the_promised_shape(rag: Rag, documents: Path) -> None:
    result = rag("search", "how are overlapping windows merged", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert set(shown) == {"query", "hits", "notes", "timings_ms", "trace"}
    assert shown["query"] == "how are overlapping windows merged"
    assert all(set(hit) == HIT for hit in shown["hits"])
    first = shown["hits"][0]
    assert first["text"].startswith("Overlapping windows")
    assert first["source"] == "windows.md"
    assert first["heading"] == "Windows > Merging"
    assert first["window"].startswith("A window is the run")
    assert [hit["rank"] for hit in shown["hits"]] == list(range(1, len(shown["hits"]) + 1))
    assert {"encode", "search", "fuse"} <= set(shown["timings_ms"])


def test_search_options(rag: Rag) -> None:
    shown = json.loads(rag("search", "price of apples", "--json", "--top-n", "1", "--window", "0", "--trace").stdout)
    (hit,) = shown["hits"]
    assert hit["window"] == hit["text"] == "Apples cost three coins a pound."
    assert shown["trace"]["candidates"]
    sparse = json.loads(rag("search", "apples", "--json", "--fusion", "sparse").stdout)
    assert all(hit["dense_rank"] is None for hit in sparse["hits"])


def test_search_filter(rag: Rag) -> None:
    shown = json.loads(rag("search", "windows", "--json", "--filter", "heading=Windows > 宽度").stdout)
    assert {hit["heading"] for hit in shown["hits"]} == {"Windows > 宽度"}
    result = rag("search", "windows", "--filter", "heading=nowhere")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing found" in result.stderr


def test_search_for_people(rag: Rag, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(documents)
    result = rag("search", "窗口的宽度", "--trace")
    assert result.stdout.splitlines()[0].startswith("  1. windows.md › Windows › 宽度  (meaning 1, ")
    assert "Stages (ms):" in result.stdout


def test_ask_json_has_the_promised_shape(rag: Rag, documents: Path) -> None:
    result = rag("ask", "How are overlapping windows merged?", "--json", "--no-llm")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert set(shown) == {"question", "answer", "status", "citations", "notes", "trace"}
    assert shown["notes"] == shown["trace"]["notes"]
    assert shown["status"] == "extractive"
    assert all(set(citation) == CITATION for citation in shown["citations"])
    assert any("merged into one passage" in citation["text"] for citation in shown["citations"])
    assert shown["trace"]["candidates"] and shown["trace"]["timings_ms"]
    assert "note: " in result.stderr


def test_ask_for_people(rag: Rag, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(documents)
    result = rag("How are overlapping windows merged?", "--no-llm")
    assert "\n\n[1] windows.md › Windows" in result.stdout
    assert result.stdout.count("Overlapping windows of one document are merged into one passage.") == 1
    assert "\x1b" not in result.stdout
    assert "Stages (ms):" not in result.stdout


def test_a_bare_question_is_asked_of_the_packaged_model(
    rag: Rag, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(documents)
    short = ["--top-n", "1", "--set", "llm.max_tokens=8", "--set", "llm.model=smollm2"]
    result = rag("How are overlapping windows merged?", "--trace", *short)
    assert result.exit_code == 0, result.output
    assert "model: smollm2" in result.stdout.lower()
    assert "Candidates:" in result.stdout


def test_a_question_in_a_language_that_the_model_does_not_read_is_answered_extractively(rag: Rag) -> None:
    result = rag("窗口的默认宽度是多少？", "--set", "llm.model=smollm2", "--set", "llm.languages=en")
    assert result.exit_code == 0, result.output
    assert "默认是左右各三句" in result.stdout
    assert "只能读英文" in result.stderr


def test_the_offline_profile_without_a_fetched_model_says_how_to_fetch_one(rag: Rag) -> None:
    result = rag("How are overlapping windows merged?")
    assert result.exit_code == 0, result.output
    assert "merged into one passage" in result.stdout
    assert "no language model has been fetched (run: rag model fetch qwen2.5-coder-1.5b)" in result.stderr


def test_the_demo_says_what_it_uses_and_shows_answers_not_tables(
    documents: Path, environ: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(documents)
    demo = runner({**environ, "RAG_COLLECTION": "demo", "OLLAMA_HOST": "127.0.0.1:9"})
    result = demo("demo", ".", "--no-fetch", "-q", "When does the market open?", "-q", "窗口的默认宽度是多少？")
    assert result.exit_code == 0, result.output
    assert "there is no language model here, so answers are the documents' own sentences" in result.stderr
    for part in ("> When does the market open?", "opens on Saturday", "默认是左右各三句"):
        assert part in result.stdout
    english, chinese = result.stdout.split("> 窗口的默认宽度是多少？")  # each in the language of its question
    assert "(the documents' own sentences, " in english and " seconds)" in english and "用时" not in english
    assert "（文档原句，用时 " in chinese and " 秒）" in chinese and "seconds" not in chinese
    assert "Candidates:" not in result.stdout and "[1] " in result.stdout


def test_an_unreachable_model_is_a_note(rag: Rag) -> None:
    result = rag(
        "ask", "How are windows merged?", "--json", "--llm", "ollama", "--set", "llm.base_url=http://127.0.0.1:9"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == "extractive"
    assert "note: " in result.stderr and "127.0.0.1:9" in result.stderr


def test_ask_filter(rag: Rag) -> None:
    shown = json.loads(rag("ask", "what is sold", "--json", "--no-llm", "--filter", "title~=prices").stdout)
    assert all(citation["source"].endswith("prices.txt") for citation in shown["citations"])


def test_chat_through_a_pipe(rag: Rag) -> None:
    lines = "How are windows merged?\n\n/what\n/reset\nWhen does the market open?\n/quit\nnever asked\n"
    result = rag("chat", "--json", "--no-llm", input=lines)
    assert result.exit_code == 0, result.output
    turns = [json.loads(line) for line in result.stdout.splitlines()]
    assert [turn["question"] for turn in turns] == ["How are windows merged?", "When does the market open?"]
    assert "Saturday" in turns[1]["answer"]
    assert "unknown command '/what'" in result.stderr and "forgotten" in result.stderr


def test_chat_for_people(rag: Rag) -> None:
    result = rag("chat", "--no-llm", input="When does the market open?\n")
    assert "The market opens on Saturday." in result.stdout
    assert "[1] " in result.stdout


def test_status(rag: Rag, environ: dict[str, str | None]) -> None:
    shown = json.loads(rag("status", "--json", "--collection", "default", "--documents").stdout)
    assert shown["store"] == environ["RAG_STORE_PATH"]
    (row,) = shown["collections"]
    assert (row["documents"], row["sentences"], row["problem"]) == (2, 8, None)
    assert row["encoder"]["dim"] == 384 and row["size_bytes"] > 0
    assert {Path(document["source"]).name for document in row["list"]} == {"windows.md", "prices.txt"}
    text = rag("status", "--collection", "default").stdout
    assert "default: 2 documents, 8 sentences, encoder" in text
    keys = {key["name"]: key for key in json.loads(rag("status", "--json", "--keys").stdout)["collections"][0]["keys"]}
    assert keys["file_name"]["documents"] == 2 and "windows.md" in keys["file_name"]["examples"]
    assert "file_name  in 2 documents, e.g." in rag("status", "--collection", "default", "--keys").stdout


def test_status_of_nothing(bare: Rag) -> None:
    result = bare("status")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "rag ingest PATH" in result.stderr
    result = bare("status", "--collection", "nope")
    assert result.exit_code == 1 and "nope" in result.stderr


def test_another_model_is_refused(rag: Rag) -> None:
    result = rag("search", "x", "--set", "encoder.provider=minilm")
    assert result.exit_code == 1
    assert "was built with model" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_collection_that_is_not_there(bare: Rag) -> None:
    result = bare("ask", "anything", "--profile", "offline")
    assert result.exit_code == 1
    assert "rag ingest" in result.stderr


def test_delete(tmp_path: Path, documents: Path) -> None:
    rag = runner({"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_PROFILE": "offline"})
    assert rag("ingest", str(documents)).exit_code == 0
    result = rag("delete", str(documents / "archive"), "--json")
    shown = json.loads(result.stdout)
    assert [Path(row["source"]).name for row in shown["removed"]] == ["prices.txt"]
    assert shown["removed"][0]["sentences"] == 3
    result = rag("delete", "nowhere.txt")
    assert result.exit_code == 1 and "no document 'nowhere.txt'" in result.stderr
    assert rag("delete").exit_code == 2
    refused = rag("delete", "--all")
    assert refused.exit_code == 2 and "--yes" in refused.stderr
    result = rag("delete", "--all", "--yes", "--json")
    shown = json.loads(result.stdout)
    assert (shown["dropped"], shown["sentences"], shown["removed"], shown["missing"]) == (True, 5, [], [])
    assert rag("status", "--json").stdout.count('"name"') == 0
    again = json.loads(rag("ingest", str(documents), "--json").stdout)
    assert (again["added"], again["unchanged"]) == (2, 0)


def test_doctor(rag: Rag) -> None:
    result = rag("doctor", "--json")
    shown = json.loads(result.stdout)
    by_name = {check["name"]: check for check in shown["checks"]}
    assert shown["ok"] and result.exit_code == 0, shown
    assert by_name["settings"]["found"].startswith("profile 'offline'")
    assert by_name["collection"]["status"] == "ok"
    text = rag("doctor", env={"RAG_LMM_MODEL": "x"})
    assert "warn  variables: there is no setting for the variable RAG_LMM_MODEL" in text.stdout
    assert "-> did you mean RAG_LLM_MODEL?" in text.stdout


def test_doctor_of_broken_settings(bare: Rag) -> None:
    result = bare("doctor", "--json", env={"RAG_LLM_MODL": "x"})
    assert result.exit_code == 1
    first = json.loads(result.stdout)["checks"][0]
    assert (first["name"], first["status"]) == ("settings", "fail")
    assert "RAG_LLM_MODL" in first["found"]


def test_documents_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[31mb\tc\x07\n") == "a[31mb\tc\n"
    trace = {
        "timings_ms": {"search": 1.0},
        "candidates": [{"text": "x\x1b[2J", "source": "/s"}],
        "hypothetical": ["h\x1b"],
        "rewritten": ["r\x1b"],
    }
    assert "\x1b" not in trace_text(trace)


def test_shown_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(str(tmp_path / "a" / "b.md")) == "a/b.md"
    assert shown_path("/elsewhere/b.md") == "/elsewhere/b.md"
    assert shown_path("https://host/page") == "https://host/page"


@pytest.mark.parametrize("command", ["ask", "search"])
def test_an_empty_question_is_refused(rag: Rag, command: str) -> None:
    result = rag(command, "  ")
    assert result.exit_code == 2
    assert "the question is empty" in result.stderr


def test_the_graph_of_a_collection(rag: Rag) -> None:
    result = rag("optimize")
    assert "fewer than 50,000 sentences (store.hnsw_from) are searched exactly" in result.stdout, result.output
    shown = json.loads(rag("optimize", "--force", "--json").stdout)
    assert shown["graph"]["points"] == json.loads(rag("status", "--json").stdout)["collections"][0]["sentences"]
    assert "graph over" in rag("status").stdout
    result = rag("optimize", "--force")
    assert "of the 10 nearest" in result.stdout
    assert "\n  ef  512: recall@10 1.000" in result.stdout


def test_a_copy_of_a_collection(rag: Rag, tmp_path: Path) -> None:
    result = rag("copy", "default", "--to", str(tmp_path / "backup"))
    assert result.exit_code == 0, result.output
    assert "2 documents with" in result.stdout and result.stdout.strip().endswith("sentences, verified")
    again = json.loads(rag("copy", "default", "--to", str(tmp_path / "backup"), "--json").stdout)
    assert (again["documents"], again["copied"], again["differences"]) == (2, 0, 0)
    shown = json.loads(rag("search", "窗口的宽度", "--json", "--set", f"store.path={tmp_path / 'backup'}").stdout)
    assert shown["hits"] == json.loads(rag("search", "窗口的宽度", "--json").stdout)["hits"]


def test_prune_dry_run_and_verify(bare: Rag, tmp_path: Path) -> None:
    docs = tmp_path / "birds"
    docs.mkdir()
    (docs / "owl.txt").write_text("The owl hunts at night.", encoding="utf-8")
    (docs / "jay.txt").write_text("The jay hides acorns.", encoding="utf-8")
    offline = ("--profile", "offline")
    planned = json.loads(bare("ingest", str(docs), "--dry-run", "--json", *offline).stdout)
    assert (planned["added"], planned["dry_run"]) == (2, True)
    assert bare("ingest", str(docs), *offline).exit_code == 0
    (docs / "jay.txt").unlink()
    result = bare("ingest", str(docs), "--prune", *offline)
    assert result.exit_code == 0, result.output
    assert "1 unchanged, 1 removed" in result.stdout
    shown = bare("verify", "--json", *offline)
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["documents"] == 1
