"""compare: which of several runs is better, by how much, and whether these queries are enough to tell.

Values are paired by query. Each comparison gives, per measure, the mean difference, its 95 % bootstrap interval, the p
value of a paired randomisation test, Holm-corrected over the comparisons of that measure, and wins, ties and losses.
The first measure decides the verdicts.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from eval.comparing.latency import LATENCY, Slower, latency, slower
from eval.comparing.mean_of_seeds import Repeats, mean_values, repeats_note
from eval.comparing.significance import SEED, Paired, holm, p_sign, paired
from eval.measure.metrics import DEFAULT_MEASURES, Measure, Qrels, parse_measures, ranks_of, shown
from eval.measure.runs import Run
from indexes.display import counted
from indexes.errors import SettingsError, SourceError
from indexes.plain import Plain

Against = Literal["first", "previous", "all"]
Decision = Literal["keep", "drop", "no worse", "no evidence"]

LEVELS = tuple(step / 10 for step in range(11))  # recall levels of the precision-recall curve


@dataclass(slots=True)
class Scored:
    """A scored run: means, values per query, (p50, p95) milliseconds per stage, precision at 11 recall levels.

    >>> runs = [Run("a", {"q1": [("d1", 0.9)]}), Run("b", {"q1": [("d2", 0.9)]})]
    >>> [(run.name, run.mean) for run in compare(runs, {"q1": {"d1": 1}}, ["RR@10"]).runs]
    [('a', {'RR@10': 1.0}), ('b', {'RR@10': 0.0})]
    """

    name: str
    mean: dict[str, float]
    per_query: dict[str, dict[str, float]]
    latency: dict[str, tuple[float, float]]
    curve: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Return the run as plain data for JSON, without the values per query."""
        latency = {stage: {"p50_ms": p50, "p95_ms": p95} for stage, (p50, p95) in self.latency.items()}
        return {"name": self.name, "mean": self.mean, "latency": latency, "precision_at_recall": self.curve}


