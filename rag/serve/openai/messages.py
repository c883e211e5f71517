"""Read a chat completion's request as other servers do: model, messages, options, and our own key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from indexes.display import counted
from rag.serve.dify.conditions import read_conditions
from rag.serve.errors import Problem
from rag.serve.requests import QUESTION_CHARS, choice, flag, shown, text_of, whole

MAX_MESSAGES = 100
MAX_COLLECTIONS = 16
IGNORED = (
    "tools",
    "tool_choice",
    "functions",
    "response_format",
    "logprobs",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "store",
    "metadata",
    "modalities",
    "reasoning_effort",
)
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
SEARCH_ONLY = ":search"
RAG_TEMPLATE_QUESTION = re.compile(r"</context>\s*(?P<question>.+)\Z", re.DOTALL)


@dataclass(slots=True)
class ChatRequest:
    """What is read from a chat completion's body.

    >>> messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "When does it open?"}]
    >>> chat = read_chat({"model": "guide:search", "messages": messages})
    >>> chat.collections, chat.search_only, chat.question, chat.system
    (('guide',), True, 'When does it open?', 'Be short.')

    Args:
        model: name as sent.
        collections: the collections that are asked.
        search_only: whether only passages are asked for.
        question: the last user message.
        history: (role, text) of the messages before it.
        system: the client's instructions.
        task: whether it is a chat program's own task (a title, tags), not a question.
        messages: (role, text) of all messages, for a task.
        user, session: for traces.
        ignored: accepted fields without effect.
    """

    model: str
    collections: tuple[str, ...]
    search_only: bool
    question: str
    history: tuple[tuple[str, str], ...]
    system: str
    task: bool
    messages: tuple[tuple[str, str], ...]
    stream: bool
    include_usage: bool
    model_options: dict[str, Any]
    top_k: int | None
    window: int | None
    rerank: bool | None
    hyde: str | None
    trace: bool
    events: bool
    conditions: Any
    filter_texts: tuple[str, ...]
    user: str = ""
    session: str = ""
    ignored: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def read_chat(body: dict[str, Any]) -> ChatRequest:
    """Check and read the body.

    >>> body = {"model": "handbook", "messages": [{"role": "user", "content": "When does the harbour open?"}]}
    >>> chat = read_chat(body)
    >>> chat.model, chat.question
    ('handbook', 'When does the harbour open?')

    Raises:
        Problem: model or user message are missing, ``n`` is not 1, or a type is wrong.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Problem("bad_request", "model is missing", "send the name of a collection", param="model")
    if body.get("n") not in (None, 1):
        raise Problem("unsupported_value", f"n is {body['n']!r}", "one answer per request", param="n")
    rows = body.get("messages")
    if not isinstance(rows, list) or not rows:
        raise Problem("bad_request", "messages is missing", "send a list of messages", param="messages")
    if len(rows) > MAX_MESSAGES:
        raise Problem(
            "bad_request", f"{counted(len(rows), 'message')}", f"at most {MAX_MESSAGES} are read", param="messages"
        )
    notes: list[str] = []
    messages = [message for row in rows if (message := _message(row, notes)) is not None]
    place = max((i for i, (role, _) in enumerate(messages) if role == "user"), default=None)
    if place is None or not messages[place][1].strip():
        raise Problem("bad_request", "no user message", "the last user message is the question", param="messages")
    last = messages[place][1]
    task = is_task(last)
    question = text_of(_question_in(last), "messages", limit=QUESTION_CHARS if not task else 200_000)
    own = body.get("ragwright")
    own = own if isinstance(own, dict) else {}
    filters = own.get("filters")
    search_only = model.endswith(SEARCH_ONLY)
    stream_options = body.get("stream_options")
    return ChatRequest(
        model=model,
        collections=_collections(own.get("collection")) or (model.removesuffix(SEARCH_ONLY),),
        search_only=search_only,
        question=question,
        history=tuple((role, text) for role, text in messages[:place] if role in ("user", "assistant") and text),
        system="\n\n".join(text for role, text in messages if role == "system" and text),
        task=task,
        messages=tuple(messages),
        stream=bool(flag(body.get("stream"), "stream")),
        include_usage=isinstance(stream_options, dict) and bool(stream_options.get("include_usage")),
        model_options=_model_options(body),
        top_k=whole(own.get("top_k"), "ragwright.top_k", 1, 100, None),
        window=whole(own.get("window"), "ragwright.window", 0, 50, None),
        rerank=flag(own.get("rerank"), "ragwright.rerank", None),
        hyde=_hyde(own.get("hyde")),
        trace=bool(flag(own.get("trace"), "ragwright.trace")),
        events=flag(own.get("events"), "ragwright.events", True) is not False,
        conditions=read_conditions(filters if isinstance(filters, dict) else None),
        filter_texts=tuple(text_of(text, "ragwright.filters") for text in filters) if isinstance(filters, list) else (),
        user=_short(body.get("user")),
        session=_short(own.get("session")),
        ignored=tuple(name for name in IGNORED if body.get(name) not in (None, [], {}, 0, False)),
        notes=notes,
    )


