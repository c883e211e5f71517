"""Tables of factories name what exists, one entry for each value of the setting."""

from __future__ import annotations

from typing import get_args

import pytest

from indexes import encoders
from indexes.registry import factory
from indexes.settings.sections import EncoderSettings
from rag import llms, rerankers
from rag.settings import LLMSettings, RerankSettings


@pytest.mark.parametrize(
    ("table", "section", "beside"),
    [
        (encoders._MODELS | encoders._SERVERS, EncoderSettings, set()),
        (rerankers._RERANKERS, RerankSettings, {"none"}),
        (llms._LLMS, LLMSettings, {"none"}),
    ],
)
def test_every_provider_has_a_factory(table: dict[str, str], section: type, beside: set[str]) -> None:
    providers = set(get_args(section.model_fields["provider"].annotation))  # type: ignore[attr-defined]
    assert providers == set(table) | beside
    assert all(callable(factory(table, name)) for name in table)
