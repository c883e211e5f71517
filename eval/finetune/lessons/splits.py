"""Splits: train for training, dev for early stopping, test for the proof, and the leakage guard between them.

No training question is in dev or test, by id or by wording. Documents relevant on both sides are counted and reported:
they are not cheating (in use, the index holds all of them), but make the test easier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import Dataset, load_dataset, splits_of
from eval.datasets.questions import subset, without, wording
from eval.datasets.split_files import find_split, spec_parts
from eval.finetune.training.request import DevBy
from indexes.display import agreed, counted
from indexes.errors import SettingsError, SourceError

TEST_SPLIT = "test"  # split to prove the model on, unless another is named
DEV_SPLIT = "dev"  # a split with this name is used as dev, as its authors intended
SHARED = 0.1  # share of the test's relevant documents: if training has more of them, "auto" draws dev by question


@dataclass(frozen=True)
class Splits:
    """Three datasets over one corpus.

    >>> of = lambda split: Dataset("mine", {}, {split: f"{split}?"}, {split: {"d1": 1}}, split=split)
    >>> splits = Splits(of("train"), of("dev"), of("test"), shared_documents=0)
    >>> splits.as_dict()["queries"]
    {'train': 1, 'dev': 1, 'test': 1}

    Args:
        train: questions to train on, each with a relevant document.
        dev: questions for early stopping, and for choosing a merging weight.
        test: questions used only for the proof.
        shared_documents: number of documents relevant in test and also in train or dev (by id, or by equal text).
        notes: what was divided, dropped and shared, one sentence each.
        dropped: number of training questions dropped because they are in dev or test.
        divided: whether the test questions were taken out of the only split.
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    shared_documents: int
    notes: list[str] = field(default_factory=list)
    dropped: int = 0
    divided: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return counts, hashes and notes as plain data for JSON."""
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        return {
            "dataset": self.test.name,
            "path": self.test.path,
            "documents": len(self.test.corpus),
            "queries": {name: len(part.queries) for name, part in parts.items()},
            "hash": {name: part.hash for name, part in parts.items()},
            "shared_documents": self.shared_documents,
            "dropped": self.dropped,
            "divided": self.divided,
            "notes": self.notes,
        }


def make_splits(
    source: str | Path | Dataset,
    *,
    train_split: str = "train",
    test_split: str = TEST_SPLIT,
    dev_share: float = 0.15,
    holdout: float = 0.25,
    seed: int = 7,
    limit: int | None = None,
    dev_by: DevBy = "auto",
) -> Splits:
    """Read a dataset and divide it, without leaks.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {f"d{i}": CorpusPassage(f"d{i}", text=f"Text number {i}.") for i in range(40)}
    >>> qrels = {f"q{i}": {f"d{i}": 1} for i in range(40)}
    >>> splits = make_splits(Dataset("mine", corpus, {f"q{i}": f"Question number {i}?" for i in range(40)}, qrels))
    >>> splits.as_dict()["queries"], splits.shared_documents
    ({'train': 26, 'dev': 4, 'test': 10}, 0)

    Args:
        source: see ``load_dataset``; a ``Dataset`` is divided.
        train_split, test_split: names of splits. A dataset with only "train" and "dev" is proved on dev. Without a
            training split (or with only one split), the share ``holdout`` of its questions becomes the test, divided by
            document.
        dev_share: share of the training questions for dev; not used if the dataset has a split "dev".
        dev_by: "document" keeps documents relevant in dev out of training, so that dev is about unseen documents;
            "question" draws dev from the questions alone, for a collection whose documents stay while questions change;
            "auto" chooses what makes dev like the test: "question" if at least ``SHARED`` of the documents relevant in
            the dataset's own test are also relevant in training. A note gives the choice and the reason.
        seed: random seed of all divisions; equal seeds give equal splits.
        limit: maximum number of training questions (including dev's), for a quick look.

    Raises:
        SettingsError: a share is not between 0 and 1.
        SourceError: the dataset cannot be read, has no documents, or a side has no questions.
    """
    for name, share in (("dev_share", dev_share), ("holdout", holdout)):
        if not 0 < share < 1:
            raise SettingsError(f"{name} = {share} is not a share", remedy="use a number between 0 and 1, such as 0.2")
    train, dev, test, notes, divided = _read(source, train_split, test_split, holdout, seed)
    if not test.corpus:
        raise SourceError(
            f"the dataset {test.name!r} has no documents to train on", remedy="put corpus.jsonl into its folder"
        )
    if divided:
        test = replace(test, split=test_split)
    train, wrong = _apart(train, [test] if dev is None else [dev, test])
    if wrong:
        notes.append(
            f"{counted(wrong, 'training question', verb='are')} in "
            f"{'test' if dev is None else 'dev or test'} and {agreed(wrong, 'are')} left out"
        )
    train = _usable(train, notes)
    if dev is not None:
        dev, twice = _apart(dev, [test])
        notes += [f"{counted(twice, 'dev question', verb='are')} in test and left out"] if twice else []
        dev = _usable(dev, notes)
    by, why = _dev_by(dev_by, train, test, divided)  # before the limit: it depends on the whole collection
    if limit is not None and len(train.queries) > limit:
        notes.append(f"only {counted(limit, 'training question', of=len(train.queries), verb='are')} used")
        train = subset(train, _drawn(list(train.queries), limit, seed))
    if dev is None:
        train, dev = divide(train, dev_share, seed) if by == "document" else _by_question(train, dev_share, seed)
        notes.append(f"{len(dev.queries)} of the training questions are dev: divided by {by}{why}")
    for part in (train, dev, test):
        if not part.queries:
            why = f" ({'; '.join(notes)})" if notes else ""
            raise SourceError(
                f"{test.path or test.name} leaves no questions for {part.split}{why}",
                remedy="add questions, or choose other splits (--train-split, --split)",
            )
    shared = shared_documents([train, dev], test)
    notes.append(
        "training, dev and test share no questions, by id or by wording; documents relevant in test and also in "
        f"training or dev: {shared}"
    )
    return Splits(train, dev, test, shared, notes, wrong, divided)


def divide(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Divide into (rest, part) with ``share`` of the questions in the part, if possible without shared documents.

    Questions that share a relevant document or their wording stay together. If such a group is larger than the part,
    it is divided by question, and ``shared_documents`` counts the documents that it shares.

    >>> qrels = {f"q{i}": {f"d{i}": 1} for i in range(10)}
    >>> rest, part = divide(Dataset("mine", {}, {f"q{i}": f"Question {i}?" for i in range(10)}, qrels), 0.2, seed=7)
    >>> len(rest.queries), len(part.queries)
    (8, 2)
    """
    groups = _groups(dataset)
    rng = np.random.default_rng(seed)
    order = [groups[i] for i in rng.permutation(len(groups))]
    wanted = min(max(1, round(share * len(dataset.queries))), max(0, len(dataset.queries) - 1))
    taken: set[str] = set()
    for group in order:
        if len(taken) + len(group) <= wanted:
            taken.update(group)
    if len(taken) < 0.8 * wanted:  # a group is larger than the part: only its wordings stay together
        wordings: dict[str, list[str]] = {}
        for query in dataset.queries:
            if query not in taken:
                wordings.setdefault(wording(dataset.queries[query]), []).append(query)
        keys = list(wordings)
        for i in rng.permutation(len(keys)):
            if len(taken) + len(wordings[keys[i]]) <= wanted:
                taken.update(wordings[keys[i]])
    part = [query for query in dataset.queries if query in taken]
    rest = [query for query in dataset.queries if query not in taken]
    return subset(dataset, rest), replace(subset(dataset, part), split=DEV_SPLIT)


def _dev_by(wanted: DevBy, train: Dataset, test: Dataset, divided: bool) -> tuple[str, str]:
    """Return ("document" or "question", the reason), so that dev is to training as the test is."""
    if wanted != "auto":
        return wanted, ""
    if divided:
        return "document", ", as the test is"
    everything = _judged_relevant(test)
    known = shared_documents([train], test)
    by = "question" if known >= SHARED * len(everything) else "document"
    return (
        by,
        f", since {known} of the test's {counted(len(everything), 'relevant document', verb='are')} "
        f"in training too (limit: {SHARED:.0%})",
    )


def _by_question(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Divide into (rest, part) by questions, whatever their documents; equal wordings stay together."""
    from eval.tuning.tune import split_queries

    rest, part = split_queries(dataset, share, seed)
    return subset(dataset, rest.queries), replace(subset(dataset, part.queries), split=DEV_SPLIT)


def shared_documents(trained: Iterable[Dataset], test: Dataset) -> int:
    """Return the number of documents relevant in ``test`` and in one of ``trained``, by text, or by id without a text.

    Texts count because separate files may use one id for two texts.

    >>> train = Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1, "d2": 1}})
    >>> shared_documents([train], Dataset("mine", {}, {"t1": "Where?"}, {"t1": {"d2": 1, "d3": 1}}))
    1
    """
    known = {_text(part, document) or document for part in trained for document in _judged_relevant(part)}
    return sum((_text(test, document) or document) in known for document in _judged_relevant(test))


def _judged_relevant(dataset: Dataset) -> set[str]:
    return {document for query in dataset.queries for document in dataset.relevant(query)}


def _read(
    source: str | Path | Dataset, train_split: str, test_split: str, holdout: float, seed: int
) -> tuple[Dataset, Dataset | None, Dataset, list[str], bool]:
    """Return (train, dev or None, test, notes, divided)."""
    if isinstance(source, Dataset):
        return *_divided(source, holdout, seed), True
    if train_split == test_split:
        raise SettingsError(
            f"training and test split are both {test_split!r}", remedy="name two, or leave --train-split out"
        )
    place = Path(source).expanduser()
    known = splits_of(place) if place.exists() or spec_parts(place) else None
    test = load_dataset(source, test_split) if not known or find_split(known, test_split) else None
    if known is None and test is not None:
        known = splits_of(Path(test.path))  # the dataset may have been downloaded
    trained = find_split(known or [], train_split)
    if trained is None:
        if test is None:
            raise SourceError(
                f"{source} has neither a split {train_split!r} nor {test_split!r}",
                remedy=f"use --train-split with one of: {', '.join(known or [])}",
            )
        return *_divided(test, holdout, seed, _unused(known or [], test_split)), True
    train, notes = load_dataset(source, trained), []
    own = find_split(known or [], DEV_SPLIT)
    if test is None and test_split == TEST_SPLIT and own not in (None, trained):
        test, own = load_dataset(source, own), None
        notes.append(f"there is no split {test_split!r}: the questions of {test.split!r} are the test")
    if test is None:
        return *_divided(train, holdout, seed, _unused(known or [], trained)), True
    dev = load_dataset(source, own) if own not in (None, trained, find_split(known or [], test_split)) else None
    for part in (train, dev):
        if part is not None and part.corpus_hash == test.corpus_hash:
            part.corpus = test.corpus  # one copy in memory
    notes += [f"the dataset's own split {own!r} is dev"] if dev is not None else []
    return replace(train, split=train_split), dev, test, [*test.notes, *notes], False


def _unused(known: Sequence[str], used: str) -> list[str]:
    """Return a note for each split that training could have used."""
    rest = [name for name in known if name != find_split(known, used)]
    return [f"the split {name!r} is not used (--train-split {name} trains on it)" for name in rest]


def _divided(
    dataset: Dataset, holdout: float, seed: int, others: Sequence[str] = ()
) -> tuple[Dataset, None, Dataset, list[str]]:
    usable = _usable(dataset, notes := [*dataset.notes, *others])
    rest, part = divide(usable, holdout, seed)
    one = "only one split is used" if others else "there is only one split"
    notes.append(f"{one}: {len(part.queries)} of its {counted(len(usable.queries), 'question', verb='are')} the test")
    return replace(rest, split="train"), None, part, notes


def _apart(dataset: Dataset, others: Sequence[Dataset]) -> tuple[Dataset, int]:
    """Return the dataset without questions that are in ``others``, and the number of those."""
    rest = without(dataset, others)
    return rest, len(dataset.queries) - len(rest.queries)


def _usable(dataset: Dataset, notes: list[str]) -> Dataset:
    """Return the dataset with only the questions that have a relevant document with text."""
    kept = [q for q in dataset.queries if any(_text(dataset, d) for d in dataset.relevant(q))]
    if missing := len(dataset.queries) - len(kept):
        notes.append(
            f"{counted(missing, f'{dataset.split} question', verb='have')} no relevant document with text "
            f"and {agreed(missing, 'are')} left out"
        )
        return subset(dataset, kept)
    return dataset


def _groups(dataset: Dataset) -> list[list[str]]:
    """Return groups of queries that are connected by a relevant document or by wording."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for query, text in dataset.queries.items():
        for link in (f"w {wording(text)}", *(f"d {document}" for document in dataset.relevant(query))):
            parent[root(link)] = root(f"q {query}")
    found: dict[str, list[str]] = {}
    for query in dataset.queries:
        found.setdefault(root(f"q {query}"), []).append(query)
    return list(found.values())


def _drawn(queries: list[str], count: int, seed: int) -> list[str]:
    chosen = set(np.random.default_rng(seed).permutation(len(queries))[:count].tolist())
    return [query for place, query in enumerate(queries) if place in chosen]


def _text(dataset: Dataset, document: str) -> str:
    passage = dataset.corpus.get(document)
    return passage.content.strip() if passage else ""
