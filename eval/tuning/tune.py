"""tune: choose fusion, window and reranker depth on training questions, and measure the choice on others.

The choice is greedy, one axis after the other, by the mean of one measure. Its value is estimated by cross-validation:
the whole choice is repeated without each fold and measured on that fold. The choice on all training questions is then
compared with the original settings on the test questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.comparing.significance import Paired, paired
from eval.datasets.dataset import Dataset
from eval.datasets.questions import shared, subset, wording
from indexes.display import counted
from indexes.errors import SettingsError
from indexes.plain import Plain

Changes = Mapping[str, Any]
Axis = Sequence[Changes]
PerQuery = Callable[[Changes], Mapping[str, float]]

WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FUSION: Axis = (
    *(
        {"retrieval.fusion": "minmax", "retrieval.dense_weight": w, "retrieval.sparse_weight": round(1 - w, 2)}
        for w in WEIGHTS
    ),
    {"retrieval.fusion": "rrf"},
    {"retrieval.fusion": "dense"},
    {"retrieval.fusion": "sparse"},
)
DEPTH: Axis = tuple({"rerank.depth": depth} for depth in (10, 20, 50, 100))
WINDOW: Axis = tuple({"retrieval.window": window} for window in (0, 1, 2, 3, 5))


@dataclass(slots=True)
class TuneResult(Plain):
    """The chosen settings, and how much they improve.

    Args:
        changes: dotted settings that differ from the base; {} if nothing was better.
        measure: the measure that decided.
        train_base, train_best: means on the training questions; the second is optimistic, since it was chosen there.
        held_out: cross-validated mean on the training questions.
        test: chosen minus base on the test questions.
        test_base, test_best: means on the test questions.
        tried: number of configurations measured.
        agreed: share of the folds that made the same choice as all training questions together.
    """

    changes: dict[str, Any]
    measure: str
    train_base: float
    train_best: float
    held_out: float
    test: Paired
    test_base: float
    test_best: float
    tried: int
    agreed: float
    notes: list[str] = field(default_factory=list)


def check_apart(train: Dataset, test: Dataset) -> None:
    """Refuse to tune and test on the same questions, by id or by wording.

    >>> train = Dataset("mine", {}, {"q1": "When does it open?"}, {"q1": {"d1": 1}})
    >>> check_apart(train, Dataset("mine", {}, {"t1": "when does it open"}, {"t1": {"d1": 1}}))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: 1 of 1 test question is also in training ('t1'); remove them from training with
     --drop-shared, or divide one split with --holdout 0.5

    Raises:
        SettingsError: the two share questions, or one has none.
    """
    if same := shared(test, [train]):
        examples = ", ".join(repr(query) for query in sorted(same)[:3])
        raise SettingsError(
            f"{counted(len(same), 'test question', of=len(test.queries), verb='are')} also in training ({examples})",
            remedy="remove them from training with --drop-shared, or divide one split with --holdout 0.5",
        )
    if not train.queries or not test.queries:
        raise SettingsError("the training or the test split has no questions", remedy="choose other splits")


def split_queries(dataset: Dataset, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Divide one split into (train, test); questions of equal wording stay together.

    Args:
        share: share of the questions for the test, 0 to 1.
        seed: random seed.

    >>> whole = Dataset("mine", {}, {"q1": "A?", "q2": "B?", "q3": "C?"}, {"q1": {}, "q2": {}, "q3": {}})
    >>> [len(part.queries) for part in split_queries(whole, 0.34)]
    [2, 1]
    """
    groups: dict[str, list[str]] = {}
    for query, text in dataset.queries.items():
        groups.setdefault(wording(text), []).append(query)
    keys = sorted(groups)
    order = np.random.default_rng(seed).permutation(len(keys))
    chosen = {query for i in order[: max(1, round(share * len(keys)))] for query in groups[keys[i]]}

    kept = {wanted: [query for query in dataset.queries if (query in chosen) == wanted] for wanted in (False, True)}
    return subset(dataset, kept[False]), subset(dataset, kept[True])


def choose(values: PerQuery, axes: Sequence[Axis], queries: Sequence[str]) -> dict[str, Any]:
    """Choose greedily, axis by axis, by the mean over ``queries``; an equal mean changes nothing.

    >>> def values(changes):
    ...     return {"q1": 0.5 + 0.1 * changes.get("retrieval.window", 0)}
    >>> choose(values, [[{"retrieval.window": 1}, {"retrieval.window": 3}]], ["q1"])
    {'retrieval.window': 3}
    """
    best: dict[str, Any] = {}
    reached = _mean(values(best), queries)
    for axis in axes:
        start = dict(best)
        for point in axis:
            tried = {**start, **point}
            mean = _mean(values(tried), queries)
            if mean > reached + 1e-9:
                best, reached = tried, mean
    return best


