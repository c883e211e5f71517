"""A rag.toml that came with a folder sends nothing elsewhere and runs nothing before it is trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexes.errors import UntrustedSettingsError
from indexes.settings.loader import load
from indexes.settings.sections import IndexSettings
from indexes.settings.trust import MEMORY, PROVIDERS, distrust, trust, trusted_files
from rag.cli.main import COMMANDS
from rag.settings import Settings, load_settings
from tests.rag.cli.cli_runner import runner

ELSEWHERE = '[llm]\nprovider = "openai"\nbase_url = "https://models.example/v1"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "came from elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    for name in [name for name in os.environ if name.startswith("RAG_")]:
        monkeypatch.delenv(name)
    return place


def write(folder: Path, text: str) -> Path:
    (folder / "rag.toml").write_text(text, encoding="utf-8")
    return folder / "rag.toml"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ELSEWHERE, "off this machine"),
        ('[store]\nurl = "http://10.0.0.7:6333"\n', "off this machine"),
        ('[encoder]\nbase_url = "http://127.0.0.1@evil.example/v1"\n', "off this machine"),
        ('[profiles.p.rerank]\nbase_url = "http://localhost.evil.example"\n', "off this machine"),
        ('[encoder]\nbase_url = "http://evil.example\\\\.localhost/v1"\n', "off this machine"),
        ('"llm.base_url" = "https://evil.example"\n', "off this machine"),
        ('[read]\nimage_base_url = "https://evil.example/"\n', "off this machine"),
        ('[serve]\norigins = ["http://localhost:3000", "https://evil.example"]\n', "evil.example' is an address off"),
        ('[serve]\nhosts = ["evil.example"]\n', "off this machine"),
        ('[serve]\nhost = "192.168.0.9"\n', "off this machine"),
        ('[store]\npath = "//evil.example/share"\n', "another machine"),
        ('[llm]\napi_key_env = "AWS_SECRET_ACCESS_KEY"\n', "reads an environment variable"),
        ('[read]\npassword_env = "HOME"\n', "reads an environment variable"),
        ('[read]\nocr = "os:system"\n', "runs a function"),
        ('[encoder]\nmodel = "model"\n', "code in it"),
        ('[rerank]\nmodel = "mapped"\n', "code in it"),
    ],
)
def test_what_needs_trust_is_refused_with_the_command(folder: Path, text: str, reason: str) -> None:
    (folder / "model" / "deep").mkdir(parents=True)
    (folder / "model" / "deep" / "modeling.py").write_text("", encoding="utf-8")
    (folder / "mapped").mkdir()
    (folder / "mapped" / "config.json").write_text('{"auto_map": {}}', encoding="utf-8")
    write(folder, text)
    with pytest.raises(UntrustedSettingsError, match=reason) as refusal:
        load(Settings)
    assert f"rag trust '{folder}'" in str(refusal.value)
    with pytest.raises(UntrustedSettingsError):
        load(IndexSettings)


def test_what_stays_on_this_machine_needs_no_trust(folder: Path) -> None:
    write(
        folder,
        '[llm]\nmodel = "qwen3:4b"\nbase_url = "http://127.0.0.1:8000/v1"\napi_key_env = "OPENAI_API_KEY"\n'
        '[store]\nurl = "http://localhost:6333"\napi_key_env = "QDRANT_API_KEY"\n'
        '[rerank]\napi_key_env = "RAG_RERANK_KEY"\nbase_url = ""\n'
        '[serve]\nhost = "::1"\norigins = ["http://localhost:3000"]\n',
    )
    assert load(Settings).settings.llm.model == "qwen3:4b"
    assert "OPENAI_API_KEY" in PROVIDERS


def test_trust_is_for_the_file_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder, ELSEWHERE)
    trust(file, os.environ)
    assert load(Settings).settings.llm.base_url == "https://models.example/v1"
    memory = Path(os.environ["XDG_CONFIG_HOME"]) / "ragwright" / MEMORY
    assert memory.stat().st_mode & 0o777 == 0o600
    write(folder, ELSEWHERE.replace("models", "other"))
    with pytest.raises(UntrustedSettingsError):
        load(Settings)
    write(folder, ELSEWHERE)
    assert distrust(file, os.environ)
    assert not distrust(file, os.environ)
    with pytest.raises(UntrustedSettingsError):
        load(Settings)
    assert load_settings(file).llm.provider == "openai"  # named in Python
    monkeypatch.setenv("RAG_CONFIG", str(file))
    assert load(Settings).settings.llm.provider == "openai"  # named in the environment


def test_the_accounts_own_file_counts_as_named(folder: Path) -> None:
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "ragwright"
    own.mkdir(parents=True)
    write(own, ELSEWHERE)
    assert load(Settings).settings.llm.provider == "openai"


def test_the_command_shows_allows_lists_and_forgets(folder: Path) -> None:
    assert "trust" in COMMANDS
    file = write(folder, ELSEWHERE)
    rag = runner({"RAG_STORE_PATH": str(folder / "store"), "RAG_PROFILE": "offline"})
    refused = rag("status")
    assert refused.exit_code == 2
    assert "models.example" in refused.output
    assert f"rag trust '{folder}'" in refused.output
    assert "all other commands refuse it" in rag("config", "llm").stderr
    allowed = rag("trust")
    assert "models.example" in allowed.stderr
    first = rag("status")
    assert first.exit_code == 0
    assert f"settings: {file}" in first.stderr
    assert "settings:" not in rag("status").stderr
    assert rag("trust", "--list").stdout.strip() == str(file)
    assert "no longer" in rag("trust", "--remove").stderr
    assert rag("status").exit_code == 2


def test_keys_of_an_env_file_are_trusted_as_the_file_beside_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    file = write(folder, '[llm]\napi_key_env = "OPENAI_API_KEY"\n')
    keys = folder / ".env"
    keys.write_text("OPENAI_API_KEY=one-key-of-mine\n", encoding="utf-8")
    with pytest.raises(UntrustedSettingsError, match="sets the key OPENAI_API_KEY") as refusal:
        load(Settings)
    assert "one-key" not in str(refusal.value) and "OPENAI_API_KEY" not in os.environ
    rag = runner({"RAG_STORE_PATH": str(folder / "store"), "RAG_PROFILE": "offline"})
    assert "sets the key OPENAI_API_KEY" in rag("config", "llm").stderr
    assert "sets the key OPENAI_API_KEY" in rag("trust").stderr
    assert load(Settings).keys == {"OPENAI_API_KEY": "one-key-of-mine"}
    assert os.environ.pop("OPENAI_API_KEY") == "one-key-of-mine"
    keys.write_text("OPENAI_API_KEY=another-key\n", encoding="utf-8")
    with pytest.raises(UntrustedSettingsError):
        load(Settings)
    assert load(Settings, path=file, environ={}).keys == {"OPENAI_API_KEY": "another-key"}  # named: the user's choice
    assert "OPENAI_API_KEY" not in os.environ
    assert distrust(file, os.environ) and not list(trusted_files(os.environ))


def test_an_env_file_gives_keys_and_nothing_else(folder: Path) -> None:
    file = write(folder, '[llm]\napi_key_env = "MY_KEY"\n[rerank]\napi_key_env = "RERANK_TOKEN"\n')
    (folder / ".env").write_text(
        "# keys\nexport MY_KEY = 'a b#c' # mine\nRERANK_TOKEN=plain#1 # a comment\nQDRANT_API_KEY=from-file\n"
        'RAG_API_KEY="double"\nRAG_LLM_MODEL=other\nPATH=/evil\nOTHER_KEY=x\nno line at all\n',
        encoding="utf-8",
    )
    loaded = load(Settings, path=file, environ={"QDRANT_API_KEY": "set-already"})
    assert loaded.keys == {"MY_KEY": "a b#c", "RERANK_TOKEN": "plain#1", "RAG_API_KEY": "double"}
    assert loaded.settings.llm.model != "other"
    assert "double" not in repr(loaded)
    (folder / "rag.toml").unlink()
    assert load(Settings, environ={"HOME": str(folder)}).keys == {}  # no settings file, no keys


def test_a_variable_that_is_no_key_is_never_set(folder: Path) -> None:
    file = write(folder, '[llm]\napi_key_env = "LD_PRELOAD"\n')
    (folder / ".env").write_text("LD_PRELOAD=/evil.so\n", encoding="utf-8")
    assert load(Settings, path=file, environ={}).keys == {}
