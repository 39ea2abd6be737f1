"""Confidence intervals over seeds: Student's t, for means and for differences paired by seed."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float | None  # None for a single value
    high: float | None
    n: int  # number of values

    @property
    def half(self) -> float | None:
        """Half the interval's width, as in ``mean ± half``."""
        return None if self.high is None else self.high - self.mean

    def above(self, value: float = 0.0) -> bool:
        """Whether the whole interval lies above a value; never for a single value."""
        return self.low is not None and self.low > value

    def below(self, value: float = 0.0) -> bool:
        """Whether the whole interval lies below a value; never for a single value."""
        return self.high is not None and self.high < value


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of repeated measurements with its confidence interval, ``mean ± t s / sqrt(n)``.

    ``s`` is the standard deviation (with n - 1) and ``t`` the quantile of Student's distribution with n - 1 degrees
    of freedom: 12.7 for two values, 4.3 for three, 2.8 for five.

    Args:
        values: one number a seed.
        confidence: of the interval.

    Raises:
        ValueError: for no value.

    >>> [round(x, 2) for x in mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.48, 4.48, 3]
    """
    n = len(values)
    if n == 0:
        raise ValueError("there is no value to average.")
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, None, None, 1)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    half = t_quantile(0.5 + confidence / 2, n - 1) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float], confidence: float = 0.95) -> Interval | None:
    """The confidence interval of the mean difference, seed k of one method with seed k of the other.

    Effects of a seed on both methods cancel.

    Args:
        ours, theirs: seed -> value.
        confidence: of the interval.

    Returns:
        the interval of ``ours - theirs``; None when they share no seed.

    >>> paired({0: 5.0, 1: 9.0}, {0: 4.0, 1: 8.0})
    Interval(mean=1.0, low=1.0, high=1.0, n=2)
    """
    shared = sorted(set(ours) & set(theirs))
    return mean_interval([ours[k] - theirs[k] for k in shared], confidence) if shared else None


@cache
def t_quantile(p: float, degrees: int) -> float:
    """The p-quantile of Student's t distribution.

    >>> round(t_quantile(0.975, 2), 3)
    4.303
    """
    from scipy.stats import t  # type: ignore[import-untyped]

    return float(t.ppf(p, degrees))
