"""Paired tests against scipy and against counting by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from eval.comparing.significance import (
    bootstrap_interval,
    holm,
    paired,
    queries_needed,
    randomisation_test,
    smallest_visible,
)
from indexes.errors import SourceError


def sample(queries: int, shift: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 0.2, queries).round(3)


def mean_of(values, axis=-1):
    return np.mean(values, axis=axis)


@pytest.mark.parametrize("queries", [1, 2, 5, 9, 13])
def test_small_samples_are_counted_out_as_scipy_does(queries):
    values = sample(queries, 0.1)
    signs = np.array(list(itertools.product([1, -1], repeat=queries)))
    by_hand = (np.abs((signs * values).mean(axis=1)) >= abs(values.mean()) - 1e-12).mean()
    assert randomisation_test(values)[0] == pytest.approx(by_hand)
    if queries > 1:
        theirs = stats.permutation_test(
            (values,), mean_of, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert randomisation_test(values)[0] == pytest.approx(theirs.pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05])
def test_large_samples_agree_with_scipy_within_sampling_error(shift):
    values = sample(150, shift)
    theirs = stats.permutation_test(
        (values,), mean_of, permutation_type="samples", n_resamples=20_000, vectorized=True, random_state=1
    ).pvalue
    assert randomisation_test(values)[0] == pytest.approx(theirs, abs=0.02)


def test_ties_change_nothing_and_equal_runs_have_p_one():
    values = sample(10, 0.1)
    padded = np.concatenate([values, np.zeros(500)])
    assert randomisation_test(padded)[0] == pytest.approx(randomisation_test(values)[0])
    assert randomisation_test(np.zeros(50))[0] == 1.0
    assert randomisation_test(np.full(50, 1e-12))[0] == 1.0


def test_p_is_never_zero_and_is_the_same_every_time():
    values = np.full(200, 0.5)
    assert randomisation_test(values)[0] == pytest.approx(1 / 10_001)
    noisy = sample(300, 0.01)
    assert randomisation_test(noisy)[0] == randomisation_test(noisy)[0]


def test_columns_are_tested_alone_as_together():
    table = np.stack([sample(80, 0.02, seed=k) for k in range(3)], axis=1)
    together = randomisation_test(table)
    assert [randomisation_test(table[:, k])[0] for k in range(3)] == pytest.approx(list(together))


def test_p_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(3)
    table = rng.normal(0, 1, (40, 600))
    p = randomisation_test(table, permutations=2_000)
    assert 0.02 < (p < 0.05).mean() < 0.09


def test_bootstrap_interval_agrees_with_scipy():
    values = sample(120, 0.05)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", random_state=2)
    low, high = bootstrap_interval(values)
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.002)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.002)


def test_holm_is_as_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_power_formula_gives_the_power_it_promises():
    values = sample(60, 0.05, seed=4)
    needed = queries_needed(values)
    deviation, effect = values.std(ddof=1), values.mean()
    rng = np.random.default_rng(5)
    draws = rng.normal(effect, deviation, (2_000, needed))
    p = stats.ttest_1samp(draws, 0, axis=1).pvalue
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.04)
    assert queries_needed(np.zeros(10)) is None
    assert queries_needed([0.3]) is None
    assert smallest_visible(np.full(4, 0.1) * [1, -1, 1, -1]) == pytest.approx(2.8016 * 0.11547 / 2, abs=1e-4)


def test_paired_counts_wins_ties_and_losses():
    (found,) = paired([0.5, 0.0, 1e-12, -0.2, 0.1])
    assert (found.wins, found.ties, found.losses, found.queries) == (2, 2, 1, 5)
    assert found.difference == pytest.approx(0.08)
    assert found.low <= found.difference <= found.high


def test_nothing_to_compare_is_an_error():
    with pytest.raises(SourceError, match="no query"):
        paired([])
    with pytest.raises(SourceError, match="not a number"):
        paired([0.1, float("nan")])
