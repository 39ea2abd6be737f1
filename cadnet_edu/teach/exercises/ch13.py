"""Checks for chapter 13: what an interval says, luck in many comparisons, how many seeds, and information in bits."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_by_luck", "check_holm", "check_information", "check_says", "check_seeds_needed"]


@reports("yes, open or the opposite, whatever the bound and whichever way the claim points.")
def check_says(student: Callable) -> None:
    """Check ``says(low, high, bound, wanted)``: what an interval says about a claim.

    ``wanted`` is 1 where the claim says "above the bound" and -1 where it says "below". The answer is 1 when the whole
    interval lies on the claimed side, -1 when it lies on the other side, and 0 when it is open.
    """

    def of(*cases: tuple[float, ...]) -> np.ndarray:
        return np.array([float(np.squeeze(answer(student, *case))) for case in cases])

    above = [(1, 3, 0, 1), (-1, 3, 0, 1), (-3, 1, 0, 1), (-3, -1, 0, 1)]
    mistakes: dict[str, Any] = {
        "an open interval counts as the opposite; it says nothing yet: 0.": [1, -1, -1, -1],
        "an open interval counts as a yes: its upper end is not enough, the lower one must clear.": [1, 1, 1, -1],
        "this looks at the middle of the interval; the whole of it has to lie on one side.": [1, 1, -1, -1],
        "the opposite is missing: an interval all of which lies on the wrong side says something: -1.": [1, 0, 0, 0],
    }
    expect(of(*above), [1, 0, 0, -1], "the claim 'above 0' and 1 to 3, -1 to 3, -3 to 1, -3 to -1", mistakes)
    mistakes = {"the bound has no effect: compare with it, not with 0.": [1, 1, 1]}
    cases = [(31, 40, 30, 1), (25, 40, 30, 1), (20, 29, 30, 1)]
    expect(of(*cases), [1, 0, -1], "the claim 'above 30' and 31 to 40, 25 to 40, 20 to 29", mistakes)
    mistakes = {"the direction has no effect: 'below' is claimed here, as of an error, or of LPIPS.": [-1, 0, 1]}
    cases = [(20, 29, 30, -1), (25, 40, 30, -1), (31, 40, 30, -1)]
    expect(of(*cases), [1, 0, -1], "the claim 'below 30' and 20 to 29, 25 to 40, 31 to 40", mistakes)
    cases = [(0, 2, 0, 1), (-2, 0, 0, 1), (-2, 0, 0, -1)]
    mistakes = {"an end that touches the bound has not cleared it: use < and >, not <= and >=.": [1, -1, 1]}
    expect(of(*cases), [0, 0, 0], "an interval that ends on the bound", mistakes)


def at_least(k: int, n: int, p: float) -> float:
    """The chance of k or more hits in n independent tries."""
    return float(sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1)))


@reports("so even where nothing is true, a long list of comparisons has something to show.")
def check_by_luck(student: Callable) -> None:
    """Check ``by_luck(k, n)``: the chance that k or more of n comparisons clear their bound by luck.

    None of the n claims is true: every difference is 0. Each comparison has its own, independent 95 % interval, and
    only those on the *claimed* side count.
    """
    p = 0.025
    mistakes = {
        "both sides count here: a 95 % interval misses the truth in 5 % of cases, but on the claimed side in half of "
        "them.": 1 - 0.95**12,
        "this is the chance that none clears; take it from 1.": (1 - p) ** 12,
        "this is the chance that exactly one clears; two or more belong to it.": 12 * p * (1 - p) ** 11,
        "this is the number to be expected, n times the chance; the chance that there is one at all is smaller, "
        "for the lucky ones may fall together.": 12 * p,
        "95 and 5 are exchanged: it is luck that has the small chance.": 1 - 0.05**12,
        "more than k is asked here; k itself counts.": at_least(2, 12, p),
    }
    expect(answer(student, 1, 12), at_least(1, 12, p), "k = 1 of n = 12", mistakes)
    mistakes = {
        "k has no effect.": at_least(1, 90, p),
        "this is the chance of exactly k; more than k belong to it.": at_least(3, 90, p) - at_least(4, 90, p),
        "more than k is asked here; k itself counts.": at_least(4, 90, p),
        "this is the chance of fewer than k; take it from 1.": 1 - at_least(3, 90, p),
    }
    expect(answer(student, 3, 90), at_least(3, 90, p), "k = 3 of n = 90", mistakes)
    expect(answer(student, 0, 7), 1.0, "k = 0, which is certain")


@reports("the smallest has to pass the hardest bound, and the first that fails ends it.")
def check_holm(student: Callable) -> None:
    """Check ``holm(p, level)``: which of n comparisons survive Holm's correction.

    ``p`` is a NumPy array: for each comparison the chance of such a result by luck. The smallest is compared with
    ``level / n``, the next with ``level / (n - 1)``, and so on; the first that is not below its bound fails, and all
    larger ones with it. The answer is a truth value for each, in the order in which they were given.
    """
    p = np.array([0.045, 0.001, 0.028, 0.012, 0.2])
    mistakes = {
        "nothing is corrected: each was compared with the level itself.": p < 0.05,
        "this is Bonferroni's correction, level / n for all. Holm's bound grows: level / (n - 1) for the second "
        "smallest.": p < 0.05 / 5,
        "the answers are in order of size; give them in the order in which the comparisons came.": [1, 1, 0, 0, 0],
        "this is Benjamini and Hochberg's rule, level k / n. It keeps the share of false ones small, not the chance of "
        "any.": [0, 1, 1, 1, 0],
    }
    expect(answer(student, p, 0.05), [0, 1, 0, 1, 0], "p = 0.045, 0.001, 0.028, 0.012, 0.2", mistakes)
    p = np.array([0.001, 0.02, 0.024, 0.9])
    mistakes = {
        "you went on after the first that failed: 0.02 is not below 0.05 / 3, so 0.024 fails with it, although it is "
        "below 0.05 / 2.": [1, 0, 1, 0],
    }
    expect(answer(student, p, 0.05), [1, 0, 0, 0], "p = 0.001, 0.02, 0.024, 0.9", mistakes)
    expect(answer(student, np.array([0.03]), 0.05), [1], "a single comparison")


def half_width(deviation: float, n: int, share: float = 0.975, degrees: int | None = None) -> float:
    """Half of an interval of n seeds, with Student's t."""
    from scipy.stats import t  # type: ignore[import-untyped]

    return float(t.ppf(share, n - 1 if degrees is None else degrees)) * deviation / math.sqrt(n)


