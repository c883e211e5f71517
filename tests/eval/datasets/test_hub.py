"""Public collections by name: the real hub client against a local server that answers as the hub does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eval import load_dataset

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def repository(folder: Path) -> dict[str, bytes]:
    """The lighthouse collection as the MTEB organisation keeps BEIR sets: judgements as jsonl, scores as floats."""
    rows = (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]
    judged = [dict(zip(("query-id", "corpus-id", "score"), row.split("\t"), strict=True)) for row in rows]
    lines = [json.dumps(row | {"score": float(row["score"])}) for row in judged]
    return {
        "README.md": b"---\n---\n",
        "corpus.jsonl": (folder / "corpus.jsonl").read_bytes(),
        "queries.jsonl": (folder / "queries.jsonl").read_bytes(),
        "qrels/test.jsonl": "\n".join(lines).encode(),
    }


@pytest.fixture
def hub(lighthouse: Path) -> Iterator[tuple[str, list[str]]]:
    files = repository(lighthouse)
    asked: list[str] = []
    api = f"/api/datasets/mteb/scifact/revision/{COMMIT}"
    tree = [{"type": "file", "path": name, "size": len(body), "oid": "0" * 40} for name, body in files.items()]
    info = {"id": "mteb/scifact", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(f"{self.command} {path}")
            prefix = f"/datasets/mteb/scifact/resolve/{COMMIT}/"
            if path in (api, api.replace(COMMIT, "main")):
                self.reply(200, json.dumps(info).encode())
            elif path == api.replace("/revision/", "/tree/"):
                self.reply(200, json.dumps(tree).encode())
            elif path.startswith(prefix) and path.removeprefix(prefix) in files:
                self.reply(200, files[path.removeprefix(prefix)])
            else:
                self.reply(404, b"{}")

        do_HEAD = do_GET

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def convert(name: str, target: Path, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "RAG_"))}
    environ = kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "eval.cli.main", "convert", name, str(target), "--to", "beir"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_a_named_collection_is_downloaded(hub: tuple[str, list[str]], lighthouse: Path, tmp_path: Path) -> None:
    endpoint, asked = hub
    done = convert("scifact", tmp_path / "copy", endpoint, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    copy, own = load_dataset(tmp_path / "copy"), load_dataset(lighthouse)
    assert copy.hash == own.hash
    assert any(path.endswith("/qrels/test.jsonl") for path in asked)
    assert not any(path.endswith("README.md") for path in asked)

    missing = convert("nobody/nothing", tmp_path / "none", endpoint, tmp_path / "home")
    assert missing.returncode == 1
    assert missing.stderr.startswith(
        "rag-eval: there is no dataset at nobody/nothing, and it could not be downloaded from the hub"
    )
    assert len(missing.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()
