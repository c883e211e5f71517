"""Measure which prompt suits a small model, and which signals tell its right answers from invented ones.

Each question is asked once per layout (the settings of a pipeline), every second question without the documents that
answer it. The model's answers and the signals of ``rag.answer.refusal.signals`` are saved as JSON lines, so an
interrupted run can be resumed; ``rag-eval calibrate --answers`` fits a refusal model on them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.datasets.rows import KeptRows
from eval.gold import contains
from eval.measure.finder import parallel_of
from eval.ticks import Tick, side_by_side
from indexes.display import counted
from indexes.errors import LLMError, SourceError

DEFAULTS = {
    "rules": "rules=answer.layout:rules,top_n:3,window:2",
    "plain": "plain=answer.layout:plain,top_n:3,window:1,answer.context_tokens:320",
    "both": "both=answer.layout:both,top_n:3,window:1,answer.context_tokens:320",
    "short": "short=answer.layout:plain,top_n:2,window:1,answer.context_tokens:160",
    "wide": "wide=answer.layout:plain,top_n:5,window:1,answer.context_tokens:512",
    "deep": "deep=answer.layout:plain,top_n:2,window:4,answer.context_tokens:512",
}
REMEDY = "name a file that 'rag-eval layouts' wrote"
GUESS = 25.0  # seconds per answer, until one is measured


@dataclass(frozen=True, slots=True)
class LayoutQuestion:
    """One question of one dataset, and the documents that may be used to answer it.

    >>> one = LayoutQuestion("guide", "q1", "When?", [["6"]], answerable=False, documents=("other.md",))
    >>> one.answerable, one.documents  # its own document is left out
    (False, ('other.md',))
    """

    dataset: str
    query: str
    text: str
    gold: list[list[str]]
    answerable: bool
    documents: tuple[str, ...]


@dataclass(slots=True)
class Kept:
    """One saved answer.

    >>> asked = {"model": "qwen3:8b", "settings": {"top_n": "3"}, "answerable": True, "signals": {"support": 1.0}}
    >>> kept = Kept("guide", "q1", "plain", text="At 6 [1].", right=True, refused=False, **asked)
    >>> kept.key
    ('guide', 'q1', True, 'qwen3:8b', (('top_n', '3'),))

    Args:
        layout, model: layout and model that were asked; ``settings`` are the layout's settings.
        right: whether it contains the gold answer; False for a question without its documents.
        refused: whether the model itself refused to answer.
        signals: see ``rag.answer.refusal.signals``.
        seconds: duration of the whole answer; ``first_word``: seconds until the prompt was read.
    """

    dataset: str
    query: str
    layout: str
    model: str
    settings: dict[str, str]
    answerable: bool
    text: str
    right: bool
    refused: bool
    signals: dict[str, float | None]
    prompt_tokens: int | None = None
    first_word: float | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies the question, layout and model."""
        return (self.dataset, self.query, self.answerable, self.model, tuple(sorted(self.settings.items())))


