"""Prompts that models were trained to read before a question or a passage.

A checkpoint's own prompts (config_sentence_transformers.json) take precedence; this table is for model families that
do not store them, and for servers, which do not report them. Sources: the models' cards on the hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RETRIEVE_EN = "Represent this sentence for searching relevant passages: "
INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

# First match wins: (pattern in the lower-case name, query prompt, document prompt).
KNOWN: list[tuple[str, str, str]] = [
    (r"bge-(m3|multilingual)", "", ""),
    (r"bge-(small|base|large)-zh", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"bge-(small|base|large)", RETRIEVE_EN, ""),
    (r"e5-(mistral|.*-instruct)", INSTRUCT + " ", ""),
    (r"(^|[-_/])e5([-_]|$)", "query: ", "passage: "),
    (r"qwen3-embedding", INSTRUCT, ""),
    (r"gte-qwen", INSTRUCT + " ", ""),
    (r"mxbai-embed", RETRIEVE_EN, ""),
    (r"arctic-embed.*2", "query: ", ""),
    (r"arctic-embed", RETRIEVE_EN, ""),
    (r"nomic-embed", "search_query: ", "search_document: "),
    (r"embeddinggemma", "task: search result | query: ", "title: none | text: "),
]


def known_prompts(names: Iterable[str]) -> dict[str, str] | None:
    """Return the prompts of a known model family, by the first name that matches; None for an unknown model.

    >>> known_prompts(["intfloat/multilingual-e5-small"])
    {'query': 'query: ', 'document': 'passage: '}

    Args:
        names: names of the model: as configured, and as recorded in its config.json.
    """
    for name in names:
        parts = [part for part in re.split(r"[/\\]", name.lower()) if part]
        short = parts[-1] if parts else ""
        for pattern, query, document in KNOWN:
            if re.search(pattern, short):
                return {"query": query, "document": document}
    return None


def choose_prompts(
    names: Iterable[str],
    *,
    checkpoint: dict[str, str] | None = None,
    query: str | None = None,
    document: str | None = None,
) -> dict[str, str]:
    """Choose prompts: settings first, then the checkpoint's, then the table's; "" if none has any.

    >>> choose_prompts(["intfloat/e5-base-v2"], query="")
    {'query': '', 'document': 'passage: '}

    Args:
        names: as for ``known_prompts``.
        checkpoint: sentence-transformers prompts by name; "document" may be called "passage", "corpus" or "text".
        query, document: prompts from the settings; "" switches a prompt off.
    """
    own = {key: value for key, value in (checkpoint or {}).items() if value}
    named = next((own[key] for key in ("document", "passage", "corpus", "text") if key in own), "")
    found = {"query": own.get("query", ""), "document": named}
    if not any(found.values()):
        found = known_prompts(names) or found
    return {
        "query": found["query"] if query is None else query,
        "document": found["document"] if document is None else document,
    }
