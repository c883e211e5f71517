"""What fits a card and what a collection takes: the arithmetic, recorded answers, and the command."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from rag.cli.main import main
from rag.doctor import card as doctor_card
from rag.doctor.card import check_card
from rag.doctor.check import Probe
from rag.planning.card import CARDS, GIB, llm_parts, suggest, vllm_parallel
from rag.planning.placed import Card, read_cards, read_ollama
from rag.planning.scale import plan
from rag.planning.sizes import GB, llm_shape, reader_shape, shape_from_ollama
from rag.settings import load_settings

SHOWN = {  # of ollama 0.12 for qwen3:8b, shortened
    "details": {"family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"},
    "model_info": {
        "general.architecture": "qwen3",
        "general.parameter_count": 8190735360,
        "qwen3.attention.head_count": 32,
        "qwen3.attention.head_count_kv": 8,
        "qwen3.attention.key_length": 128,
        "qwen3.block_count": 36,
        "qwen3.context_length": 40960,
        "qwen3.embedding_length": 4096,
    },
}
PS = {
    "models": [
        {"name": "qwen3:8b", "size": 6_900_000_000, "size_vram": 5_200_000_000, "context_length": 8192},
        {"name": "bge-m3:latest", "size": 1_300_000_000, "size_vram": 1_300_000_000},
        {"name": "tiny", "size": 500_000_000, "size_vram": 0},
    ]
}
SMI = "NVIDIA GeForce RTX 3060, 12288, 512\nNVIDIA H100 MIG 1g, [N/A], [N/A]\n"
READERS: dict[str, Any] = {
    "encoder": reader_shape("BAAI/bge-m3"),
    "reranker": reader_shape("BAAI/bge-reranker-v2-m3"),
    "encoder_batch": 4096,
    "reranker_batch": 4096,
}


class Answer:
    """What ``ask_once`` gives."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.problem, self.status, self._body = "", 200, body

    def object(self) -> dict[str, Any]:
        return self._body


def test_sizes_are_those_that_servers_tell() -> None:
    told = shape_from_ollama("qwen3:8b", SHOWN)
    known = llm_shape("qwen3:8b")
    assert told is not None and known is not None
    assert told.weights == pytest.approx(5.2 * GB, rel=0.01) and told.weights == pytest.approx(known.weights, rel=0.01)
    assert told.cache(8192) == known.cache(8192) == 36 * 8 * 128 * 2 * 2 * 8192
    assert known.cache(8192, parallel=4) == 4 * known.cache(8192)
    on_hub = llm_shape("Qwen/Qwen3-8B")
    assert on_hub is not None and on_hub.weights == pytest.approx(16.4 * GB, rel=0.01)
    assert llm_shape("nobody/model") is None and shape_from_ollama("x", {"model_info": {}}) is None
    assert vllm_parallel(on_hub, 24, 8192) == pytest.approx(5.2, abs=0.5) and vllm_parallel(on_hub, 16, 8192) == 0


@pytest.mark.parametrize(("size", "model", "device"), [
    (4, "qwen3:1.7b", "cpu"), (8, "qwen3:4b", "cuda"), (12, "qwen3:8b", "cuda"), (16, "qwen3:14b", "cuda"),
    (24, "qwen3:14b", "cuda"),
])  # fmt: skip
def test_a_suggestion_fits_its_card(size: float, model: str, device: str) -> None:
    found = suggest(size, **READERS)
    assert found is not None and found.fits and found.used < size * GIB
    assert (found.settings["llm.model"], found.settings["encoder.device"]) == (model, device)
    assert size in CARDS


def test_a_card_too_small_and_many_answers_at_once() -> None:
    assert suggest(0.5, **READERS) is None
    one, eight = suggest(12, **READERS), suggest(12, **READERS, parallel=8)
    assert one is not None and eight is not None
    assert eight.fits and eight.settings["llm.model"] != one.settings["llm.model"]
    assert sum(part.bytes for part in llm_parts(llm_shape("qwen3:8b"), 8192, 8)) > 12 * GIB  # type: ignore[arg-type]


