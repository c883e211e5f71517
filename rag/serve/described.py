"""Descriptions of request bodies for ``/openapi.json``; the routes read the bodies themselves, as clients send them."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "integer"}
FLAG: dict[str, Any] = {"type": "boolean"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
OBJECT: dict[str, Any] = {"type": "object"}


def words(*allowed: str) -> dict[str, Any]:
    """Return the schema of one of these words.

    >>> words("off", "on")
    {'type': 'string', 'enum': ['off', 'on']}
    """
    return {"type": "string", "enum": list(allowed)}


def json_of(
    required: tuple[str, ...], *, media: str = "application/json", **properties: dict[str, Any]
) -> dict[str, Any]:
    """Return ``openapi_extra`` of a route whose body is an object, in JSON or, by its ``media`` type, a form.

    >>> body = json_of(("query",), query=TEXT)["requestBody"]["content"]["application/json"]["schema"]
    >>> body["required"], body["properties"]
    (['query'], {'query': {'type': 'string'}})
    """
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {media: {"schema": schema}}}}


MESSAGES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object", "required": ["role"], "properties": {"role": TEXT, "content": {}}},
}
ASKED = TEXT | {"maxLength": 8000}
OPTIONS: dict[str, Any] = {
    "collection": TEXT,
    "filters": TEXTS | {"description": "such as 'page>=3' or 'lang=en', all of which must hold"},
    "top_k": NUMBER | {"minimum": 1, "maximum": 100},
    "window": NUMBER | {"minimum": 0, "maximum": 50},
    "rerank": FLAG,
    "hyde": words("off", "on", "auto"),
    "fusion": words("minmax", "rrf", "dense", "sparse"),
    "history": MESSAGES,
    "trace": FLAG,
}
QUESTION = json_of(("question",), question=ASKED, **OPTIONS)
SEARCH = json_of(
    (),
    question=ASKED,
    questions={
        "type": "array",
        "items": ASKED,
        "minItems": 1,
        "maxItems": 64,
        "description": "instead of question; the answer has the list results, in this order",
    },
    **OPTIONS,
    hits=FLAG | {"description": "list all hits too, not only the passages"},
)
FEEDBACK = json_of(
    ("verdict", "question"),
    verdict=words("right", "wrong", "wrong_source"),
    question=TEXT,
    answer=TEXT,
    collection=TEXT,
    citations={"type": "array", "items": OBJECT},
)
PATHS = json_of(("paths",), paths=TEXTS, prune=FLAG)
FILES = json_of(
    ("files",),
    media="multipart/form-data",
    files={"type": "array", "items": {"type": "string", "format": "binary"}},
)
RETRIEVAL = json_of(
    ("knowledge_id", "query"),
    knowledge_id=TEXT,
    query=TEXT,
    retrieval_setting={"type": "object", "properties": {"top_k": NUMBER, "score_threshold": {"type": "number"}}},
    metadata_condition={"type": ["object", "null"]},
)
CHAT = json_of(
    ("model", "messages"),
    model=TEXT | {"description": "a collection"},
    messages=MESSAGES,
    stream=FLAG,
    stream_options={"type": "object", "properties": {"include_usage": FLAG}},
    temperature={"type": "number"},
    top_p={"type": "number"},
    max_tokens=NUMBER,
    stop={},
    seed=NUMBER,
    user=TEXT,
    ragwright={
        "type": "object",
        "properties": {
            "filters": {},
            "top_k": NUMBER,
            "window": NUMBER,
            "rerank": FLAG,
            "hyde": {},
            "trace": FLAG,
            "collection": {"description": "a collection, or a list of several that are searched as one"},
            "events": FLAG,
            "session": TEXT,
        },
    },
)
EMBEDDINGS = json_of(
    ("input",),
    model=TEXT,
    input={},
    encoding_format=words("float", "base64"),
    dimensions=NUMBER,
    input_type=words("query", "passage"),
)
RERANK = json_of(
    ("query", "documents"),
    model=TEXT,
    query=TEXT,
    documents={"type": "array", "items": {}},
    top_n=NUMBER,
    return_documents=FLAG,
)
