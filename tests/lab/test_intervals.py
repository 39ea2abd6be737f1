"""Intervals of Student's t: against scipy's own, against simulation, and at the edges."""

import numpy as np
import pytest
from scipy import stats

from cadnet_edu.lab.intervals import mean_interval, paired, t_quantile


def test_the_interval_is_scipys() -> None:
    values = [0.61, 0.64, 0.58, 0.66, 0.60]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    found = mean_interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert (found.n, found.half) == (5, pytest.approx(high - np.mean(values)))


@pytest.mark.parametrize(("n", "t"), [(2, 12.706), (3, 4.303), (5, 2.776)])
def test_quantiles_of_a_printed_table(n: int, t: float) -> None:
    assert t_quantile(0.975, n - 1) == pytest.approx(t, abs=5e-4)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(3.0, 2.0, (4000, 3))
    covered = [found.low <= 3.0 <= found.high for found in map(mean_interval, draws.tolist())]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


def test_a_single_value_decides_nothing() -> None:
    found = mean_interval([5.0])
    assert found == (5.0, None, None, 1)
    assert (found.half, found.above(0), found.below(9)) == (None, False, False)
    with pytest.raises(ValueError, match="no value"):
        mean_interval([])


def test_above_and_below_want_the_whole_interval() -> None:
    found = mean_interval([1.0, 1.1, 1.2])
    assert (found.above(0.5), found.above(1.0), found.below(1.5), found.below(1.1)) == (True, False, True, False)


def test_pairing_takes_out_what_a_seed_does_to_both() -> None:
    """Two methods that differ by 1 on every seed, however much the seeds differ."""
    theirs = {0: 10.0, 1: 50.0, 2: 90.0, 7: 0.0}
    ours = {k: v + 1 for k, v in theirs.items() if k != 7} | {9: 1000.0}
    found = paired(ours, theirs)
    assert found is not None
    assert found == (1.0, 1.0, 1.0, 3)
    assert found.above()
    assert paired({0: 1.0}, {1: 1.0}) is None
