"""Measures of a ranking: equal to pytrec_eval's within 1e-9, faster, and with one tie rule.

Rules, as in trec_eval (tests compare with pytrec_eval):

- **Ties**: a higher score comes first; among equal scores the *larger* document id comes first (string order by code
  point). Scores are compared as 32-bit floats, as trec_eval reads them. The order of the input does not matter.
- **Judgements of 0** mean judged not relevant; a document without a judgement counts as not relevant.
- **Queries without a relevant document** score 0 and count in the mean.
- **Queries of the qrels that are missing from a run** score 0 and count in the mean (``trec_eval -c``). Queries without
  any judgement are left out.

Measures: ``nDCG@k``, ``MAP`` and ``MAP@k``, ``RR`` and ``RR@k``, ``R@k``, ``P@k``, ``Hit@k`` (1 if a relevant document
is among the first k), ``Window@k`` (1 if the window of one of the first k sentences contains a gold answer),
``Prompt@k`` (relevant documents among the first k whose passages the answer reads, divided by k or the number of
relevant ones, whichever is less). All but nDCG, Window and Prompt take ``(rel=2)`` before the ``@``. Any other name is
passed to ir_measures (extra ``eval``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from indexes.display import agreed, counted
from indexes.errors import MissingExtraError, SettingsError, SourceError

Ranked = Sequence[tuple[str, float]]
Qrels = Mapping[str, Mapping[str, int]]

DEFAULT_MEASURES = ("nDCG@10", "MAP", "RR@10", "R@10", "R@100", "P@10", "Hit@10")
INSTALL = "pip install 'ragwright[eval]'"
TIE_RULE = "equal scores (as 32-bit floats) are ordered by document id, larger first, as trec_eval does"

_SHOWN = {"RR": "MRR", "nDCG": "NDCG"}  # names in reports; files and JSON keep TREC's names
KINDS = {  # spelling in lower case -> kind
    **dict.fromkeys(("ndcg",), "nDCG"),
    **dict.fromkeys(("map", "ap"), "MAP"),
    **dict.fromkeys(("rr", "mrr"), "RR"),
    **dict.fromkeys(("r", "recall"), "R"),
    **dict.fromkeys(("p", "precision"), "P"),
    **dict.fromkeys(("hit", "success", "hitrate"), "Hit"),
    "window": "Window",
    "prompt": "Prompt",
}
OF_DETAILS = ("Window", "Prompt")  # read from what a run recorded of its stages, not from its ranking
_CUT_NEEDED = ("R", "P", "Hit", *OF_DETAILS)
_PATTERN = re.compile(r"^(?P<kind>[A-Za-z]+)(?:\(rel=(?P<rel>\d+)\))?(?:@(?P<cut>\d+))?$")
_DISCOUNT = 1.0 / np.log2(np.arange(2, 4098))


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure. ``str()`` returns its canonical name, which is also its key in ``Scores``.

    Args:
        kind: nDCG, MAP, RR, R, P, Hit, Window, Prompt, or "other" (then ``text`` is the name for ir_measures).
        cut: number of documents that count, from the first; None: all.
        rel: lowest judgement that counts as relevant (not for nDCG, whose gains are the judgements).

    >>> str(Measure("P", cut=5, rel=2))
    'P(rel=2)@5'
    """

    kind: str
    cut: int | None = None
    rel: int = 1
    text: str = ""

    def __str__(self) -> str:
        if self.kind == "other":
            return self.text
        rel = f"(rel={self.rel})" if self.rel != 1 else ""
        return f"{self.kind}{rel}" + (f"@{self.cut}" if self.cut else "")


@dataclass(slots=True)
class Scores:
    """The scores of a run. Both mappings are keyed by ``str(measure)``.

    >>> scores = score({"q1": [("d1", 0.9)]}, {"q1": {"d1": 1}, "q2": {"d2": 1}}, ["RR@10"])
    >>> scores.mean, scores.per_query["RR@10"]
    ({'RR@10': 0.5}, {'q1': 1.0, 'q2': 0.0})

    Args:
        per_query: measure -> query id -> value in [0, 1], for all queries of the qrels.
        mean: measure -> mean over the queries of the qrels.
        notes: what a reader must know about these numbers, one sentence each.
    """

    per_query: dict[str, dict[str, float]]
    mean: dict[str, float]
    notes: list[str] = field(default_factory=list)


