"""``Condition``: LlamaIndex's MetadataFilter with values of every kind."""

from __future__ import annotations

from llama_index.core.vector_stores.types import MetadataFilter


class Condition(MetadataFilter):
    """LlamaIndex's MetadataFilter with values of every kind that a payload holds: also booleans and mixed lists.

    It is one, so it stands wherever LlamaIndex takes a filter; ``Condition.of(filter)`` makes it of another one.
    """

    value: bool | int | float | str | list[bool | int | float | str] | None  # type: ignore[assignment]

    @classmethod
    def of(cls, other: MetadataFilter) -> Condition:
        return cls(key=other.key, value=other.value, operator=other.operator)