@dataclass(slots=True)
class Difference:
    """``run`` minus ``against`` in one measure; ``p_holm`` is corrected over the comparisons of this measure.

    >>> qrels = {f"q{i}": {"d": 1} for i in range(8)}
    >>> good, bad = (Run(name, {q: [(d, 0.9)] for q in qrels}) for name, d in (("good", "d"), ("bad", "x")))
    >>> difference = compare([bad, good], qrels, ["RR@10"]).difference("good", "RR@10")
    >>> difference.against, difference.paired.difference, difference.paired.wins
    ('bad', 1.0, 8)
    """

    run: str
    against: str
    measure: str
    paired: Paired
    p_holm: float

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as plain data for JSON."""
        own = {"run": self.run, "against": self.against, "measure": self.measure}
        return own | self.paired.as_dict() | {"p_holm": self.p_holm}


@dataclass(slots=True)
class Verdict:
    """Whether to keep the step from ``against`` to ``run``, and why, in one sentence.

    ``latency`` is None if the runs have too few timings to compare.

    >>> qrels = {f"q{i}": {"d": 1} for i in range(8)}
    >>> good, bad = (Run(name, {q: [(d, 0.9)] for q in qrels}) for name, d in (("good", "d"), ("bad", "x")))
    >>> compare([bad, good], qrels, ["RR@10"]).verdicts[0].sentence
    'keep: +1.0000 MRR@10 (+1.0000 to +1.0000, p = 0.0078)'
    """

    run: str
    against: str
    decision: Decision
    sentence: str
    latency: Slower | None = None


@dataclass(slots=True)
class Comparison(Plain):
    """The result of ``compare``, and the input of ``eval.report``. ``measures[0]`` decides the verdicts.

    >>> same = [Run(name, {"q1": [("d1", 0.9)]}) for name in ("a", "b")]
    >>> found = compare(same, {"q1": {"d1": 1}}, ["RR@10"], title="No change")
    >>> found.title, found.queries, found.difference("b", "RR@10").paired.ties
    ('No change', 1, 1)
    """

    measures: list[str]
    runs: list[Scored]
    differences: list[Difference]
    verdicts: list[Verdict]
    queries: int
    alpha: float
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    title: str = ""

    def difference(self, run: str, measure: str, against: str | None = None) -> Difference | None:
        """Return the difference of a run in one measure, None if there is none; ``against`` None: the first."""
        found = (d for d in self.differences if d.run == run and d.measure == measure)
        return next((d for d in found if against in (None, d.against)), None)


def compare(
    runs: Sequence[Run | Repeats],
    qrels: Qrels,
    measures: Sequence[str | Measure] = DEFAULT_MEASURES,
    *,
    against: Against = "first",
    baseline: str | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
    seed: int = SEED,
    title: str = "",
) -> Comparison:
    """Compare runs of one dataset.

    Args:
        runs: two or more with different names; ``Repeats`` count as the mean of their runs, query by query.
        qrels: the judgements of their dataset.
        measures: the first one decides the verdicts.
        against: "first" compares each run with the first, "previous" with the one before it (an ablation), "all" all
            pairs.
        baseline: name of the run to treat as the first.
        alpha: a difference is significant if its corrected p value is below this.
        margin: relative loss that does not matter. If there is no significant difference and the whole interval lies
            above this loss, the verdict is "no worse" (a one-sided 2.5 % non-inferiority test, not corrected).
        seed: random seed of the tests.
        title: title for reports.

    Raises:
        SettingsError: there are fewer than two runs, two have the same name, or none has the baseline's name.
        SourceError: no judged query is covered by the runs.

    >>> qrels = {f"q{i}": {"d1": 1} for i in range(10)}
    >>> old = Run("old", {query: [("d2", 2.0), ("d1", 1.0)] for query in qrels})
    >>> new = Run("new", {query: [("d1", 1.0)] for query in qrels})
    >>> compare([old, new], qrels, ["RR@10"]).verdicts[0].sentence
    'keep: +0.5000 MRR@10 (+0.5000 to +0.5000, p = 0.0020)'
    """
    ordered = _ordered(runs, baseline)
    wanted = [str(measure) for measure in parse_measures(measures)]
    if not wanted:
        raise SettingsError("there is no measure to compare by", remedy="name one, such as NDCG@10")
    queries, warnings = _coverage([run for one in ordered for run in _runs_of(one)], qrels)
    kept = {query: qrels[query] for query in queries}
    scored: list[Scored] = []
    notes: dict[str, None] = {}
    for one in ordered:
        members = [_scored(run, queries, kept, wanted, notes) for run in _runs_of(one)]
        if isinstance(one, Repeats):
            notes[repeats_note(one.name, wanted[0], [member.mean[wanted[0]] for member in members])] = None
        scored.append(members[0] if isinstance(one, Run) else _mean(one.name, members))
    pairs = _pairs(scored, against)
    differences = [d for measure in wanted for d in _differences(pairs, measure, seed)]
    result = Comparison(wanted, scored, differences, [], len(queries), alpha, warnings, list(notes), title)
    by_name = {one.name: one for one in ordered}
    result.verdicts = [
        _verdict(result, new, old, _slower(by_name[new.name], by_name[old.name]), margin) for new, old in pairs
    ]
    if any(run.latency for run in scored):
        result.notes.append(LATENCY)
    return result


def _runs_of(one: Run | Repeats) -> Sequence[Run]:
    return [one] if isinstance(one, Run) else one.runs


def _scored(run: Run, queries: Sequence[str], kept: Qrels, measures: Sequence[str], notes: dict[str, None]) -> Scored:
    scores = run.score(kept, list(measures))
    notes.update(dict.fromkeys(note for note in scores.notes if "the run" not in note))
    curve = precision_recall(run.results, kept)
    return Scored(run.name, scores.mean, scores.per_query, latency(run, queries), curve)


def _mean(name: str, members: Sequence[Scored]) -> Scored:
    """Return the mean of several scored runs, without latency."""
    values = mean_values([member.per_query for member in members])
    means = {measure: float(np.mean([member.mean[measure] for member in members])) for measure in members[0].mean}
    curve = [float(value) for value in np.mean([member.curve for member in members], axis=0)]
    return Scored(name, means, values, {}, curve)


def _slower(new: Run | Repeats, old: Run | Repeats) -> Slower | None:
    return slower(new, old) if isinstance(new, Run) and isinstance(old, Run) else None


def precision_recall(results: Mapping[str, Sequence[tuple[str, float]]], qrels: Qrels) -> list[float]:
    """Return the interpolated precision at recall 0.0, 0.1, ... 1.0, averaged over queries with a relevant document.

    >>> precision_recall({"q1": [("d1", 2.0), ("d2", 1.0)]}, {"q1": {"d2": 1}})[:3]
    [0.5, 0.5, 0.5]
    """
    rows = []
    for query, judged in qrels.items():
        relevant = {document: gain for document, gain in judged.items() if gain > 0}
        if not relevant:
            continue
        ranks = [rank for rank, _ in ranks_of(query, results.get(query) or [], relevant)]
        points = [(number / len(relevant), number / rank) for number, rank in enumerate(ranks, start=1)]
        rows.append([max((p for recall, p in points if recall >= level - 1e-9), default=0.0) for level in LEVELS])
    return [float(value) for value in np.mean(rows, axis=0)] if rows else [0.0] * len(LEVELS)


def _ordered(runs: Sequence[Run | Repeats], baseline: str | None) -> list[Run | Repeats]:
    names = [run.name for run in runs]
    if len(runs) < 2:
        raise SettingsError(
            f"there {'is only one run' if runs else 'are no runs'} to compare", remedy="name two or more"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"two runs are named {twice[0]!r}", remedy="give each run a different name")
    if baseline is None:
        return list(runs)
    if baseline not in names:
        raise SettingsError(f"no run is named {baseline!r}", remedy=f"use one of {', '.join(names)} as the baseline")
    return sorted(runs, key=lambda run: run.name != baseline)


def _coverage(runs: Sequence[Run], qrels: Qrels) -> tuple[list[str], list[str]]:
    """Return the queries to compare on, and warnings about differences in what the runs cover."""
    warnings = []
    hashes = {run.dataset for run in runs if run.dataset}
    if len(hashes) > 1:
        where = ", ".join(f"{run.name} on {run.dataset or 'unknown'}" for run in runs)
        warnings.append(f"the runs were made on different datasets ({where}): only queries common to all of them count")
    covered = [set(run.results) & set(qrels) for run in runs]
    union, common = set[str]().union(*covered), set.intersection(*covered)
    if union != common:
        counts = ", ".join(f"{run.name} {len(own)}" for run, own in zip(runs, covered, strict=True))
        what = "only the common ones count" if len(hashes) > 1 else "a query missing from a run scores 0"
        warnings.append(f"the runs cover different queries ({counts} of {len(qrels)}): {what}")
    # In one dataset, a missing query found nothing (TREC files have no line for it); it counts as in trec_eval -c.
    queries = [query for query in qrels if query in (common if len(hashes) > 1 else union)]
    if len(queries) < len(qrels) and union == common:
        warnings.append(f"{len(qrels) - len(queries)} judged queries are in none of the runs and are left out")
    if not queries:
        raise SourceError("these runs cover no judged query", remedy="compare runs of the dataset with the judgements")
    return queries, warnings


def _pairs(scored: Sequence[Scored], against: Against) -> list[tuple[Scored, Scored]]:
    if against == "previous":
        return [(new, old) for old, new in itertools.pairwise(scored)]
    if against == "all":
        return [(scored[j], scored[i]) for i in range(len(scored)) for j in range(i + 1, len(scored))]
    return [(new, scored[0]) for new in scored[1:]]


def _differences(pairs: Sequence[tuple[Scored, Scored]], measure: str, seed: int) -> list[Difference]:
    columns = []
    for new, old in pairs:
        a, b = new.per_query[measure], old.per_query[measure]
        columns.append(np.array([a[query] - b[query] for query in a if query in b]))
    if len({len(column) for column in columns}) == 1:
        results = paired(np.stack(columns, axis=1), seed=seed)
    else:  # window measures may cover different queries in each run
        results = [paired(column, seed=seed)[0] for column in columns]
    corrected = holm([result.p for result in results])
    return [
        Difference(new.name, old.name, measure, result, p)
        for (new, old), result, p in zip(pairs, results, corrected, strict=True)
    ]


def _verdict(comparison: Comparison, new: Scored, old: Scored, time: Slower | None, margin: float | None) -> Verdict:
    measure = comparison.measures[0]
    found = comparison.difference(new.name, measure, old.name)
    if found is None:
        raise SourceError(f"{new.name} was not compared with {old.name}", remedy="compare them together")
    numbers = found.paired
    interval = f"{numbers.low:+.4f} to {numbers.high:+.4f}"
    what = f"{numbers.difference:+.4f} {shown(measure)} ({interval}, p {p_sign(found.p_holm)})"
    cost = f", {time}" if time else ""
    if found.p_holm < comparison.alpha:
        decision: Decision = "keep" if numbers.difference > 0 else "drop"
        return Verdict(new.name, old.name, decision, f"{decision}: {what}{cost}", time)
    limit = None if margin is None else margin * old.mean[measure]
    if limit is not None and numbers.low >= -limit:
        worst = f"at worst {max(0.0, -numbers.low):.4f} lower, within the margin of {limit:.4f} ({margin:.1%})"
        return Verdict(new.name, old.name, "no worse", f"no worse: {what}{cost}; {worst}", time)
    if numbers.wins + numbers.losses == 0:
        reason = f"all {counted(numbers.queries, 'query', verb='score')} the same"
    elif numbers.needed is None:
        reason = "the mean difference is 0"
    elif numbers.needed <= numbers.queries:
        reason = "it does not survive correction for the number of comparisons, or rests on few queries"
    else:
        reason = f"about {counted(numbers.needed, 'query', verb='are')} needed to show a difference of this size"
    sentence = f"no evidence with these {counted(numbers.queries, 'query')}: {what}{cost}; {reason}"
    return Verdict(new.name, old.name, "no evidence", sentence, time)
