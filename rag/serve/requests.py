"""What a door asks of the service: plain values, read and checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rag.serve.errors import Problem

QUESTION_CHARS = 8000
MAX_TOP_K = 100


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one collection or to several, with what it may set apart from the server's settings.

    Args:
        collection: its name; of several the first one's.
        collections: the names of several that are searched as one; () for one.
        text: the question.
        filters: LlamaIndex ``MetadataFilters`` or a Qdrant ``Filter``; None for all.
        keep: called with a sentence's metadata and document id, where the engine cannot ask all of the filter; False
            leaves it out.
        top_k: passages in the end; None: ``retrieval.top_n``.
        window, rerank, hyde, fusion: as the settings of these names; None: theirs.
        history: the conversation before, as (role, text), oldest first.
        instructions: a client's system message; put behind our own rules.
        model_options: temperature, max_tokens and the like for the language model.
        trace: the caller wants the trace.
        user, session: whose question it is and which conversation it belongs to, for traces; as the client says.
    """

    collection: str
    text: str
    filters: Any = None
    keep: Any = None
    top_k: int | None = None
    window: int | None = None
    rerank: bool | None = None
    hyde: str | None = None
    fusion: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    instructions: str = ""
    model_options: dict[str, Any] = field(default_factory=dict)
    trace: bool = False
    user: str = ""
    session: str = ""
    collections: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The collections that are asked."""
        return self.collections or (self.collection,)

    @property
    def label(self) -> str:
        """What is counted of it under a collection's name; several together have none."""
        return "" if self.collections else self.collection

    def options(self) -> dict[str, Any]:
        """Options of ``build_query_engine``."""
        chosen = {"top_n": self.top_k, "window": self.window, "fusion": self.fusion}
        return {name: value for name, value in chosen.items() if value is not None}


def text_of(value: Any, name: str, *, limit: int = QUESTION_CHARS) -> str:
    """A text of a request, valid Unicode and not too long."""
    if not isinstance(value, str):
        raise Problem("bad_request", f"{name} is {shown(value)}, not a text", param=name)
    if len(value) > limit:
        raise Problem("too_long", f"{name} has {len(value):,} characters", f"at most {limit:,} are read", param=name)
    return value.encode("utf-8", "replace").decode("utf-8")


def whole(value: Any, name: str, low: int, high: int, default: int | None) -> int | None:
    """A whole number of a request, within its bounds; null and absence give the default."""
    if value is None:
        return default
    finite = isinstance(value, (int, float)) and math.isfinite(value)  # JSON can write NaN
    if isinstance(value, bool) or not finite or value != int(value):
        raise Problem("bad_request", f"{name} is {shown(value)}, not a whole number", param=name)
    if not low <= value <= high:
        raise Problem("bad_request", f"{name} is {shown(value)}", f"it may be {low} to {high}", param=name)
    return int(value)


def flag(value: Any, name: str, default: bool | None = False) -> bool | None:
    """True or false of a request."""
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Problem("bad_request", f"{name} is {shown(value)}, not true or false", param=name)
    return value


def choice(value: Any, name: str, allowed: tuple[str, ...]) -> str | None:
    """One of the allowed words, or None."""
    if value is None:
        return None
    if value not in allowed:
        raise Problem("bad_request", f"{name} is {shown(value)}", f"use one of {', '.join(allowed)}", param=name)
    return str(value)


def shown(value: Any, length: int = 60) -> str:
    """A value as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= length else text[: length - 1] + "…"
