"""The interquartile mean is SciPy's trimmed mean, and its interval holds what it should."""

import numpy as np
import pytest
from scipy.stats import trim_mean

from deltarule.dqn.returns import interquartile_mean, summary


@pytest.mark.parametrize("n", [4, 8, 20, 64])
def test_the_interquartile_mean_of_multiples_of_4_is_scipys(n):
    values = np.random.default_rng(n).standard_cauchy((3, n))
    np.testing.assert_allclose(interquartile_mean(values), trim_mean(values, 0.25, axis=-1), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 10])
def test_of_other_numbers_the_ends_count_in_part(n):
    """As if each had come four times."""
    values = np.random.default_rng(n).normal(size=n)
    expected = trim_mean(np.repeat(values, 4), 0.25)
    np.testing.assert_allclose(interquartile_mean(values), expected, rtol=1e-12)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held, widths = 0, {8: [], 32: []}
    for number in range(60):
        for n, found in widths.items():
            told = summary(rng.normal(5, 2, n), seed=number)
            assert told.low <= told.interquartile_mean <= told.high
            found.append(told.high - told.low)
            held += (told.low <= 5 <= told.high) and n == 32
    assert 50 <= held <= 60
    assert 1.5 < np.mean(widths[8]) / np.mean(widths[32]) < 2.6  # √(32 / 8)


def test_a_seed_gives_the_same_figures_and_one_lucky_run_does_not_move_them():
    returns = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 1000.0]
    assert summary(returns, seed=1) == summary(np.array(returns), seed=1)
    assert summary(returns).interquartile_mean == 13.5
    assert summary(returns).mean == pytest.approx(136.375)
