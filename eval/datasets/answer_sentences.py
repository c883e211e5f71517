"""A dataset of sentences out of one of documents: what holds an answer is relevant, the sentences around it are not.

Judgements of whole documents tell a reranker little about answers: most sentences of a relevant document do not answer
the question. Where the answers are known, the sentences that hold them can be judged instead (as QNLI was made from
SQuAD; Wang et al., arXiv 1804.07461).
"""

from __future__ import annotations

from dataclasses import replace

from eval.datasets.dataset import CorpusPassage, Dataset, passage_id
from eval.gold import contains
from indexes.errors import SourceError
from indexes.text.sentences import split_sentences


def of_sentences(dataset: Dataset) -> Dataset:
    """The same questions over single sentences.

    A sentence's id is ``DOCUMENT#I-I``, I counted from 0. Of each relevant document, sentences that hold one of the
    question's answers (as whole words) keep its judgement, and the others are judged 0. Questions of which no relevant
    sentence is left are dropped, and counted in a note.

    Raises:
        SourceError: the dataset has no documents, or no question has an answer that stands in a relevant one.
    """
    if not dataset.corpus:
        raise SourceError(
            f"the dataset {dataset.name!r} has no documents to take sentences from", remedy="name one with its corpus"
        )
    corpus: dict[str, CorpusPassage] = {}
    parts: dict[str, list[str]] = {}
    for name, passage in dataset.corpus.items():
        texts = [passage.text[span.start : span.end].strip() for span in split_sentences(passage.text)]
        parts[name] = [passage_id(name, place, place) for place in range(len(texts))]
        corpus.update(
            (part, CorpusPassage(part, "", text)) for part, text in zip(parts[name], texts, strict=True) if text
        )
    qrels: dict[str, dict[str, int]] = {}
    for query in dataset.queries:
        needed = dataset.answers(query)
        judged = {
            part: gain if any(contains(corpus[part].text, [any_of]) for any_of in needed) else 0
            for name, gain in dataset.qrels[query].items()
            if gain > 0
            for part in parts.get(name, [])
            if part in corpus
        }
        if any(judged.values()):
            qrels[query] = judged
    if not qrels:
        raise SourceError(
            f"no question of {dataset.name!r} has an answer that stands in a sentence of a relevant document",
            remedy="give the questions of queries.jsonl their 'answers'",
        )
    dropped = len(dataset.queries) - len(qrels)
    notes = [f"{dropped} questions have no sentence that holds an answer and were left out"] if dropped else []
    return replace(
        dataset,
        corpus=corpus,
        queries={query: dataset.queries[query] for query in qrels},
        qrels=qrels,
        extra={query: dataset.extra[query] for query in qrels if query in dataset.extra},
        candidates={},
        notes=[*dataset.notes, *notes],
    )