def test_what_servers_and_drivers_say_is_read() -> None:
    assert read_cards(SMI) == [Card("NVIDIA GeForce RTX 3060", 12288 << 20, 512 << 20)]
    assert read_cards("no devices were found\n") == [] and read_ollama({}) == []
    split, whole, none = read_ollama(PS)
    assert (split.whole, whole.whole, none.whole) == (False, True, False)
    assert split.words() == "5.2 GB of 6.9 GB of 'qwen3:8b' are on the card (75%)"
    assert "processor only" in none.words() and "entirely on the card" in whole.words()


def test_doctor_adds_up_the_card_and_names_a_split_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_card, "ask_once", lambda url, path, **_: Answer(PS if path == "/api/ps" else SHOWN))
    settings = load_settings(**{"llm.model": "qwen3:8b", "llm.provider": "ollama"})
    small = check_card(Probe(settings, {}), lambda: [Card("RTX 3050", 8 << 30, 0)])
    assert [(check.name, check.status) for check in small] == [
        ("placement", "warn"), ("placement", "ok"), ("placement", "ok"), ("card", "warn"),
    ]  # fmt: skip
    assert "75%" in small[0].found and "rag plan --card 8" in small[-1].remedy
    large = check_card(Probe(settings, {}), lambda: [Card("RTX 4090", 24 << 30, 0)])[-1]
    assert large.status == "ok" and "qwen3:8b, context 1.2 GB" in large.found
    many = check_card(Probe(settings, {"OLLAMA_NUM_PARALLEL": "16"}), lambda: [Card("RTX 4090", 24 << 30, 0)])[-1]
    assert many.status == "warn"
    assert [check.name for check in check_card(Probe(settings, {}), list)] == ["placement"] * 3


def test_a_hundred_million_sentences() -> None:
    shape = reader_shape("BAAI/bge-m3")
    assert shape is not None
    made = plan(100e6, shape, cards=4, card_price=2, node_price=300)
    full, half, few = made.formats
    assert full.dense == 100e6 * 1024 * 4 and half.dense == full.dense / 2 and few.dense == full.dense / 4
    assert full.nodes > half.nodes > few.nodes == made.nodes and made.shards == made.nodes
    assert few.disk > full.disk - full.dense  # the vectors of full length stay on the disk
    alone = plan(100e6, shape)
    assert alone.hours[0].hours == pytest.approx(4 * made.hours[0].hours) and alone.hours[0].cost is None
    assert made.monthly == 300 * made.nodes


def test_the_plan_of_what_was_measured() -> None:
    """50,000 sentences of the race `query` (384 values, 60 terms): 155 MB on the disk, measured."""
    shape = reader_shape("minilm")
    assert shape is not None
    assert plan(50_000, shape).formats[0].disk == pytest.approx(155 * 1024 * 1000, rel=0.05)


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    run = CliRunner()
    shown = run.invoke(main, ["plan", "--card", "12", "--profile", "default"])
    assert shown.exit_code == 0 and "12 GB (" in shown.output and "llm.model=qwen3:8b" in shown.output
    assert [line.split() for line in shown.output.splitlines() if "what (how)" in line] == [
        ["where", "size", "what", "(how)"]
    ]
    kept = run.invoke(main, ["plan", "--profile", "default", "--json", "--card", "8"])
    assert json.loads(kept.stdout)["cards"][0]["plan"]["fits"] is True
    assert "8 GB (8.6 GB in powers of ten, 6% kept free): " in run.invoke(main, ["plan", "--card", "8"]).stdout
    months = run.invoke(main, ["plan", "--sentences", "100e6", "--encoder", "BAAI/bge-m3", "--node-price", "300"])
    assert "8 machines with int8: 2,400 a month" in months.stdout
    far = run.invoke(main, ["plan", "--sentences", "100e6", "--encoder", "BAAI/bge-m3", "--card-price", "2"])
    assert "100,000,000 sentences" in far.output and "409.6 GB" in far.output and "store.shard_number=" in far.output
    assert ["card", "time", "cost"] in [line.split() for line in far.output.splitlines()]
    unknown = run.invoke(main, ["plan", "--sentences", "10", "--encoder", "x/y"])
    assert unknown.exit_code != 0
