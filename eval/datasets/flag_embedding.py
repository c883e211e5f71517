"""FlagEmbedding jsonl: {"query", "pos": [...], "neg": [...]}, with pos_scores and neg_scores for distillation."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.datasets.lists import ListReader, lost, require_texts
from eval.datasets.questions import relevant_by_wording, wording
from eval.datasets.rows import json_rows, text_list, write_jsonl
from indexes.display import counted
from indexes.errors import SourceError

OURS = ("pos", "neg", "pos_ids", "neg_ids", "pos_judgements", "neg_judgements")


def recognise(row: dict[str, Any]) -> bool:
    """Return whether a file's first row is in this format.

    >>> recognise({"query": "When?", "pos": ["At 6."], "neg": []}), recognise({"query": "When?"})
    (True, False)
    """
    return "query" in row and "pos" in row


def read(path: Path, split: str = "test") -> Dataset:
    """Read one file. A teacher's pos_scores and neg_scores are kept in ``extra``; they are not judgements.

    >>> write_jsonl(folder / "train.jsonl", [{"query": "When?", "pos": ["It opens at 6."], "neg": ["Fees are due."]}])
    >>> dataset = read(folder / "train.jsonl", split="train")
    >>> [sorted(judged.values()) for judged in dataset.qrels.values()], len(dataset.corpus)
    ([[0, 1]], 2)
    """
    reader = ListReader(path, split)
    for number, row in json_rows(path, reader.bad):
        positive, negative = text_list(row, "pos"), text_list(row, "neg")
        if positive is None or negative is None:
            reader.complain(number, 'needs lists of texts in "pos" and "neg"')
            continue
        wrong_length = [
            key
            for key, texts in (("pos_scores", positive), ("neg_scores", negative))
            if row.get(key) is not None and len(row[key]) != len(texts)
        ]
        if wrong_length:
            reader.complain(number, f'"{wrong_length[0]}" and its list differ in length')
            continue
        good = reader.documents(number, positive, row, "pos_ids")
        wrong = reader.documents(number, negative, row, "neg_ids")
        if good is None or wrong is None or (query := reader.query(number, row, OURS)) is None:
            continue
        reader.judge(query, good, row.get("pos_judgements"), 1)
        reader.judge(query, wrong, row.get("neg_judgements"), 0)
    reader.bad.raise_if_any()
    return reader.dataset


def write(dataset: Dataset, path: Path, *, negatives: int = 1, seed: int = 0) -> list[str]:
    """Write one jsonl file with ids beside the texts, and return notes on what the format cannot hold.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {name: CorpusPassage(name, text=text) for name, text in (("d1", "It opens at 6."), ("d2", "Fees."))}
    >>> write(Dataset("mine", corpus, {"q1": "When?"}, {"q1": {"d1": 1}}), folder / "train.jsonl")
    ['1 negative was drawn at random among unjudged documents (seed 0)']
    >>> [(row["pos"], row["neg"]) for _, row in json_rows(folder / "train.jsonl", None)]
    [(['It opens at 6.'], ['Fees.'])]

    Args:
        negatives: minimum number of negatives per row (FlagEmbedding divides by zero on an empty "neg"); rows with
            fewer are filled up with unjudged documents of the corpus, which are marked as drawn.
        seed: random seed for drawing them.
    """
    if path.stem.endswith("no_in_batch_neg") or path.parent.name.endswith("no_in_batch_neg"):
        raise SourceError(
            f"the name {path} ends in 'no_in_batch_neg', which silently changes how FlagEmbedding trains",
            remedy="choose another name",
        )
    require_texts(dataset)
    draw = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    pool = list(dataset.corpus)
    by_wording, content = relevant_by_wording(dataset), cache(lambda name: wording(dataset.corpus[name].content))
    used: set[str] = set()
    rows, without, drawn, poor = [], 0, 0, 0
    for query, text in dataset.queries.items():
        judged = dataset.qrels[query]
        good = [d for d, value in judged.items() if value > 0]
        wrong = [d for d, value in judged.items() if value <= 0]
        without += not good
        marks: list[int | None] = [judged[d] for d in wrong]
        lacking = negatives - len(wrong)
        if lacking > 0:
            answers = {content(d) for d in by_wording[wording(text)] if d in dataset.corpus}

            def fit(shuffled: list[str], judged: Any = judged, answers: set[str] = answers) -> list[str]:
                return [d for d in shuffled if d not in judged and content(d) not in answers]

            more = fit(draw.sample(pool, min(len(pool), lacking + len(judged))))[:lacking]
            if len(more) < lacking:
                more = fit(draw.sample(pool, len(pool)))[:lacking]
            drawn += len(more)
            wrong, marks = [*wrong, *more], [*marks, *[None] * len(more)]
        poor += not wrong
        used.update(good, wrong)
        row: dict[str, Any] = {
            "query": text,
            "pos": [dataset.corpus[d].content for d in good],
            "neg": [dataset.corpus[d].content for d in wrong],
            "_id": query,
            "pos_ids": good,
            "neg_ids": wrong,
            "pos_judgements": [judged[d] for d in good],
            "neg_judgements": marks,
        }
        rows.append(row | {key: value for key, value in dataset.extra.get(query, {}).items() if key not in row})
    write_jsonl(path, rows)
    notes = lost(dataset, used)
    if drawn:
        notes.append(
            f"{counted(drawn, 'negative', verb='were')} drawn at random among unjudged documents (seed {seed})"
        )
    if without:
        notes.append(
            f"{counted(without, 'query', verb='have')} no positive: remove them before training with FlagEmbedding"
        )
    if poor:
        notes.append(f"{counted(poor, 'query', verb='have')} no negative, which FlagEmbedding cannot train on")
    if dataset.candidates:
        notes.append("the order of the candidates is left out: FlagEmbedding has no field for it")
    return notes
