"""What models were trained to read before a question or a passage.

A checkpoint's own prompts (config_sentence_transformers.json) come first; this table is for the families that do
not write them down, and for servers, which do not tell. Sources: the models' cards on the hub.
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
    """{"query", "document"} of the first name that a family matches; None where none does.

    Args:
        names: names the model goes by: as configured, and the one its config.json remembers.
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
    """Settings over the checkpoint's own prompts over the table; "" where nobody says anything.

    Args:
        checkpoint: sentence-transformers prompts by name; "document" is also known as "passage", "corpus", "text".
        query, document: settings; "" switches a prompt off.
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
