"""The light settings models are pydantic's models: the same values, the same errors, the same dumps."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from indexes.settings.light_model import strict
from indexes.settings.loader import sections
from indexes.settings.sections import EncoderSettings, IndexSettings, SplitSettings, StoreSettings
from rag.settings import AnswerSettings, LLMSettings, Settings

SECTIONS: dict[str, Any] = sections(Settings)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 10**6, 10**20, 0.5, 1.0, -0.0, 1e300, float("nan"), float("inf")),
    *("", " ", "x", "none", "true", "True", "FALSE", "yes", "1", "007", " 7", "7.0", "1e3", "0.25", "1_000", "-3"),
    *("auto", "off", "en", "minmax", "a/b", "~", "nan", "٣", "-0", "+5", ".5", "5."),
    *(Path("a/b"), b"x", (), ("en",), ["en", "zh"], ["en", 1], {"en"}, "en,zh", {"a": 1}, object, [["en"]]),
)


def outcome(model: Any, values: dict[str, Any]) -> Any:
    """What a model makes of the values: all of its values with their types, or the errors."""
    try:
        made = model(**values)
    except ValidationError as error:
        return error.errors(include_url=False), str(error)
    return {name: (type(getattr(made, name)), repr(getattr(made, name))) for name in values}, made.model_fields_set


@pytest.mark.parametrize("section", SECTIONS)
def test_every_value_and_every_error_is_pydantics(section: str) -> None:
    model = SECTIONS[section]
    for name in model.model_fields:
        for value in VALUES:
            if name == "routing" and str(value).lower() in ("true", "false"):
                continue  # converted before; see below
            assert outcome(model, {name: value}) == outcome(strict(model), {name: value}), (name, value)


def test_errors_in_a_tree_name_the_whole_path() -> None:
    for wrong in ({"llm": {"model": 3}}, {"llm": {"modle": "x"}}, {"llm": 3}, {"lmm": {}}, {"llm": {"threads": 0}}):
        assert outcome(Settings, wrong) == outcome(strict(Settings), wrong)
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"retrieval": {"top_k": 0}, "llm": {"thinking": "perhaps"}})
    assert [one["loc"] for one in error.value.errors()] == [("retrieval", "top_k"), ("llm", "thinking")]


def test_what_pydantic_alone_converts_is_converted_in_a_tree() -> None:
    made = Settings.model_validate({"llm": {"thinking": "yes", "threads": " 2"}, "store": StoreSettings(url="u")})
    assert (made.llm.thinking, made.llm.threads, made.store.url) == (True, 2, "u")
    assert type(made.llm) is LLMSettings and made.llm.model_fields_set == {"thinking", "threads"}
    assert made.model_fields_set == {"llm", "store"}


def test_earlier_words_are_read_in_a_tree_too() -> None:
    assert AnswerSettings(routing="true").routing == "general"
    assert Settings.model_validate({"answer": {"routing": False, "memory_tokens": "300.0"}}).answer.routing == "off"


@pytest.mark.parametrize("mode", ["python", "json"])
def test_dumps_are_pydantics(mode: Any) -> None:
    given = {"store": {"path": "a"}, "llm": {"languages": ["en"]}, "split": {"place": 1}, "collection": "c"}
    ours, theirs = Settings.model_validate(given), strict(Settings).model_validate(given)
    whole = ours.model_dump(mode=mode)
    for name, section in SECTIONS.items():
        assert whole[name] == strict(section)(**given.get(name, {})).model_dump(mode=mode)
    for options in ({"include": {"llm", "collection"}}, {"exclude": {"serve"}}, {"exclude_unset": True}):
        found = ours.model_dump(mode=mode, **options)
        assert set(found) == set(theirs.model_dump(mode=mode, **options))
    assert ours.model_dump(mode=mode, exclude_unset=True) == theirs.model_dump(mode=mode, exclude_unset=True)
    text = ours.model_dump_json(include={"llm"})
    assert text == strict(Settings).model_validate(given).model_dump_json(include={"llm"})
    assert Settings.model_validate_json(ours.model_dump_json()) == ours
    assert json.loads(ours.model_dump_json()) == ours.model_dump(mode="json")


def test_copies_are_equal_and_nothing_can_be_set() -> None:
    one = SplitSettings(max_chars=300)
    other = one.model_copy(update={"mode": "fixed"})
    assert (other.mode, other.max_chars, other.model_fields_set) == ("fixed", 300, {"mode", "max_chars"})
    assert one != other and one == SplitSettings(max_chars="300") and hash(one) == hash(SplitSettings(max_chars=300))
    assert SplitSettings() != EncoderSettings()
    for same in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert same == one and same.model_fields_set == {"max_chars"}
    with pytest.raises(FrozenInstanceError, match="max_chars"):
        one.max_chars = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.max_chars
    assert repr(one) == repr(strict(SplitSettings)(max_chars=300))


def test_sections_of_asking_are_ignored_by_the_index() -> None:
    assert IndexSettings.model_validate({"llm": {"model": 3}, "split": {"mode": "fixed"}}).split.mode == "fixed"