def parse_measures(names: Iterable[str | Measure]) -> list[Measure]:
    """Parse measure names; ``MRR@10``, ``Recall@5``, ``AP`` and ``Success@3`` are known too.

    >>> [str(measure) for measure in parse_measures(["ndcg@10", "MRR@10", "Recall@100", "P(rel=2)@5"])]
    ['nDCG@10', 'RR@10', 'R@100', 'P(rel=2)@5']

    Raises:
        SettingsError: names are unknown; all of them are listed.
        MissingExtraError: a name is not one of ours, and ir_measures is not installed.
    """
    found: dict[Measure, None] = {}
    bad: list[str] = []
    for name in names:
        measure = name if isinstance(name, Measure) else _parse(name.strip())
        if measure is None:
            bad.append(str(name))
        else:
            found[measure] = None
    if bad:
        raise SettingsError(
            f"unknown measure{'s' if len(bad) > 1 else ''} {', '.join(repr(name) for name in bad)}",
            remedy="use NDCG@10, MAP, MRR@10, R@100, P@10, Hit@10, Window@5, or a name that ir_measures knows",
        )
    return list(found)


def shown(measure: str) -> str:
    """Return a measure's name as printed in reports.

    >>> [shown(name) for name in ("RR@10", "nDCG@10", "MAP", "R@100")]
    ['MRR@10', 'NDCG@10', 'MAP', 'R@100']
    """
    kind = measure.split("@")[0].split("(")[0]
    return _SHOWN.get(kind, kind) + measure[len(kind) :]


def legend(measures: Iterable[str]) -> str:
    """Return the notes for a table of these measures: MAP's cut-off, and TREC's names, which files and JSON use.

    >>> legend(["MAP", "RR@10", "R@100"])
    "MAP counts all documents of a run, at most 1,000 per question; MRR@10 is the mean of TREC's RR@10"
    >>> legend(["MAP@10"])
    ''
    """
    found = []
    for measure in measures:
        if measure == "MAP":
            found.append("MAP counts all documents of a run, at most 1,000 per question")
        elif (name := shown(measure)) != measure:
            what = "the mean of TREC's" if measure.startswith("RR") else "TREC's"
            found.append(f"{name} is {what} {measure}")
    return "; ".join(found)


def _parse(name: str) -> Measure | None:
    match = _PATTERN.match(name)
    kind = KINDS.get(match["kind"].lower()) if match else None
    if match is None or kind is None:
        return _parse_other(name)
    cut, rel = (int(match["cut"]) if match["cut"] else None), int(match["rel"] or 1)
    if cut == 0 or rel < 1 or (cut is None and kind in _CUT_NEEDED) or (rel != 1 and kind in ("nDCG", *OF_DETAILS)):
        return None
    return Measure(kind, cut, rel)


def _parse_other(name: str) -> Measure | None:
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtraError.of("ir_measures", needed_for=f"the measure {name!r}", install=INSTALL) from error
    try:
        return Measure("other", text=str(ir_measures.parse_measure(name)))
    except (ValueError, NameError, SyntaxError, TypeError, KeyError):
        return None