def least(enough: Callable[[int], bool]) -> int:
    """The smallest number of seeds, from 2 on, that is enough."""
    return next(n for n in range(2, 10_000) if enough(n))


@reports("the last seeds are cheap in t and dear in the root.")
def check_seeds_needed(student: Callable) -> None:
    """Check ``seeds_needed(deviation, effect)``: how many seeds, so that an effect of this size would not stay open.

    The standard deviation over seeds is known from a pilot. Wanted is the least n (2 or more) at which half of the 95 %
    interval, ``t s / sqrt(n)`` with Student's t of n - 1 degrees of freedom, is smaller than the effect.
    """
    without_root = least(lambda n: half_width(1.0, n) * math.sqrt(n) < 2.7)
    whole_width = least(lambda n: 2 * half_width(1.0, n) < 2.7)
    one_sided = least(lambda n: half_width(1.0, n, share=0.95) < 1)
    normal = "you took 1.96, the factor for very many seeds. With few of them Student's t is much larger."
    mistakes = {  # this effect is large enough for a search without the root to end
        normal: least(lambda n: 1.96 / math.sqrt(n) < 2.7),
        "the root of n is missing: the mean of n seeds moves less than a seed does.": without_root,
        "the whole width was asked to be smaller than the effect; half of it is enough.": whole_width,
    }
    expect(answer(student, 1.0, 2.7), least(lambda n: half_width(1.0, n) < 2.7), "deviation 1, effect 2.7", mistakes)
    mistakes = {
        normal: least(lambda n: 1.96 / math.sqrt(n) < 1),
        "n degrees of freedom; one is used up by the mean: n - 1.": least(lambda n: half_width(1.0, n, degrees=n) < 1),
        "this is t for a share of 0.95, which leaves 5 % on one side. An interval has two: ask for 0.975.": one_sided,
    }
    expect(answer(student, 4.0, 4.0), least(lambda n: half_width(4.0, n) < 4), "deviation 4, effect 4", mistakes)
    for deviation, size in ((4.0, 1.0), (0.5, 1.0), (1.0, 100.0)):
        want = least(lambda n: half_width(deviation, n) < size)  # noqa: B023
        got = answer(student, deviation, size)
        require(float(np.squeeze(got)) >= 2, "one seed has no interval at all; begin with 2.")
        expect(got, want, f"deviation {deviation:g}, effect {size:g}")


@reports("in bits, and pictures that never come count for nothing.")
def check_information(student: Callable) -> None:
    """Check ``information(joint)``: how many bits a picture tells about the person.

    ``joint`` is a tensor ``(people, pictures)`` of probabilities that sum to 1. The answer is the mutual information
    ``sum p(y, x) log2(p(y, x) / (p(y) p(x)))``.
    """
    two = torch.tensor([[0.5, 0.0], [0.0, 0.5]])
    joint = torch.tensor([[0.25, 0.125], [0.125, 0.5]], dtype=torch.double)
    y, x = joint.sum(1), joint.sum(0)

    def entropy(p: torch.Tensor) -> float:
        return float(-(p * p.log2()).sum())

    want, unknown = entropy(y) + entropy(x) - entropy(joint), entropy(joint) - entropy(x)
    unweighted = float((joint / (y[:, None] * x)).log2().sum())
    mistakes = {
        "this is in nats; bits need the logarithm to base 2.": want * math.log(2),
        "this is the entropy of person and picture together, not what they share.": entropy(joint),
        "this is the entropy of the person: what there is to know, not what the picture tells.": entropy(y),
        "this is what stays unknown when the picture is seen; take it from what there is to know.": unknown,
        "the sign is turned.": -want,
        "the logarithms are added up, unweighted; each case counts as often as it comes.": unweighted,
    }
    expect(answer(student, joint), want, "two people, two pictures", mistakes)
    got = answer(student, two)
    require(
        bool(np.isfinite(got).all()),
        "a case that never comes has p = 0, and 0 times log 0 became NaN: leave such cases out.",
    )
    expect(got, 1.0, "two people whom the picture tells apart, 1 bit")
    never = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    got = answer(student, never)
    require(
        bool(np.isfinite(got).all()),
        "a person or a picture that never comes has p = 0, and 0 / 0 became NaN: leave such cases out.",
    )
    expect(got, 0.0, "one person only, about whom nothing is left to tell")