def tune(
    train_values: PerQuery,
    test_values: PerQuery,
    axes: Sequence[Axis],
    train: Dataset,
    test: Dataset,
    *,
    measure: str,
    folds: int = 5,
    seed: int = 0,
) -> TuneResult:
    """Choose on ``train``, cross-validate the choice, and measure it on ``test``.

    >>> def asked(name):
    ...     queries = {f"{name} {i}": f"{name} {i}?" for i in range(9)}
    ...     return Dataset("mine", {}, queries, {query: {"d1": 1} for query in queries}, split=name)
    >>> def measured(dataset):
    ...     return lambda changes: dict.fromkeys(dataset.qrels, 0.75 if changes else 0.5)
    >>> train, test, axis = asked("train"), asked("test"), [{"retrieval.fusion": "rrf"}]
    >>> found = tune(measured(train), measured(test), [axis], train, test, measure="RR@10")
    >>> found.changes, found.held_out, found.test.difference
    ({'retrieval.fusion': 'rrf'}, 0.75, 0.25)

    Args:
        train_values, test_values: changes -> query id -> value of the measure; called once per configuration.
        axes: each a list of alternatives, which are changes to the base settings.
        folds: number of folds of the cross-validation.
        seed: random seed of the folds.

    Raises:
        SettingsError: training and test share questions, or there are fewer training questions than folds.
    """
    check_apart(train, test)
    queries = list(train.qrels)
    if folds < 2 or len(queries) < folds:
        raise SettingsError(
            f"{counted(len(queries), 'training question', verb='are')} too few for {folds} folds",
            remedy="use --folds 2 or more questions",
        )
    memo: dict[tuple[tuple[str, Any], ...], Mapping[str, float]] = {}

    def values(changes: Changes) -> Mapping[str, float]:
        key = tuple(sorted(changes.items()))
        if key not in memo:
            memo[key] = train_values(changes)
        return memo[key]

    best = choose(values, axes, queries)
    held: dict[str, float] = {}
    agreed = 0
    order = [queries[i] for i in np.random.default_rng(seed).permutation(len(queries))]
    for fold in range(folds):
        out = order[fold::folds]
        chosen = choose(values, axes, [query for query in queries if query not in set(out)])
        agreed += chosen == best
        held |= {query: values(chosen)[query] for query in out}
    before = test_values({})
    after = test_values(best) if best else before
    (difference,) = paired([after[query] - before[query] for query in test.qrels])
    notes = [] if best else ["no other settings were better than the current ones"]
    if best and difference.p >= 0.05:
        notes.append(
            f"on the {counted(difference.queries, 'test question')} the difference "
            f"is not significant (p = {difference.p:.3f}): "
            "there is no evidence that the profile helps"
        )
    return TuneResult(
        changes=best,
        measure=measure,
        train_base=_mean(values({}), queries),
        train_best=_mean(values(best), queries),
        held_out=_mean(held, queries),
        test=difference,
        test_base=_mean(before, list(test.qrels)),
        test_best=_mean(after, list(test.qrels)),
        tried=len(memo),
        agreed=agreed / folds,
        notes=notes,
    )


def to_toml(found: TuneResult, profile: str) -> str:
    """Return a profile for rag.toml, with the figures as comments.

    >>> def asked(name):
    ...     queries = {f"{name} {i}": f"{name} {i}?" for i in range(9)}
    ...     return Dataset("mine", {}, queries, {query: {"d1": 1} for query in queries}, split=name)
    >>> def measured(dataset):
    ...     return lambda changes: dict.fromkeys(dataset.qrels, 0.75 if changes else 0.5)
    >>> train, test, axis = asked("train"), asked("test"), [{"retrieval.fusion": "rrf"}]
    >>> found = tune(measured(train), measured(test), [axis], train, test, measure="RR@10")
    >>> print(to_toml(found, "mine"))
    # RR@10, chosen among 2 configurations on training questions
    # training: 0.5000 before, 0.7500 chosen, 0.7500 held out
    # test: 0.5000 before, 0.7500 chosen (+0.2500, 95 % +0.2500 to +0.2500, p = 0.0039, 9 questions)
    [profiles.mine.retrieval]
    fusion = "rrf"
    """
    t = found.test
    lines = [
        f"# {found.measure}, chosen among {found.tried} configurations on training questions",
        f"# training: {found.train_base:.4f} before, {found.train_best:.4f} chosen, {found.held_out:.4f} held out",
        f"# test: {found.test_base:.4f} before, {found.test_best:.4f} chosen "
        f"({t.difference:+.4f}, 95 % {t.low:+.4f} to {t.high:+.4f}, p = {t.p:.4f}, {counted(t.queries, 'question')})",
        *(f"# {note}" for note in found.notes),
    ]
    sections: dict[str, list[str]] = {}
    for name, value in sorted(found.changes.items()):
        section, _, key = name.partition(".")
        sections.setdefault(section, []).append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}")
    for section, body in sections.items():
        lines += [f"[profiles.{profile}.{section}]", *body]
    return "\n".join(lines) + "\n"


def _mean(values: Mapping[str, float], queries: Sequence[str]) -> float:
    return float(np.mean([values[query] for query in queries]))
