"""Requests of a door to the service: plain values, read and checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rag.serve.errors import Problem

QUESTION_CHARS = 8000


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one or several collections, with the settings that it overrides.

    >>> Question("handbook", "When does the harbour open?", top_k=3).options()
    {'top_n': 3}

    Args:
        collection: name of the collection; of several the first one's.
        text: the question.
        filters: LlamaIndex ``MetadataFilters`` or a Qdrant ``Filter``; None: no filter.
        keep: called with a sentence's metadata and document id, if the engine does not support all of the filter;
            False leaves the sentence out.
        top_k: number of passages; None: ``retrieval.top_n``.
        window, rerank, hyde, fusion: override the settings of these names; None: the server's.
        collections: names of several collections that are searched as one; () for one.
        history: the conversation before, as (role, text), oldest first.
        instructions: a client's system message, added after our rules.
        model_options: temperature, max_tokens and similar options for the language model.
        trace: whether the caller wants the trace.
        user, session: user and conversation as the client names them, for traces.
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
        """Return the options of ``build_query_engine``."""
        chosen = {"top_n": self.top_k, "window": self.window, "fusion": self.fusion}
        return {name: value for name, value in chosen.items() if value is not None}


def text_of(value: Any, name: str, *, limit: int = QUESTION_CHARS) -> str:
    """Return a text of a request; refuse one that is too long.

    >>> text_of("When does the harbour open?", "question")
    'When does the harbour open?'

    Raises:
        Problem: it is not a text, or too long.
    """
    if not isinstance(value, str):
        raise Problem("bad_request", f"{name} is {shown(value)}, not a text", param=name)
    if len(value) > limit:
        raise Problem("too_long", f"{name} has {len(value):,} characters", f"at most {limit:,} are read", param=name)
    return value.encode("utf-8", "replace").decode("utf-8")


def whole(value: Any, name: str, low: int, high: int, default: int | None) -> int | None:
    """Return a whole number of a request; null or a missing value gives the default.

    >>> whole(3, "top_k", 1, 100, None), whole(None, "top_k", 1, 100, 5)
    (3, 5)

    Raises:
        Problem: it is not a whole number, or out of bounds.
    """
    if value is None:
        return default
    finite = isinstance(value, (int, float)) and math.isfinite(value)  # JSON can write NaN
    if isinstance(value, bool) or not finite or value != int(value):
        raise Problem("bad_request", f"{name} is {shown(value)}, not a whole number", param=name)
    if not low <= value <= high:
        raise Problem("bad_request", f"{name} is {shown(value)}", f"use {low} to {high}", param=name)
    return int(value)


def flag(value: Any, name: str, default: bool | None = False) -> bool | None:
    """Return true or false of a request; null or a missing value gives the default.

    >>> flag(True, "rerank"), flag(None, "rerank", None)
    (True, None)

    Raises:
        Problem: it is neither true nor false.
    """
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Problem("bad_request", f"{name} is {shown(value)}, not true or false", param=name)
    return value


def choice(value: Any, name: str, allowed: tuple[str, ...]) -> str | None:
    """Return one of the allowed words, or None.

    >>> choice("auto", "hyde", ("off", "on", "auto"))
    'auto'

    Raises:
        Problem: it is another word.
    """
    if value is None:
        return None
    if value not in allowed:
        raise Problem("bad_request", f"{name} is {shown(value)}", f"use one of {', '.join(allowed)}", param=name)
    return str(value)


def shown(value: Any, length: int = 60) -> str:
    """Shorten a value for a message.

    >>> shown([1, 2])
    '[1, 2]'
    """
    text = repr(value)
    return text if len(text) <= length else text[: length - 1] + "…"