def _collections(value: Any) -> tuple[str, ...]:
    """Return the collections that a request names, each once; () if it names none."""
    if value is None or value == "":
        return ()
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        said = f"ragwright.collection is {shown(value)}, which names no collection"
        raise Problem("bad_request", said, "send a name or a list of names", param="ragwright")
    found = tuple(dict.fromkeys(names))
    if len(found) > MAX_COLLECTIONS:
        said = f"ragwright.collection names {len(found)} collections"
        raise Problem("unsupported_value", said, f"at most {MAX_COLLECTIONS} are searched as one", param="ragwright")
    return found


def _short(value: Any) -> str:
    """Return whose question it is, as the client says, shortened; never refuse it."""
    return value[:128] if isinstance(value, str) else ""


def is_task(text: str) -> bool:
    """Return whether a text is a chat program's own task (a title, tags), not a user's question.

    >>> is_task("When does the harbour open?")
    False
    """
    return text.lstrip().startswith("### Task:") and "<chat_history>" in text and "<context>" not in text


def _question_in(text: str) -> str:
    """Return the user's question inside a chat program's RAG template."""
    if text.lstrip().startswith("### Task:") and "<context>" in text:
        match = RAG_TEMPLATE_QUESTION.search(text)
        if match:
            return match["question"].strip()
    return text.strip()


def _message(row: Any, notes: list[str]) -> tuple[str, str] | None:
    if not isinstance(row, dict) or row.get("role") not in ROLES:
        role = row.get("role") if isinstance(row, dict) else row
        raise Problem(
            "bad_request", f"a message's role is {role!r}", f"use one of {', '.join(ROLES)}", param="messages"
        )
    role = "system" if row["role"] == "developer" else str(row["role"])
    if role in ("tool", "function"):
        return None
    content = row.get("content")
    if content is None:
        return role, ""
    if isinstance(content, str):
        return role, content
    if not isinstance(content, list):
        raise Problem("bad_request", "a message's content is neither text nor a list of parts", param="messages")
    parts = [part for part in content if isinstance(part, dict)]
    texts = [str(part.get("text") or "") for part in parts if part.get("type") == "text"]
    if len(texts) < len(content):
        note = "parts of a message other than text, such as images, were not read"
        if note not in notes:
            notes.append(note)
    return role, "\n".join(texts)


def _hyde(value: Any) -> str | None:
    if isinstance(value, bool):
        return "on" if value else "off"
    return choice(value, "ragwright.hyde", ("off", "on", "auto"))


def _model_options(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Problem("bad_request", f"{name} is {value!r}, not a number", param=name)
        found[name] = float(value)
    length = body.get("max_completion_tokens", body.get("max_tokens"))
    if length is not None:
        found["max_tokens"] = whole(length, "max_tokens", 1, 1_000_000, None)
    if isinstance(body.get("seed"), int):
        found["seed"] = body["seed"]
    stop = body.get("stop")
    if stop is not None:
        texts = [stop] if isinstance(stop, str) else stop
        if not isinstance(texts, list) or len(texts) > 16 or not all(isinstance(text, str) and text for text in texts):
            raise Problem("bad_request", "stop is neither a text nor a list of at most 16 texts", param="stop")
        found["stop"] = texts
    return found
