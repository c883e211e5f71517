"""A model that lies whole in a hub's cache is found without the hub's package and without a request."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from indexes.encoders.loading.hub_cache import cached_folder
from indexes.encoders.torch_runtime import model_folder

NAME = "maker/model-v1.5"


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "1_Pooling").mkdir()
    texts = {"model.safetensors.index.json": json.dumps(index), "modules.json": json.dumps(modules)}
    names = ("config.json", "tokenizer.json", "model-1.safetensors", "model-2.safetensors", "1_Pooling/config.json")
    for name, text in (dict.fromkeys(names, "{}") | texts).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--maker--model-v1.5"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc123", encoding="utf-8")
    return fill(place / "snapshots" / "abc123")


def test_a_whole_snapshot_asks_nobody(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert model_folder(NAME) == snapshot
    assert model_folder(NAME, revision="abc123") == snapshot
    assert cached_folder(NAME, "huggingface", "v2") is None
    assert cached_folder("maker/other", "huggingface") is None


@pytest.mark.parametrize(
    "lost", ["config.json", "tokenizer.json", "model-2.safetensors", "1_Pooling/config.json", "modules.json cut"]
)
def test_a_snapshot_with_a_hole_is_not_taken(snapshot: Path, lost: str) -> None:
    if lost == "modules.json cut":
        (snapshot / "modules.json").write_text("[{", encoding="utf-8")
    else:
        (snapshot / lost).unlink()
    assert cached_folder(NAME, "huggingface") is None


def test_a_head_that_other_clients_leave_out_is_fetched(snapshot: Path) -> None:
    assert cached_folder(NAME, "huggingface", stems=["sparse_linear"]) is None
    (snapshot / "sparse_linear.pt").write_bytes(b"x")
    assert cached_folder(NAME, "huggingface", stems=["sparse_linear"]) == snapshot


def test_an_interrupted_fetch_goes_on(snapshot: Path) -> None:
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir()
    (blobs / "0a.incomplete").write_bytes(b"")
    assert cached_folder(NAME, "huggingface") is None


@pytest.mark.parametrize("place", ["models/maker/model-v1.5", "maker/model-v1___5"])
def test_modelscopes_cache_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    folder = fill(tmp_path / place)
    assert model_folder(NAME, hub="modelscope") == folder
    assert cached_folder(NAME, "modelscope", "v2") is None
