"""rag config, --set, --filter, and the options that stand for settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from indexes.errors import SettingsError
from indexes.settings.loader import known_keys, load
from rag.cli.commands.config import example
from rag.retrieval.filter_text import parse_filters
from rag.settings import Settings
from tests.rag.cli.cli_runner import Rag


def test_config_shows_values_and_origins(bare: Rag, tmp_path: Path) -> None:
    (tmp_path / "rag.toml").write_text('[llm]\nmodel = "mine"\n', encoding="utf-8")
    result = bare("config", "--set", "retrieval.top_n=3", env={"RAG_LLM_TIMEOUT": "9"})
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert set(lines) == set(known_keys(Settings))
    assert re.search(r'= "mine" +# rag\.toml \(.*rag\.toml\)', lines["llm.model"])
    assert lines["retrieval.top_n"].endswith("# argument")
    assert lines["llm.timeout"].endswith("# RAG_LLM_TIMEOUT")
    assert lines["llm.keep_alive"].endswith("# default")


def test_config_json_of_chosen_keys(bare: Rag) -> None:
    result = bare("config", "llm.model", "hyde", "--profile", "offline", "--json")
    shown = json.loads(result.stdout)
    assert shown["values"]["llm.model"] == "auto"
    assert shown["origins"]["llm.model"] == "profile offline"
    assert shown["origins"]["hyde.mode"] == "default"
    assert shown["file"] is None
    assert not any(key.startswith("store.") for key in shown["values"])


def test_config_of_an_unknown_key(bare: Rag) -> None:
    result = bare("config", "lmm")
    assert result.exit_code == 2
    assert "did you mean 'llm'" in result.stderr


def test_config_masks_logins_in_addresses(bare: Rag) -> None:
    result = bare("config", "store", "--set", "store.url=https://me:secret@qdrant.example:6333/x")
    assert "secret" not in result.output
    assert "https://***@qdrant.example:6333/x" in result.stdout


def test_config_never_shows_keys(bare: Rag) -> None:
    result = bare("config", "--json", env={"RAG_API_KEY": "very-secret"})
    assert result.exit_code == 0
    assert "very-secret" not in result.output


def test_init_writes_an_example_that_loads_as_the_defaults(bare: Rag, tmp_path: Path) -> None:
    result = bare("config", "--init")
    assert result.exit_code == 0
    written = tmp_path / "rag.toml"
    assert load(Settings, path=written, environ={}).settings == Settings()
    uncommented = re.sub(r"^# (\w+ = )", r"\1", written.read_text(encoding="utf-8"), flags=re.MULTILINE)
    written.write_text(uncommented.partition("# [profiles")[0], encoding="utf-8")
    loaded = load(Settings, path=written, environ={})
    beside = {"serve.runs": str(written.parent / "runs")}  # relative to the file that names it
    assert loaded.settings == load(Settings, path=written, arguments=beside, environ={}).settings
    assert loaded.settings.model_copy(update={"serve": Settings().serve}) == Settings()
    assert {key for key, origin in loaded.origins.items() if origin == "default"} == set()
    again = bare("config", "--init")
    assert again.exit_code == 2 and "exists already" in again.stderr
    other = bare("config", "--init", "--config", "other.toml", "--json")
    assert json.loads(other.stdout) == {"written": "other.toml"}


def test_the_example_describes_every_setting() -> None:
    text = example()
    assert all(f"# {key.rpartition('.')[2]} = " in text for key in known_keys(Settings))


@pytest.mark.parametrize("text", ["llm.model", "model=x", "=x"])
def test_set_of_another_shape(bare: Rag, text: str) -> None:
    result = bare("config", "--set", text)
    assert result.exit_code == 2
    assert "--set section.field=value" in result.stderr


def test_options_are_settings(bare: Rag) -> None:
    """They are refused by the same rules, and stand for the same variables."""
    result = bare("search", "x", "--window", "99")
    assert result.exit_code == 2
    assert "argument retrieval.window = 99" in result.stderr
    result = bare("search", "x", env={"RAG_RETRIEVAL_WINDOW": "99"})
    assert "RAG_RETRIEVAL_WINDOW = '99'" in result.stderr


def test_filters() -> None:
    filters = parse_filters(
        (
            "lang=en",
            "page>=3",
            "year != 2024",
            "title~=user guide",
            "tag in a, b",
            "tag not in c",
            "heading is empty",
            'n="3"',
            "draft=true",
            "day>=2025-03",
            "id=99999999999999999999",
            "tag in a, 3, false",
            "n=" + "9" * 400,
        )
    )
    assert filters is not None
    found = [(entry.key, entry.operator, entry.value) for entry in filters.filters]  # type: ignore[union-attr]
    assert found == [
        ("lang", "==", "en"),
        ("page", ">=", 3),
        ("year", "nin", [2024, "2024"]),
        ("title", "text_match", "user guide"),
        ("tag", "in", ["a", "b"]),
        ("tag", "nin", ["c"]),
        ("heading", "is_empty", None),
        ("n", "==", "3"),
        ("draft", "in", [True, "true"]),
        ("day", ">=", "2025-03-01"),
        ("id", "in", [99999999999999999999, "99999999999999999999"]),
        ("tag", "in", ["a", 3, "3", False, "false"]),
        ("n", "==", "9" * 400),
    ]
    years = parse_filters(("day>2024", "day<=20240506", "day<20249906"))
    assert years is not None
    first, second, third = years.filters
    assert [(one.value, one.operator) for one in first.filters] == [(2024, ">"), ("2024-01-01", ">")]  # type: ignore[union-attr]
    assert [one.value for one in second.filters] == [20240506, "2024-05-06"]  # type: ignore[union-attr]
    assert third.value == 20249906  # type: ignore[union-attr]
    assert parse_filters(()) is None
    with pytest.raises(SettingsError, match="cannot parse the condition"):
        parse_filters(("nonsense",))
