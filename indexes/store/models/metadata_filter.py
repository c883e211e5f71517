"""``Condition``: LlamaIndex's MetadataFilter with values of any JSON type."""

from __future__ import annotations

from llama_index.core.vector_stores.types import MetadataFilter


class Condition(MetadataFilter):
    """LlamaIndex's MetadataFilter, extended to all values of a payload: also booleans and mixed lists.

    As a subclass it is accepted wherever LlamaIndex takes a filter; ``Condition.of(filter)`` converts one.

    >>> Condition(key="draft", value=True).value
    True
    """

    value: bool | int | float | str | list[bool | int | float | str] | None  # type: ignore[assignment]

    @classmethod
    def of(cls, other: MetadataFilter) -> Condition:
        return cls(key=other.key, value=other.value, operator=other.operator)
