"""rag model fetch: parts from packages, files over HTTP, interruptions, and what is said when it fails."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from indexes.errors import DiskSpaceError, LLMError, SettingsError
from rag.models import KnownModel, fetch_file, fetch_model, stored_models
from rag.models import partial as partial_module
from rag.models.partial import PartialFile, partial_paths

PARTS = [b"GGUF" + bytes(range(256)) * 40, b"middle" * 3000, b"end" * 70]
WHOLE = b"".join(PARTS)
MODEL = KnownModel(
    name="tiny",
    repository="nobody/tiny",
    file="tiny.gguf",
    size=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    packages=("tiny-model-part1", "tiny-model-part2", "tiny-model-part3"),
    version="0.1.0",
)
KNOWN = {"tiny": MODEL}


def write_wheel(folder: Path, number: int, data: bytes) -> Path:
    """A wheel whose module would fail the test if anybody ran it."""
    name = f"tiny_model_part{number}"
    path = folder / f"{name}-0.1.0-py3-none-any.whl"
    info = f"{name}-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('code of a model package ran')")
        wheel.writestr(f"{name}/data/part0{number}.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 0.1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, data in enumerate(PARTS, start=1):
        write_wheel(folder, number, data)
    return folder


def pip(wheels: Path) -> list[str]:
    return ["--no-index", "--find-links", str(wheels)]


def test_parts_are_joined_and_an_interrupted_run_goes_on(tmp_path: Path, wheels: Path) -> None:
    folder, seen = tmp_path / "models", []
    third = wheels / "tiny_model_part3-0.1.0-py3-none-any.whl"
    third.rename(tmp_path / third.name)
    with pytest.raises(LLMError, match=r"pip cannot download tiny-model-part3==0\.1\.0 .*to resume"):
        fetch_model("tiny", folder=folder, pip=pip(wheels), hubs=False, catalogue=KNOWN)
    assert stored_models(folder) == {}
    for number in (1, 2):  # what is kept is not asked for again
        (wheels / f"tiny_model_part{number}-0.1.0-py3-none-any.whl").unlink()
    (tmp_path / third.name).rename(third)
    found = fetch_model(
        "tiny", folder=folder, pip=pip(wheels), catalogue=KNOWN, progress=lambda done, total: seen.append((done, total))
    )
    assert found.fresh and found.path.read_bytes() == WHOLE and "3 packages" in found.source
    assert seen == [(len(WHOLE) - len(PARTS[2]), len(WHOLE)), (len(WHOLE), len(WHOLE))]
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.gguf", "tiny.json"]
    assert stored_models(folder)["tiny"].sha256 == MODEL.sha256
    assert not fetch_model("tiny", folder=folder, pip=["--nonsense"], catalogue=KNOWN).fresh


def test_a_wrong_hash_is_thrown_away(tmp_path: Path, wheels: Path) -> None:
    other = {"tiny": replace(MODEL, packages=MODEL.packages[:1], sha256="0" * 64)}
    with pytest.raises(LLMError, match=r"has the SHA-256 .* was deleted"):
        fetch_model("tiny", folder=tmp_path / "models", pip=pip(wheels), hubs=False, catalogue=other)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_kept_piece_that_changed_is_not_believed(tmp_path: Path) -> None:
    target = tmp_path / "tiny.gguf"
    with PartialFile(target, "here") as partial:
        partial.add("one", [PARTS[0][:100], PARTS[0][100:]])
        partial.add("two", [PARTS[1]])
        path = partial.path
    with path.open("ab") as file:
        file.write(b"half a piece")
    with PartialFile(target, "here") as partial:
        assert (partial.pieces, partial.size) == (["one", "two"], len(PARTS[0] + PARTS[1]))
    with path.open("r+b") as file:
        file.seek(len(PARTS[0]) + 5)
        file.write(b"X")
    with PartialFile(target, "here") as partial:
        assert partial.pieces == ["one"] and partial.digest == hashlib.sha256(PARTS[0]).hexdigest()
        with pytest.raises(LLMError, match="another process is fetching"):
            PartialFile(target, "here")
        partial.add("two", [PARTS[1]])
        partial.add("three", [PARTS[2]])
        assert partial.finish(MODEL.sha256, {})
    assert target.read_bytes() == WHOLE


def test_no_space_is_said_before_anything_is_fetched(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_module, "RESERVE", 10**18)
    with pytest.raises(DiskSpaceError, match=r"MB free, and .* MB are needed for tiny\.gguf; free some space"):
        fetch_model("tiny", folder=tmp_path, pip=pip(wheels), hubs=False, catalogue=KNOWN)


class Server(BaseHTTPRequestHandler):
    """Serves WHOLE with ranges; ``/broken`` stops in the middle once, ``/none`` has nothing."""

    broke = False

    def do_GET(self) -> None:
        if "none" in self.path:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        body = WHOLE[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if "broken" in self.path and not Server.broke:
            Server.broke = True
            body = body[:5000]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Server.broke = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_by_url_goes_on_where_it_broke_off(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.models.download.PIECE", 1000)
    monkeypatch.setattr("rag.models.download.BLOCK", 1000)
    where = f"{url}/broken/small.gguf"
    with pytest.raises(LLMError, match=r"broke off .* to resume it"):
        fetch_file(where, MODEL.sha256, folder=tmp_path)
    kept = partial_paths(tmp_path / "small.gguf", where)[0]
    assert kept.stat().st_size == 5000
    found = fetch_file(where, MODEL.sha256.upper(), folder=tmp_path)
    assert (found.name, found.path.read_bytes(), found.source) == ("small", WHOLE, where)
    with pytest.raises(SettingsError, match="another model 'small' exists already"):
        fetch_file(where, "0" * 64, folder=tmp_path)


def test_the_publishers_repository_comes_first_and_others_are_noted(tmp_path: Path, wheels: Path, url: str) -> None:
    environ = {"HF_ENDPOINT": url}
    found = fetch_model("tiny", folder=tmp_path / "a", catalogue=KNOWN, environ=environ)
    assert found.source == f"{url}/nobody/tiny/resolve/main/tiny.gguf" and found.notes == []
    one = hashlib.sha256(PARTS[0]).hexdigest()
    missing = {"tiny": replace(MODEL, repository="nobody/none", packages=MODEL.packages[:1], sha256=one)}
    offline = {"HF_ENDPOINT": f"{url}", "HTTPS_PROXY": "http://127.0.0.1:9"}
    with pytest.MonkeyPatch.context() as patch:  # ModelScope is not asked by a test
        patch.setattr("rag.models.fetch.MODELSCOPE", f"{url}/none")
        found = fetch_model("tiny", folder=tmp_path / "b", pip=pip(wheels), catalogue=missing, environ=offline)
    assert found.path.read_bytes() == PARTS[0]
    assert found.notes == ["the hub: it answered 404", "ModelScope: it answered 404"]


@pytest.mark.parametrize(
    ("where", "sha256", "words"),
    [
        ("http://127.0.0.1:9/x.gguf", None, "the SHA-256 of 'http://127.0.0.1:9/x.gguf' is missing"),
        ("owner/repo/x.gguf", "123", "is not 64 hex digits"),
        ("qwen9", "0" * 64, "'qwen9' is neither a known model nor a file; use qwen2.5-coder-1.5b or"),
    ],
)
def test_what_cannot_be_fetched_is_said(tmp_path: Path, where: str, sha256: str | None, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fetch_file(where, sha256, folder=tmp_path)
    assert words in str(caught.value)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LLMError, match="was not fetched: it cannot be reached"):
        fetch_file("http://127.0.0.1:9/x.gguf", "0" * 64, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    from click.testing import CliRunner

    from rag.cli.commands.model import command

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = CliRunner()
    fetched = run.invoke(command, ["fetch", f"{url}/small.gguf", "--sha256", MODEL.sha256, "--json"])
    assert json.loads(fetched.stdout)["fresh"] is True, fetched.output
    listed = json.loads(run.invoke(command, ["list", "--json"]).stdout)
    assert [(row["name"], row["here"]) for row in listed["models"]] == [
        ("qwen2.5-coder-1.5b", False),
        ("qwen2.5-coder-0.5b", False),
        ("small", True),
    ]
    text = run.invoke(command, ["list"]).output
    assert "fetch one with: rag model fetch qwen2.5-coder-" in text and str(tmp_path) in text