def score(
    results: Mapping[str, Ranked],
    qrels: Qrels,
    measures: Sequence[Measure | str] = DEFAULT_MEASURES,
    *,
    window_ranks: Mapping[str, int | None] | None = None,
    prompts: Mapping[str, Sequence[str]] | None = None,
) -> Scores:
    """Score the results of one run. ``Run.score`` passes what the run recorded.

    Args:
        results: query id -> (document id, score) in any order.
        qrels: query id -> document id -> judgement; 0 or less means not relevant.
        measures: names as for ``parse_measures``.
        window_ranks: query id -> 1-based rank of the first sentence whose window contains a gold answer, None if none
            does; needed only for ``Window@k``, which is averaged over these queries.
        prompts: query id -> documents whose passages the answer reads, best first; needed only for ``Prompt@k``.

    Raises:
        SourceError: a query lists a document twice, or a score is not a number.

    >>> results = {"q1": [("d1", 0.9), ("d2", 0.8)], "q2": [("d1", 0.7)]}
    >>> qrels = {"q1": {"d2": 1}, "q2": {"d1": 1, "d3": 0}}
    >>> scores = score(results, qrels, ["RR@10", "Hit@1"])
    >>> scores.mean, scores.per_query["Hit@1"]
    ({'RR@10': 0.75, 'Hit@1': 0.5}, {'q1': 0.0, 'q2': 1.0})
    """
    wanted = parse_measures(measures)
    others = [measure for measure in wanted if measure.kind == "other"]
    ours = [measure for measure in wanted if measure.kind not in ("other", *OF_DETAILS)]
    per_query: dict[str, dict[str, float]] = {str(measure): {} for measure in wanted}
    columns = [(measure, per_query[str(measure)]) for measure in ours]
    empty = missing = 0
    for query, judged in qrels.items():
        relevant = {document: gain for document, gain in judged.items() if gain > 0}
        empty += not relevant
        ranked = results.get(query)
        missing += ranked is None
        hits = ranks_of(query, ranked, relevant) if ranked and relevant else []
        for measure, column in columns:
            column[query] = _value(measure, hits, relevant)
    if others:
        _score_others(others, results, qrels, per_query)
    for measure in wanted:
        if measure.kind == "Window":
            per_query[str(measure)] = _window_values(measure, window_ranks)
        elif measure.kind == "Prompt":
            per_query[str(measure)] = _prompt_values(measure, prompts, qrels)
    mean = {name: math.fsum(values.values()) / len(values) if values else 0.0 for name, values in per_query.items()}
    return Scores(per_query, mean, _notes(results, qrels, empty, missing))


