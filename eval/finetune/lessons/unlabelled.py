"""Questions without labels, for example from a log, which a teacher answers.

Labelled questions are few, but a teacher can score what the pipeline finds for any question. The student then learns
the teacher's order on texts without judgements, and overfits less to its few labelled questions.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.datasets.questions import wording
from eval.datasets.rows import BadRows, json_rows, lines, text_field
from eval.finetune.lessons.mining import deeper, ranked_documents, training_text
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.measure.cache import digest
from eval.measure.to_documents import Lifter
from eval.ticks import Tick, ticking
from indexes.display import agreed, counted
from indexes.errors import SourceError

if TYPE_CHECKING:
    from eval.datasets.dataset import Dataset
    from eval.finetune.lessons.mining import MiningOptions
    from rag.retrieval.hybrid import HybridRetriever

PREFIX = "unlabelled:"  # prefix of their ids
KEYS = ("text", "question", "query")  # keys of a JSON line; the first one present counts


@dataclass(frozen=True)
class Unlabelled:
    """Questions by id, without repeats, and notes on what was left out.

    >>> Unlabelled({"unlabelled:0": "When?"}).hash == Unlabelled({"unlabelled:9": "When?"}).hash
    True
    """

    questions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def hash(self) -> str:
        """16 hex digits over the questions."""
        return digest(list(self.questions.values()))


def read_unlabelled(paths: Sequence[str | Path], train: Dataset, held_out: Sequence[Dataset]) -> Unlabelled:
    r"""Read questions, one per line; repeated ones and those of the datasets are left out and counted.

    >>> from eval.datasets.dataset import Dataset
    >>> _ = (folder / "asked.txt").write_text("When does it open?\nWhat is the fee?\nwhat is the fee\n")
    >>> train = Dataset("mine", {}, {"q1": "When does it open?"}, {"q1": {"d1": 1}})
    >>> found = read_unlabelled([folder / "asked.txt"], train, held_out=[])
    >>> found.questions, found.notes
    ({'unlabelled:0': 'What is the fee?'}, ['1 question without labels is answered by the teacher; left out: 0 that
     something is measured on, 1 of training, 1 asked before'])

    Args:
        paths: text files, or ``.jsonl`` files with a "text", "question" or "query" per row (BEIR's queries.jsonl).
        train: labelled questions, which are used for training anyway.
        held_out: dev, test and the datasets on which forgetting is measured.

    Raises:
        SourceError: a file cannot be read or has bad rows, or no questions are left.
    """
    if not paths:
        return Unlabelled()
    measured, labelled = _wordings(*held_out), _wordings(train)
    bad = BadRows()
    read = [text for path in paths for text in _questions(Path(path).expanduser(), bad)]
    bad.raise_if_any()
    kept: dict[str, str] = {}
    left_out = {"that something is measured on": 0, "of training": 0, "asked before": 0}
    for text in read:
        said = wording(text)
        if said in measured or said in labelled:
            left_out["that something is measured on" if said in measured else "of training"] += 1
        elif said in kept:
            left_out["asked before"] += 1
        else:
            kept[said] = text
    if not kept:
        files = ", ".join(str(path) for path in paths)
        raise SourceError(
            f"{files}: none of {counted(len(read), 'question')} is new to the datasets",
            remedy="name a file with other questions, one per line",
        )
    questions = {f"{PREFIX}{number}": text for number, text in enumerate(kept.values())}
    others = ", ".join(f"{number} {what}" for what, number in left_out.items())
    note = (
        f"{counted(len(questions), 'question')} without labels {agreed(len(questions), 'are')} answered by the teacher"
    )
    note += f"; left out: {others}"
    return Unlabelled(questions, [note])


def _wordings(*parts: Dataset) -> set[str]:
    return {wording(text) for part in parts for text in part.queries.values()}


def _questions(path: Path, bad: BadRows) -> Iterable[str]:
    if not path.is_file():
        raise SourceError(
            f"{path} is not a file of questions", remedy="name a text or .jsonl file with one question per line"
        )
    found = []
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        for number, line in lines(path):
            if "\0" in line:
                bad.add(path, number, "is not text")
            else:
                found.append(line.strip())
        return found
    for number, row in json_rows(path, bad):
        text = next((text for key in KEYS if (text := text_field(row, key)) and text.strip()), None)
        if text is None:
            bad.add(path, number, f"needs a text for one of {', '.join(KEYS)}")
        else:
            found.append(text.strip())
    return found


def unlabelled_lists(
    retriever: HybridRetriever,
    train: Dataset,
    questions: Mapping[str, str],
    options: MiningOptions,
    *,
    texts: int,
    progress: Tick | None = None,
) -> TrainingSet:
    """Return what the pipeline finds for each question: its first text, and others drawn as deep as negatives are.

    All of them are listed as negatives until the teacher chooses the best (``best_first``).

    Args:
        texts: number of texts per question, as many as a training list holds, since each question is seen only once.
    """
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    deep = deeper(retriever, options.depth)
    lifter = Lifter(train, retriever.index)
    found = TrainingSet([], {})
    for query, question in ticking(questions.items(), progress):
        places = ranked_documents(deep, lifter, question, options.depth).values()
        known = [place for place in places if place.name in train.corpus][: options.negatives + 1]
        if len(known) > 1:
            drawn = draw.sample(known[1:], min(texts, len(known)) - 1)
            kept = [
                training_text(deep, train, question, place.name, place, options.unit)
                for place in sorted([known[0], *drawn], key=lambda place: place.rank)
            ]
            found.texts.update(kept)
            found.examples.append(Example(query, question, (), tuple(name for name, _ in kept)))
    return found


def best_first(found: TrainingSet, scores: Mapping[str, Mapping[str, float]]) -> list[Example]:
    """Return the examples with the teacher's best text as positive, without those with fewer than two scores.

    >>> found = TrainingSet([Example("q1", "How long?", (), ("d1", "d2"))], {"d1": "Blue.", "d2": "Three months."})
    >>> best_first(found, {"q1": {"d1": 0.1, "d2": 0.9}})[0].positives
    ('d2',)
    """
    examples = []
    for example in found.examples:
        known = scores.get(example.query, {})
        names = [name for name in example.negatives if name in known]
        if len(names) > 1:
            best = max(names, key=lambda name: known[name])
            content = wording(found.texts[best])
            rest = tuple(name for name in names if wording(found.texts[name]) != content)
            if rest:
                examples.append(replace(example, positives=(best,), negatives=rest))
    return examples
