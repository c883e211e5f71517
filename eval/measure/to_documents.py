"""Lift found sentences to the level of the judgements: documents, passages or sentences.

A document (or passage) gets the score and the rank of its best sentence. A passage is named ``DOCUMENT#FIRST-LAST``,
with the 0-based positions of its first and last sentence, and so is a parent in a parent-child index.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, cast

from eval.datasets.dataset import Dataset, passage_id
from indexes.errors import SourceError

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore

    from indexes.nodes.record import SentenceRecord

Level = Literal["document", "passage", "sentence"]
_PASSAGE = re.compile(r"^(?P<document>.+)#(?P<first>\d+)-(?P<last>\d+)$", re.DOTALL)
_LOOKUP = 500


class Lifter:
    """Map what was found to the ids in the judgements.

    Args:
        dataset: with a corpus, its ids are document ids. Without one, the judgements name documents of ``index`` (by
            id, by source, or by a unique end of its path), passages or sentences, all on one level.
        index: the index that is searched, if any.

    Raises:
        SourceError: the judgements are on several levels, or name nothing that the index holds.

    >>> lifter = Lifter(Dataset("mine", {}, {}, {"q1": {"d1": 1}}))
    >>> lifter.ranking([("d1", 0.4), ("d2", 0.5), ("d1", 0.9)])
    [('d1', 0.9), ('d2', 0.5)]
    """

    def __init__(self, dataset: Dataset, index: Any = None) -> None:
        self.level = cast(Level, "document")  # unless _learn() finds another
        self.notes: list[str] = []
        self._known = set(dataset.corpus) or {d for judged in dataset.qrels.values() for d in judged}
        self._alias: dict[str, str] = {}  # document id of the index -> id in the judgements
        self._ranges: dict[str, list[tuple[int, int, str]]] = {}
        if not dataset.corpus and index is not None:
            self._learn(dataset, index)
        if self.level != "sentence":
            self.notes.append(f"sentences are lifted to {self.level}s: a {self.level} ranks as its best sentence")
        if self.level == "passage":
            self.notes.append("a sentence outside all judged passages counts as a separate passage")

    def of_record(self, record: SentenceRecord) -> str:
        """Return the id of a sentence's document or passage, or its own, at the level of the judgements."""
        if self.level == "sentence":
            return record.id
        if self.level == "document":
            return self._alias.get(record.doc_id, record.doc_id)
        for first, last, name in self._ranges.get(record.doc_id, ()):
            if first <= record.position <= last:
                return name
        return passage_id(record.doc_id, *(record.parent or (record.position, record.position)))

    def of_node(self, node: NodeWithScore) -> str:
        """Return the judged id of a LlamaIndex node: ours by position, others by the first of their ids that is known.

        These are the node's id, the id of its document, and the metadata "_id", "doc_id" and "source".
        """
        from llama_index.core.schema import TextNode

        from indexes.nodes.record import SentenceRecord

        inner = node.node
        if isinstance(inner, TextNode) and {"position", "section"} <= inner.metadata.keys():
            return self.of_record(SentenceRecord.from_node(inner))
        ids = [inner.node_id, inner.ref_doc_id, *(inner.metadata.get(key) for key in ("_id", "doc_id", "source"))]
        named = [str(identity) for identity in ids if identity]
        return next((i for i in named if i in self._known), inner.ref_doc_id or inner.node_id)

    @staticmethod
    def ranking(found: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
        """Return each id once with its best score, best first."""
        best: dict[str, float] = {}
        for identity, value in found:
            if identity not in best or value > best[identity]:
                best[identity] = value
        return sorted(best.items(), key=lambda item: -item[1])

    def _learn(self, dataset: Dataset, index: Any) -> None:
        """Find the level of the judgements, and which of the index's documents they name."""
        judged = sorted({d for rows in dataset.qrels.values() for d in rows})
        documents = _Documents(index)
        sentences = _sentences(index, judged)
        counts: Counter[str] = Counter()
        unknown = []
        for name in judged:
            match = _PASSAGE.match(name)
            if (doc_id := documents.find(name)) is not None:
                self._alias[doc_id] = name
                counts["document"] += 1
            elif name in sentences:
                counts["sentence"] += 1
            elif match and (doc_id := documents.find(match["document"])) is not None:
                self._ranges.setdefault(doc_id, []).append((int(match["first"]), int(match["last"]), name))
                counts["passage"] += 1
            else:
                unknown.append(name)
        if len(counts) != 1:
            named = (
                ", ".join(f"{number} {level}s" for level, number in counts.items()) or "nothing that the index holds"
            )
            raise SourceError(
                f"the judgements of {dataset.name!r} name {named} (the first: {(unknown or judged)[0]!r})",
                remedy="judge documents, passages (DOCUMENT#FIRST-LAST) or sentences of this index, on one level only",
            )
        self.level = cast(Level, next(iter(counts)))
        if unknown:
            self.notes.append(
                f"{len(unknown)} of {len(judged)} judged ids are not in the index and cannot be found "
                f"(e.g. {unknown[0]!r})"
            )


class _Documents:
    """Documents of an index by id, source, or a unique end of the path."""

    def __init__(self, index: Any) -> None:
        self._ids: dict[str, str] = {}
        ends: dict[str, set[str]] = {}
        for info in index.documents():
            self._ids[info.doc_id] = info.doc_id
            for named in (info.doc_id, info.source):  # two folders may both hold a README.md
                parts = PurePath(named).parts
                for start in range(len(parts)):
                    ends.setdefault("/".join(parts[start:]), set()).add(info.doc_id)
        for end, found in ends.items():
            if len(found) == 1:
                self._ids.setdefault(end, next(iter(found)))

    def find(self, name: str) -> str | None:
        if name in self._ids or not name.startswith("/"):
            return self._ids.get(name)
        parts = PurePath(name).parts  # an absolute path: the document ids of version 0.1.0
        ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
        return next((self._ids[end] for end in ends if end in self._ids), None)


def _sentences(index: Any, names: list[str]) -> set[str]:
    """Return the names that are ids of stored sentences."""
    from uuid import UUID

    def is_uuid(name: str) -> bool:
        try:
            return str(UUID(name)) == name
        except ValueError:
            return False

    wanted = [name for name in names if is_uuid(name)]
    found: set[str] = set()
    for start in range(0, len(wanted), _LOOKUP):
        part = wanted[start : start + _LOOKUP]
        found.update(index.store.payloads(part))
    return found