class AnswerFile:
    """Answers saved as JSON lines; the last line of a question, layout and model counts.

    >>> asked = {"model": "qwen3:8b", "settings": {"top_n": "3"}, "answerable": True, "signals": {"support": 1.0}}
    >>> kept = Kept("guide", "q1", "plain", text="At 6 [1].", right=True, refused=False, **asked)
    >>> AnswerFile(folder / "answers.jsonl").add(kept)
    >>> kept.key in AnswerFile(folder / "answers.jsonl").rows  # an interrupted run goes on from there
    True

    Raises:
        SourceError: a line is not an answer.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._file = KeptRows(path, "an answer", REMEDY, read_only=read_only)
        try:
            answers = [Kept(**row) for row in self._file.rows]
        except TypeError as error:
            raise SourceError(f"a line of {path} is not an answer ({error})", remedy=REMEDY) from error
        self.rows = {row.key: row for row in answers}

    def add(self, row: Kept) -> None:
        """Save an answer; it is in the file when this returns."""
        self.rows[row.key] = row
        self._file.add(asdict(row))


def read_answers(path: Path) -> list[Kept]:
    """Read the answers of a file.

    >>> asked = {"model": "qwen3:8b", "settings": {"top_n": "3"}, "answerable": True, "signals": {"support": 1.0}}
    >>> kept = Kept("guide", "q1", "plain", text="At 6 [1].", right=True, refused=False, **asked)
    >>> AnswerFile(folder / "answers.jsonl").add(kept)
    >>> [row.text for row in read_answers(folder / "answers.jsonl")]
    ['At 6 [1].']

    Raises:
        SourceError: the file cannot be read, or a complete line is not an answer.
    """
    return list(AnswerFile(path, read_only=True).rows.values())


def cut_documents(dataset: Dataset, most: int) -> Dataset:
    """Return the dataset with about ``most`` documents: all relevant ones, then other judged ones, then the rest.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {name: CorpusPassage(name, text=name) for name in ("d1", "d2", "d3")}
    >>> list(cut_documents(Dataset("mine", corpus, {"q1": "?"}, {"q1": {"d3": 1}}), 2).corpus)
    ['d1', 'd3']
    """
    if len(dataset.corpus) <= most:
        return dataset
    judged = dict.fromkeys(d for q in dataset.queries for d in dataset.qrels.get(q, {}) if d in dataset.corpus)
    relevant = [d for d in judged if any(d in dataset.relevant(q) for q in dataset.queries)]
    order = dict.fromkeys([*relevant, *judged, *dataset.corpus])
    kept = set(list(order)[: max(most, len(relevant))])
    note = (
        f"{counted(len(kept), 'document', of=len(dataset.corpus), verb='are')} "
        "indexed, those judged for the questions first"
    )
    return replace(
        dataset,
        corpus={name: passage for name, passage in dataset.corpus.items() if name in kept},
        qrels={q: {d: gain for d, gain in judged.items() if d in kept} for q, judged in dataset.qrels.items()},
        notes=[*dataset.notes, note],
    )


def questions_of(dataset: Dataset) -> list[LayoutQuestion]:
    """Return the dataset's questions, every second one without the documents that answer it.

    Those are the relevant ones and, since judgements are incomplete, those that contain the gold answer.

    Raises:
        SourceError: no question has gold answers and relevant documents.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {"d1": CorpusPassage("d1", text="Three months."), "d2": CorpusPassage("d2", text="Blue.")}
    >>> gold = {name: {"answers": ["three months"]} for name in ("q1", "q2")}
    >>> dataset = Dataset("mine", corpus, {"q1": "?", "q2": "?"}, {"q1": {"d1": 1}, "q2": {"d1": 1}}, gold)
    >>> [question.documents for question in questions_of(dataset)]
    [('d1', 'd2'), ('d2',)]
    """
    asked: list[LayoutQuestion] = []
    for query, text in dataset.queries.items():
        gold, relevant = dataset.answers(query), set(dataset.relevant(query))
        if not gold or not relevant:
            continue
        answerable = len(asked) % 2 == 0
        documents = tuple(
            name
            for name, passage in dataset.corpus.items()
            if answerable or not (name in relevant or contains(passage.content, gold))
        )
        asked.append(LayoutQuestion(dataset.name, query, text, gold, answerable, documents))
    if not asked:
        raise SourceError(
            f"{dataset.name} has no question with gold answers and relevant documents",
            remedy="use a dataset with 'answers' in its questions",
        )
    return asked


def in_turn(lists: Sequence[Sequence[LayoutQuestion]]) -> Iterator[LayoutQuestion]:
    """Yield the questions of all datasets in turn, so that an interrupted run is balanced.

    >>> of = lambda dataset, query: LayoutQuestion(dataset, query, "When?", [["6"]], True, ("d1",))
    >>> lists = [[of("guide", "q1"), of("guide", "q2")], [of("rules", "q1")]]
    >>> [(one.dataset, one.query) for one in in_turn(lists)]
    [('guide', 'q1'), ('rules', 'q1'), ('guide', 'q2')]
    """
    for place in range(max(map(len, lists), default=0)):
        yield from (one[place] for one in lists if place < len(one))


def ask(engine: Any, question: LayoutQuestion, layout: str, settings: Mapping[str, str], model: str) -> Kept:
    """Ask one question in one layout.

    >>> from types import SimpleNamespace
    >>> refusal = {"text": "At 6 [1].", "decided_by": "signals", "signals": {"support": 1.0}}
    >>> response = SimpleNamespace(metadata={"trace": {"refusal": refusal, "llm": {"prompt_tokens": 300}, "notes": []}})
    >>> engine = SimpleNamespace(answer=lambda text, only: response)
    >>> question = LayoutQuestion("guide", "q1", "When?", [["6"]], True, ("harbour.md",))
    >>> kept = ask(engine, question, "plain", {}, "qwen3:8b")
    >>> kept.text, kept.right, kept.refused, kept.prompt_tokens
    ('At 6 [1].', True, False, 300)

    Args:
        engine: a query engine of ``rag.build_query_engine`` over the question's dataset, whose writer weighs signals.
    """
    from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

    names = list(question.documents)
    only = MetadataFilters(filters=[MetadataFilter(key="source", value=names, operator=FilterOperator.IN)])
    started = time.perf_counter()
    response = engine.answer(question.text, only)
    seconds = time.perf_counter() - started
    trace = (response.metadata or {})["trace"]
    found = trace["refusal"]
    if not found:  # the model was not asked, or failed: an extractive answer measures nothing here
        raise LLMError(
            f"the model did not answer '{question.text}' ({'; '.join(trace['notes'])})",
            remedy="fix that, then run the same command again: saved answers are not asked again",
        )
    text = str(found.get("text", ""))
    prompt_ms = trace["llm"].get("prompt_ms")
    return Kept(
        dataset=question.dataset,
        query=question.query,
        layout=layout,
        model=model,
        settings=dict(settings),
        answerable=question.answerable,
        text=text,
        right=bool(question.answerable and contains(text, question.gold)),
        refused=found.get("decided_by") == "itself" or not text.strip(),
        signals=dict(found.get("signals", {})),
        prompt_tokens=trace["llm"].get("prompt_tokens"),
        first_word=None if prompt_ms is None else round(prompt_ms / 1000, 2),
        seconds=round(seconds, 2),
        notes=list(trace["notes"]),
    )


def hours_left(rows: Iterable[Kept], left: int, model: str) -> tuple[float, float]:
    """Return (hours for ``left`` more answers, seconds per answer), from this model's saved answers or a guess.

    >>> hours_left([], 144, "any")
    (1.0, 25.0)
    """
    seconds = [row.seconds for row in rows if row.model == model]
    each = sum(seconds) / len(seconds) if seconds else GUESS
    return left * each / 3600, each


def run(
    engines: Mapping[tuple[str, str], Any],
    questions: Sequence[LayoutQuestion],
    layouts: Mapping[str, Mapping[str, str]],
    file: AnswerFile,
    model: str,
    *,
    progress: Tick | None = None,
) -> list[Kept]:
    """Ask what is not saved yet, and return the answers of this model to all questions in all layouts.

    >>> from types import SimpleNamespace
    >>> refusal = {"text": "At 6 [1].", "decided_by": "signals", "signals": {"support": 1.0}}
    >>> response = SimpleNamespace(metadata={"trace": {"refusal": refusal, "llm": {}, "notes": []}})
    >>> engine = SimpleNamespace(answer=lambda text, only: response)
    >>> questions = [LayoutQuestion("guide", "q1", "When?", [["6"]], True, ("harbour.md",))]
    >>> file, layouts = AnswerFile(folder / "answers.jsonl"), {"plain": {"answer.layout": "plain"}}
    >>> [row.right for row in run({("guide", "plain"): engine}, questions, layouts, file, "qwen3:8b")]
    [True]
    >>> len(run({("guide", "plain"): None}, questions, layouts, file, "qwen3:8b"))  # saved: nothing is asked
    1

    Args:
        engines: (dataset, layout) -> query engine.
        layouts: layout -> its settings, keyed by dotted names.
        model: name of the model.
    """
    rows = []

    def asked(one: tuple[LayoutQuestion, tuple[str, Mapping[str, str]]]) -> Kept:
        question, (name, settings) = one
        key = (question.dataset, question.query, question.answerable, model, tuple(sorted(settings.items())))
        row = file.rows.get(key)
        return ask(engines[question.dataset, name], question, name, settings, model) if row is None else row

    at_once = min(parallel_of(engine, answers=True) for engine in engines.values())
    for (_, (name, _)), row in side_by_side(asked, list(product(questions, layouts.items())), at_once, progress):
        if row.key not in file.rows:
            file.add(row)
        rows.append(replace(row, layout=name))
    return rows
