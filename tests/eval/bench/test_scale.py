"""The race of large collections, at a size that takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eval.bench.large.scale import measured
from eval.bench.large.vectors import mixtures
from indexes.settings.sections import StoreSettings


def test_mixtures_have_neighbourhoods() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((40, 64)).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    made = np.concatenate(list(mixtures(real, 500, seed=1)))
    assert made.shape == (500, 64)
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert np.median((made @ real.T).max(axis=1)) > 0.7  # noise alone has 0.3
    again = np.concatenate(list(mixtures(real, 500, seed=1)))
    assert (made == again).all()


def test_rows_before_and_after_the_graph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((20, 16)).astype(np.float32)
    settings = StoreSettings(path=tmp_path, engine="edge", min_free_mb=1)
    before, after = measured(settings, real, 400, sparse=True)
    assert (before["graph"], after["graph"], after["ef"], after["filtered_ef"]) == ("no", "16, 100", 64, 64)
    assert after["recall@10"] == after["recall_tenth"] == after["recall_half"] == 1.0
    assert after["measured"] == after["filtered_measured"] == 1.0
    assert {"dense_ms", "tenth_ms", "half_ms", "sparse_ms", "hybrid_ms"} <= before.keys() & after.keys()
