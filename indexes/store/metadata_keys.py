"""The metadata keys of a collection, and the check that those of a filter exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from indexes.display import Bilingual
from indexes.store import models
from indexes.store.collection import Collection
from indexes.store.filters import field_key, operator_of

PAGE = 500
EXAMPLES = 3


@dataclass(slots=True)
class MetadataKey:
    """A metadata key, the number of documents with it, and some of its values."""

    name: str
    documents: int = 0
    examples: list[str] = field(default_factory=list)


def metadata_keys(store: Collection) -> list[MetadataKey]:
    """Return the keys that a filter may use, sorted by name, from the first sentence of each document.

    >>> from types import SimpleNamespace
    >>> payloads = [{"metadata": {"year": 2020, "lang": "zh"}}, {"metadata": {"year": 2024}}]
    >>> store = SimpleNamespace(pages=lambda size, only, payload: [[("id", payload) for payload in payloads]])
    >>> [(key.name, key.documents, key.examples) for key in metadata_keys(store)]
    [('lang', 1, ['zh']), ('year', 2, ['2020', '2024'])]
    """
    first = models.Filter(must=[models.FieldCondition(key="position", match=models.MatchValue(value=0))])
    found: dict[str, MetadataKey] = {}
    for page in store.pages(PAGE, first, payload=["metadata"]):
        for _, payload in page:
            for name, value in (payload.get("metadata") or {}).items():
                key = found.setdefault(name, MetadataKey(name))
                key.documents += 1
                for shown in _shown(value):
                    if len(key.examples) < EXAMPLES and shown not in key.examples:
                        key.examples.append(shown)
    return [found[name] for name in sorted(found)]


def unknown_keys(store: Collection, filters: Any) -> list[str]:
    """Return one sentence per key of ``filters`` that no document has, with the most similar existing key.

    >>> from types import SimpleNamespace
    >>> from indexes.store.filters import Where, Wheres
    >>> def pages(size, only, payload):
    ...     return iter([[("id", {"metadata": {"year": 2020}})] if payload else []])
    >>> unknown_keys(SimpleNamespace(pages=pages), Wheres([Where("yaer", 2020)]))
    ["no document has the key 'yaer' of a filter; did you mean 'year'? (rag status --keys)"]
    """
    return unknown_names(store, dict.fromkeys(_keys_in(filters)))


def unknown_names(store: Collection, wanted_keys: Iterable[str]) -> list[str]:
    """Return the sentences of ``unknown_keys`` for names of keys.

    >>> from types import SimpleNamespace
    >>> def pages(size, only, payload):
    ...     return iter([[("id", {"metadata": {"year": 2020}})] if payload else []])
    >>> print(*unknown_names(SimpleNamespace(pages=pages), ["author"]))
    no document has the key 'author' of a filter; there are: year (rag status --keys)
    """
    unknown = [key for key in wanted_keys if not _is_there(store, key)]
    if not unknown:
        return []
    names = [key.name for key in metadata_keys(store)]
    notes: list[str] = []
    for key in unknown:
        near = get_close_matches(key.lower(), names, n=1, cutoff=0.5)
        there = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        chinese = f"是不是“{near[0]}”？" if near else f"现有的键：{'、'.join(names)}"
        notes.append(
            Bilingual(
                f"no document has the key {key!r} of a filter; {there} (rag status --keys)",
                f"没有文档带有过滤条件里的键“{key}”；{chinese}（rag status --keys）",
            )
        )
    return notes


def _keys_in(filters: Any) -> Iterator[str]:
    for item in filters.filters if filters else ():
        if hasattr(item, "filters"):
            yield from _keys_in(item)
        elif operator_of(item) != "is_empty":
            yield item.key


def _is_there(store: Collection, key: str) -> bool:
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=field_key(key)))
    return bool(next(store.pages(1, models.Filter(must_not=[empty]), payload=False)))


def _shown(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text if len(text) <= 40 else f"{text[:39]}…" for text in map(str, values)]
