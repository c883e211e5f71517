"""The content of the evaluation pages as plain rows: a run's questions, one question's trace, two runs compared."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eval.comparing.compare import Comparison, compare
from eval.comparing.failures import Failure, explain
from eval.pages.kept import Listed, Opened, open_run
from indexes.display import without_secrets
from indexes.errors import RagWrightError

CHANGED = 20  # number of improved and of worsened questions listed in a comparison
SAME = 1e-9


@dataclass(slots=True)
class MeanCell:
    """A mean, and its interval if the run could be opened.

    >>> MeanCell(0.8)  # a run that cannot be opened has no interval
    MeanCell(mean=0.8, low=None, high=None)
    """

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(slots=True)
class Group:
    """The runs of one dataset: ``rows`` holds (run, cells, reason why intervals are missing or "")."""

    about: str
    questions: int
    measures: list[str]
    rows: list[tuple[Listed, list[MeanCell | None], str]]


def run_groups(runs: Sequence[Listed], columns: int) -> list[Group]:
    """Group runs by dataset, with the intervals of the first ``columns`` measures.

    >>> from eval.measure.runs import Run, save_run
    >>> from eval.pages.kept import list_runs
    >>> known = {"questions": {"q1": "When?"}, "qrels": {"q1": {"d1": 1}}, "scores": {"RR@10": 1.0}}
    >>> _ = save_run(Run("base", {"q1": [("d1", 0.9)]}, **known), folder / "base")
    >>> [group] = run_groups(list_runs(folder), columns=1)
    >>> group.measures, group.rows[0][1]
    (['RR@10'], [MeanCell(mean=1.0, low=1.0, high=1.0)])
    """
    groups = []
    for about, members in itertools.groupby(runs, key=lambda run: run.about):
        own = list(members)
        measures = list(dict.fromkeys(name for run in own for name in run.scores))[:columns]
        groups.append(Group(about, own[0].questions, measures, [_row(run, measures) for run in own]))
    return groups


def _row(listed: Listed, measures: Sequence[str]) -> tuple[Listed, list[MeanCell | None], str]:
    known = {name: MeanCell(mean) for name, mean in listed.scores.items()}
    missing = ""
    try:
        known |= {name: MeanCell(*found) for name, found in open_run(listed).intervals.items()}
    except RagWrightError as error:
        missing = f"{error.what}; {error.remedy}"
    return listed, [known.get(name) for name in measures], missing


def question_rows(opened: Opened, measure: str, words: str = "") -> list[dict[str, Any]]:
    """Return the run's questions that contain ``words``, worst first, with the stage that lost the document.

    >>> from eval.measure.runs import Run
    >>> run = Run("base", {"q1": [("d2", 0.9)]}, questions={"q1": "When?"}, qrels={"q1": {"d1": 1}})
    >>> question_rows(Opened(run, {"RR@10": {"q1": 0.0}}, {}), "RR@10")
    [{'id': 'q1', 'question': 'When?', 'value': 0.0, 'stages': ['not in candidates']}]
    """
    column, dataset = opened.values[measure], opened.dataset
    wanted = words.casefold()
    rows = []
    for query, value in sorted(column.items(), key=lambda item: item[1]):
        question = opened.run.questions.get(query, "")
        if wanted and wanted not in question.casefold() and wanted != query.casefold():
            continue
        failure = explain(opened.run, dataset, query, value)
        stages = dict.fromkeys(gold.stage for gold in failure.gold) if value < 1 else {}
        rows.append({"id": query, "question": question, "value": value, "stages": list(stages)})
    return rows


def question_view(opened: Opened, query: str, measure: str) -> dict[str, Any]:
    """Return one question: its values, the relevant documents with their rank in each stage, and the saved trace.

    >>> from eval.measure.runs import Run
    >>> run = Run("base", {"q1": [("d2", 0.9), ("d1", 0.8)]}, questions={"q1": "When?"}, qrels={"q1": {"d1": 1}})
    >>> view = question_view(Opened(run, {"RR@10": {"q1": 0.5}}, {}), "q1", "RR@10")
    >>> view["question"], view["values"], [row["item"].rank for row in view["gold"]]
    ('When?', {'RR@10': 0.5}, [2])
    """
    run, details = opened.run, opened.run.details.get(query, {})
    relevant = set(opened.dataset.relevant(query))
    failure: Failure = explain(run, opened.dataset, query, opened.values[measure].get(query, 0.0))
    texts = dict(details.get("wanted") or {})
    for row in details.get("trace") or []:
        texts.setdefault(row["id"], row["text"])
    return {
        "id": query,
        "question": run.questions[query],
        "values": {name: column[query] for name, column in opened.values.items() if query in column},
        "gold": [{"item": gold, "text": texts.get(gold.id, gold.text)} for gold in failure.gold],
        "trace": [row | {"relevant": row["id"] in relevant} for row in details.get("trace") or []],
        "found": [] if details.get("trace") else failure.found,
        "timings": run.timings_ms.get(query, {}),
        "notes": list(details.get("notes") or []),
        "hypothetical": list(details.get("hypothetical") or []),
        "answer": str(details.get("answer") or ""),
    }


def comparison_view(old: Opened, new: Opened, measure: str, names: tuple[str, str]) -> dict[str, Any]:
    """Return two runs of one dataset: comparison, settings that differ, and the questions that changed most.

    >>> from eval.measure.runs import Run
    >>> known = {"questions": {"q1": "When?"}, "qrels": {"q1": {"d1": 1}}}
    >>> base, tuned = (Run(name, {"q1": [(name, 0.9)]}, **known) for name in ("d2", "d1"))
    >>> old, new = Opened(base, {"RR@10": {"q1": 0.0}}, {}), Opened(tuned, {"RR@10": {"q1": 1.0}}, {})
    >>> comparison_view(old, new, "RR@10", ("base", "tuned"))["better"]
    [{'id': 'q1', 'question': 'When?', 'before': 0.0, 'after': 1.0, 'change': 1.0}]

    Args:
        names: names to use if the runs have the same name.

    Raises:
        RagWrightError: they share no judged question.
    """
    first, second = old.run, new.run
    if first.name == second.name:
        first, second = replace(first, name=names[0]), replace(second, name=names[1])
    measures = [measure, *(name for name in old.values if name != measure and name in new.values)]
    found: Comparison = compare([first, second], {**new.run.qrels, **old.run.qrels}, measures)
    a, b = (run.per_query[measure] for run in found.runs)
    changes = [(query, a[query], b[query], b[query] - a[query]) for query in a if query in b]
    questions = {**new.run.questions, **old.run.questions}

    def most(sign: int) -> list[dict[str, Any]]:
        moved = sorted((row for row in changes if sign * row[3] > SAME), key=lambda row: -abs(row[3]))
        return [
            {"id": query, "question": questions.get(query, ""), "before": before, "after": after, "change": change}
            for query, before, after, change in moved[:CHANGED]
        ]

    return {
        "comparison": found,
        "verdict": found.verdicts[0],
        "settings": _different(old.run.settings, new.run.settings),
        "worse": most(-1),
        "better": most(1),
    }


def _different(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (setting, old, new) of the settings that differ, without the sections store and serve."""
    rows = []
    for section in sorted({*old, *new} - {"store", "serve"}):
        before, after = old.get(section), new.get(section)
        if isinstance(before, dict) and isinstance(after, dict):
            names = sorted({*before, *after})
            rows += [
                (f"{section}.{n}", _shown(before.get(n)), _shown(after.get(n)))
                for n in names
                if before.get(n) != after.get(n)
            ]
        elif before != after and not isinstance(before, dict) and not isinstance(after, dict):
            rows.append((section, _shown(before), _shown(after)))
    return rows


def _shown(value: Any) -> Any:
    """Return a setting for the page; addresses without login and keys."""
    return without_secrets(value) if isinstance(value, str) else value
