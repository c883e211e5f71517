"""Passages in the forms of chat programs: Open WebUI's source events, Perplexity's citations, our own details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from indexes.display import one_line
from rag.retrieval.candidate import Passage
from rag.retrieval.several import parted
from rag.serve.wire import display_name, document_id, document_link, is_link

CITATION_KEYS = ("number", "heading", "page", "place", "text", "matched", "start", "end", "sentence_id")


def _passage_name(passage: Passage) -> str:
    """Return the public name of a passage's document, after its collection if several were searched."""
    name = display_name(passage.source)
    collection, _ = parted(passage.sentences[0].doc_id)
    return f"{collection}/{name}" if collection and not is_link(name) else name


def source_of(passage: Passage, collection: str) -> dict[str, Any]:
    """Return a passage in Open WebUI's form, with a unique id: there ``[n]`` opens the n-th different id.

    >>> from indexes.nodes.record import SentenceRecord
    >>> record = SentenceRecord("/home/me/harbour.md", 0, "The harbour opens at 6.", metadata={"page": 2})
    >>> source = source_of(Passage(1, [record], [], 0.9), "guide")
    >>> source["source"]["name"], source["document"], source["metadata"][0]["page"]
    ('harbour.md', ['The harbour opens at 6.'], 1)

    Args:
        collection: the collection that was searched; a passage of several carries its own.
    """
    collection, doc_id = parted(passage.sentences[0].doc_id, collection)
    name = _passage_name(passage)
    identity = f"{collection}/{document_id(doc_id)}#{passage.number}"
    metadata: dict[str, Any] = {
        "source": name if is_link(name) else identity,
        "name": f"{name} · {passage.heading}" if passage.heading else name,
        "number": passage.number,
    }
    if is_link(name):
        metadata["source"] = f"{name}#{passage.number}"
    if passage.heading:
        metadata["heading"] = passage.heading
    if passage.page is not None:
        metadata["page"] = passage.page - 1  # shown + 1 there
    return {
        "source": {"id": identity, "name": name},
        "document": [passage.text],
        "metadata": [metadata],
        "distances": [max(-1.0, min(1.0, round(float(passage.score), 6)))],
    }


def citation_names(passages: Sequence[Passage], cited: Sequence[int]) -> list[str]:
    """Return the names of the cited passages in the order of their numbers.

    >>> from indexes.nodes.record import SentenceRecord
    >>> passages = [Passage(i, [SentenceRecord(f"/home/me/{i}.md", 0, "It opens.")], [], 0.9) for i in (1, 2)]
    >>> citation_names(passages, cited=[2])
    ['2.md']
    """
    wanted = set(cited)
    return [_passage_name(passage) for passage in passages if passage.number in wanted]


def _public_citation(citation: Any, collection: str) -> dict[str, Any]:
    """Return a citation without paths, with its collection and the address of its page on this server.

    Args:
        citation: a ``Citation`` or its dict.
        collection: the one that was searched; a citation of several carries its own.
    """
    row = dict(citation) if isinstance(citation, dict) else {name: getattr(citation, name, None) for name in FIELDS}
    collection, doc_id = parted(str(row.get("doc_id") or row.get("source") or ""), collection)
    shown = {name: row[name] for name in CITATION_KEYS if row.get(name) is not None}
    document, sentence = document_id(doc_id), parted(str(row.get("sentence_id") or ""))[1]
    return {
        **shown,
        **({"sentence_id": sentence} if sentence else {}),
        "document_id": document,
        "source": display_name(str(row.get("source") or doc_id)),
        "collection": collection,
        "link": document_link(collection, document, sentence or None, str(row.get("text") or "")),
    }


def public_citations(metadata: Mapping[str, Any], passages: Sequence[Passage], collection: str) -> list[dict[str, Any]]:
    """Return an answer's citations without paths, each with its document's title, if it has one.

    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.answer.check.citations import make_citation
    >>> record = SentenceRecord("/home/me/harbour.md", 0, "It opens at 6.", metadata={"title": "The harbour"})
    >>> passage = Passage(1, [record], [], 0.9)
    >>> cited = {"citations": [make_citation(passage, record, matched=False).as_dict()]}
    >>> [(row["source"], row["title"], row["text"]) for row in public_citations(cited, [passage], "guide")]
    [('harbour.md', 'The harbour', 'It opens at 6.')]
    """
    titles = {passage.number: str(passage.sentences[0].metadata.get("title") or "") for passage in passages}
    found = []
    for citation in metadata.get("citations") or []:
        row = _public_citation(citation, collection)
        title = titles.get(row.get("number", 0))
        found.append(row | {"title": title} if title else row)
    return found


def further_fields(metadata: Mapping[str, Any], passages: Sequence[Passage], collection: str) -> dict[str, Any]:
    """Return what an answer holds besides its text, if anything.

    ``nearest`` are the passages nearest to a question that the documents do not answer; ``rejected`` are the model's
    sentences that failed the check, if the documents' own sentences replace them.

    >>> further_fields({"status": "answered"}, [], "guide")
    {}
    >>> further_fields({"rejected": ["It opens at 7."]}, [], "guide")
    {'rejected': ['It opens at 7.']}
    """
    found: dict[str, Any] = {}
    if nearest := metadata.get("nearest"):
        of = {passage.number: parted(passage.sentences[0].doc_id, collection)[0] for passage in passages}
        found["nearest"] = [
            {
                **row,
                "source": display_name(str(row.get("source") or "")),
                "collection": of.get(int(row.get("number") or 0), collection),
            }
            for row in nearest
        ]
    if rejected := metadata.get("rejected"):
        found["rejected"] = list(rejected)
    return found


FIELDS = (*CITATION_KEYS, "doc_id", "source")


def url_citations(text: str, passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Return OpenAI's url_citation of the marks whose source is a URL.

    >>> from indexes.nodes.record import SentenceRecord
    >>> record = SentenceRecord("https://example.org/harbour", 0, "The harbour opens at 6.")
    >>> url_citations("It opens at 6 [1].", [Passage(1, [record], [], 0.9)])[0]["url_citation"]
    {'url': 'https://example.org/harbour', 'title': 'https://example.org/harbour', 'start_index': 14, 'end_index': 17}
    """
    found = []
    for passage in passages:
        name = _passage_name(passage)
        if not is_link(name):
            continue
        mark = f"[{passage.number}]"
        start = text.find(mark)
        while start >= 0:
            found.append(
                {
                    "type": "url_citation",
                    "url_citation": {
                        "url": name,
                        "title": str(passage.sentences[0].metadata.get("title") or name),
                        "start_index": start,
                        "end_index": start + len(mark),
                    },
                }
            )
            start = text.find(mark, start + 1)
    return found


def sources_text(passages: Sequence[Passage], cited: Sequence[int], language: str) -> str:
    """Return a plain list of the cited sources, for clients that do not show sources.

    >>> from indexes.nodes.record import SentenceRecord
    >>> passage = Passage(1, [SentenceRecord("harbour.md", 0, "The harbour opens at 6.")], [], 0.9)
    >>> print(sources_text([passage], [1], "en"))
    <BLANKLINE>
    <BLANKLINE>
    Sources:
    [1] harbour.md
    """
    wanted = set(cited)
    rows = []
    for passage in passages:
        if passage.number in wanted:
            page = f", p. {passage.page}" if passage.page is not None else ""
            rows.append(f"[{passage.number}] {one_line(_passage_name(passage))}{page}")
    if not rows:
        return ""
    return ("\n\n来源：\n" if language == "zh" else "\n\nSources:\n") + "\n".join(rows)