def ranks_of(query: str, ranked: Ranked, relevant: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return (1-based rank, gain) of the relevant documents found, by rank; this module's tie rule applies.

    >>> ranks_of("q1", [("d1", 0.5), ("d2", 0.9), ("d3", 0.5)], {"d1": 1, "d2": 2})
    [(1, 2), (3, 1)]
    """
    hits = [(document, value) for document, value in ranked if document in relevant]
    scores = np.array([value for _, value in ranked], dtype=np.float32)
    if np.isnan(scores).any():
        raise SourceError(
            f"query {query!r} has a score that is not a number", remedy="check the pipeline that returned it"
        )
    if not hits:
        return []
    scores.sort()
    own = np.asarray([value for _, value in hits], dtype=np.float32)
    above = len(ranked) - np.searchsorted(scores, own, side="right")
    equal = len(ranked) - above - np.searchsorted(scores, own, side="left")
    places: dict[str, tuple[int, int]] = {}
    for (document, _), value, better, ties in zip(hits, own, above.tolist(), equal.tolist(), strict=True):
        if document in places:
            raise SourceError(
                f"document {document!r} is listed twice for query {query!r}", remedy="keep only its best line"
            )
        if ties > 1:
            better += sum(1 for other, theirs in ranked if np.float32(theirs) == value and other > document)
        places[document] = (better + 1, relevant[document])
    return sorted(places.values())


def _value(measure: Measure, hits: list[tuple[int, int]], relevant: Mapping[str, int]) -> float:
    """Compute one measure of one query from the ranks and gains of the relevant documents found."""
    if measure.kind == "nDCG":
        return _ndcg(hits, relevant, measure.cut)
    ranks = [rank for rank, gain in hits if gain >= measure.rel and rank <= (measure.cut or math.inf)]
    if not ranks:
        return 0.0
    return VALUES[measure.kind](ranks, measure.cut or 0, sum(gain >= measure.rel for gain in relevant.values()))


def average_precision(ranks: Sequence[int], cut: int, relevant: int) -> float:
    """Return the sum of the precisions at the relevant documents found, divided by the number of all relevant ones.

    Args:
        ranks: 1-based, ascending.
        cut: not used (see ``VALUES``).
        relevant: number of relevant documents.

    >>> average_precision([1, 4], 0, relevant=2)
    0.75
    """
    return math.fsum((number + 1) / rank for number, rank in enumerate(ranks)) / relevant


# kind -> function of the ranks (1-based, ascending, at least one) of the relevant documents within the cut, of the cut,
# and of the number of all relevant documents
VALUES: dict[str, Callable[[Sequence[int], int, int], float]] = {
    "RR": lambda ranks, cut, relevant: 1.0 / ranks[0],
    "Hit": lambda ranks, cut, relevant: 1.0,
    "P": lambda ranks, cut, relevant: len(ranks) / cut,
    "R": lambda ranks, cut, relevant: len(ranks) / relevant,
    "MAP": average_precision,
}


def _ndcg(hits: list[tuple[int, int]], relevant: Mapping[str, int], cut: int | None) -> float:
    limit = cut or math.inf
    gained = math.fsum(gain * _discount(rank) for rank, gain in hits if rank <= limit)
    if not gained:
        return 0.0
    ideal = sorted(relevant.values(), reverse=True)[:cut]
    return gained / math.fsum(gain * _discount(rank) for rank, gain in enumerate(ideal, start=1))


def _discount(rank: int) -> float:
    return float(_DISCOUNT[rank - 1]) if rank <= _DISCOUNT.size else 1.0 / math.log2(rank + 1)


def _window_values(measure: Measure, ranks: Mapping[str, int | None] | None) -> dict[str, float]:
    if ranks is None:
        raise SettingsError(
            f"{measure} needs gold answers in queries.jsonl and a pipeline with sentence windows",
            remedy="leave it out, or measure a sentence-window pipeline on a dataset whose queries have 'answers'",
        )
    cut = measure.cut or 0
    return {query: float(rank is not None and rank <= cut) for query, rank in ranks.items()}


def _prompt_values(measure: Measure, prompts: Mapping[str, Sequence[str]] | None, qrels: Qrels) -> dict[str, float]:
    if prompts is None:
        raise SettingsError(
            f"{measure} needs a run that recorded which documents the answer reads",
            remedy="leave it out, or measure a retriever or query engine of RagWright",
        )
    cut, found = measure.cut or 0, {}
    for query, judged in qrels.items():
        relevant = {document for document, gain in judged.items() if gain > 0}
        read = sum(document in relevant for document in prompts.get(query, ())[:cut])
        found[query] = read / min(cut, len(relevant)) if relevant else 0.0
    return found


def _score_others(
    measures: list[Measure],
    results: Mapping[str, Ranked],
    qrels: Qrels,
    per_query: dict[str, dict[str, float]],
) -> None:
    """Compute the measures that only ir_measures knows."""
    import ir_measures

    parsed = {str(measure): ir_measures.parse_measure(measure.text) for measure in measures}
    names = {value: name for name, value in parsed.items()}
    run = {query: dict(ranked) for query, ranked in results.items() if query in qrels}
    plain = {query: dict(judged) for query, judged in qrels.items()}
    for name in parsed:
        per_query[name] = dict.fromkeys(qrels, 0.0)
    for metric in ir_measures.iter_calc(list(parsed.values()), plain, run):
        per_query[names[metric.measure]][metric.query_id] = float(metric.value)


def _notes(results: Mapping[str, Ranked], qrels: Qrels, empty: int, missing: int) -> list[str]:
    notes = []
    if empty:
        notes.append(
            f"{counted(empty, 'query', of=len(qrels), verb='have')} no relevant "
            "document: they score 0 and count in the mean"
        )
    if missing:
        notes.append(
            f"{counted(missing, 'query', of=len(qrels), verb='are')} not in the run: they score 0 and count in the mean"
        )
    if unjudged := sum(query not in qrels for query in results):
        verbs = agreed(unjudged, "have"), agreed(unjudged, "are")
        notes.append(f"{counted(unjudged, 'query')} of the run {verbs[0]} no judgement and {verbs[1]} left out")
    zero = sum(gain <= 0 for judged in qrels.values() for gain in judged.values())
    if zero:
        notes.append(f"{counted(zero, 'judgement', verb='are')} 0: those documents count as not relevant")
    return notes
