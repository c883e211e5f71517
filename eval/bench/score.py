"""Race: scoring 1,000 queries x 1,000 candidates with all measures, against pytrec_eval called directly."""

from __future__ import annotations

import random
from dataclasses import dataclass
from importlib.metadata import version

from eval.bench.timing import Facts, Rows, alternate, command, pace
from eval.measure.metrics import score

MEASURES = {
    "nDCG@10": "ndcg_cut.10",
    "nDCG": "ndcg",
    "MAP": "map",
    "RR": "recip_rank",
    "R@10": "recall.10",
    "R@100": "recall.100",
    "P@10": "P.10",
    "Hit@10": "success.10",
}


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    queries: int = 1000
    candidates: int = 1000
    rounds: int = 5


def run(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return a row per contestant."""
    import pytrec_eval

    draw = random.Random(0)
    documents = [f"document-{number}" for number in range(options.candidates * 2)]
    qrels = {f"q{q}": {d: draw.choice([0, 1, 2]) for d in draw.sample(documents, 10)} for q in range(options.queries)}
    found = {query: [(d, draw.random()) for d in draw.sample(documents, options.candidates)] for query in qrels}
    for ranked in found.values():
        ranked.sort(key=lambda item: -item[1])
    plain = {query: dict(ranked) for query, ranked in found.items()}

    def theirs() -> dict:
        return pytrec_eval.RelevanceEvaluator(qrels, set(MEASURES.values())).evaluate(plain)

    seconds = alternate({"ours": lambda: score(found, qrels, list(MEASURES)), "pytrec_eval": theirs}, options.rounds)
    ours, reference = score(found, qrels, list(MEASURES)), theirs()
    keys = {name: key.replace(".", "_") for name, key in MEASURES.items()}
    worst = max(abs(ours.per_query[name][q] - reference[q][key]) for name, key in keys.items() for q in qrels)
    rows = [pace(seconds, "pytrec_eval", name) for name in seconds]
    return rows, {"pytrec_eval": version("pytrec_eval-terrier"), "largest_difference": f"{worst:.1e}"}


main = command(Options, run)
