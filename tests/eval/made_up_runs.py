"""Made-up runs over made-up judgements."""

import numpy as np

from eval.measure.runs import Run

QUERIES = 40
QRELS = {f"q{n}": {f"d{n}": 1} for n in range(QUERIES)}


def made_up(name: str, quality: float, *, seed: int = 0, dataset: str = "h1", queries: int = QUERIES, ms: float = 5.0):
    """One relevant document a query among twenty others; the larger ``quality``, the higher it ranks."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(7)
    results, timings = {}, {}
    for n in range(QUERIES):
        noise = shared.normal(0, 1, 20)
        values = {f"x{k}": float(noise[k]) for k in range(20)}
        values[f"d{n}"] = float(shared.normal(1.0, 1.0) + quality + rng.normal(0, 0.1))
        if n < queries:
            results[f"q{n}"] = sorted(values.items(), key=lambda item: -item[1])
            timings[f"q{n}"] = {"encode": 2.0, "search": ms + n / 10}
    return Run(name, results, dataset=dataset, timings_ms=timings)
