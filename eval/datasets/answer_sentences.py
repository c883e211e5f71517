"""Turn a dataset of documents into one of sentences: those with an answer are relevant, the others are not.

Judgements of whole documents teach a reranker little about answers: most sentences of a relevant document do not answer
the question. If the answers are known, the sentences that contain them can be judged instead (QNLI was made from SQuAD
in this way; Wang et al., arXiv 1804.07461).
"""

from __future__ import annotations

from dataclasses import replace

from eval.datasets.dataset import CorpusPassage, Dataset, passage_id
from eval.gold import contains
from indexes.display import agreed, counted
from indexes.errors import SourceError
from indexes.text.sentences import split_sentences


def of_sentences(dataset: Dataset) -> Dataset:
    """Return a dataset with the same questions over single sentences.

    A sentence's id is ``DOCUMENT#I-I``, where I counts from 0. In each relevant document, the sentences that contain
    one of the question's answers (as whole words) keep its judgement; the others are judged 0. Questions without a
    relevant sentence are left out and counted in a note.

    Raises:
        SourceError: the dataset has no documents, or no relevant document contains an answer.

    >>> rules = CorpusPassage("rules", text="Notice is three months. The canteen opens at noon.")
    >>> answers = {"q1": {"answers": ["three months"]}}
    >>> whole = Dataset("mine", {"rules": rules}, {"q1": "How long is the notice?"}, {"q1": {"rules": 1}}, answers)
    >>> of_sentences(whole).qrels
    {'q1': {'rules#0-0': 1, 'rules#1-1': 0}}
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
            f"no question of {dataset.name!r} has an answer in a sentence of a relevant document",
            remedy="give the questions of queries.jsonl their 'answers'",
        )
    dropped = len(dataset.queries) - len(qrels)
    notes = (
        [
            f"{counted(dropped, 'question', verb='have')} no sentence with an "
            f"answer and {agreed(dropped, 'are')} left out"
        ]
        if dropped
        else []
    )
    return replace(
        dataset,
        corpus=corpus,
        queries={query: dataset.queries[query] for query in qrels},
        qrels=qrels,
        extra={query: dataset.extra[query] for query in qrels if query in dataset.extra},
        candidates={},
        notes=[*dataset.notes, *notes],
    )
