"""Evaluate a claim: comparisons with intervals over seeds, their outcomes, and one of five verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cadnet_edu.lab.intervals import Interval, mean_interval
from cadnet_edu.lab.records import KeyPath

Verdict = Literal["holds", "holds in part", "open here", "does not hold here", "not testable here"]
VERDICTS: tuple[Verdict, ...] = ("holds", "holds in part", "open here", "does not hold here", "not testable here")


class Evidence(Protocol):
    """Look up one number in the records of a row."""

    def __call__(self, row: str, path: KeyPath, regime: str = "all", /) -> dict[int, float]:
        """seed -> the number at a path of its record; empty when there is none."""


BySeed = Callable[[Evidence], dict[int, float]]

# The smallest effects that count, by unit; our choice. Of rank-1 it is the bound of the study of regimes, written
# before its runs, and less than any gain of the joint vector over one half in the paper's Table 1 (1.3 points or more).
SMALLEST_EFFECT = {"points": 1.0, "dB": 0.1, "SSIM": 0.005, "LPIPS": 0.01, "": 0.02}


@dataclass(frozen=True)
class Comparison:
    """One comparison: a number for each seed, and the bound that its interval must clear."""

    what: str  # what is compared, in words
    number: BySeed  # from the evidence to seed -> number
    unit: str = "points"  # of the number, after scaling
    scale: float = 100.0  # what the number is multiplied with
    above: float | None = 0.0  # the whole interval must lie above this bound, after scaling ...
    below: float | None = None  # ... or below this one

    def run(self, evidence: Evidence) -> dict[str, Any]:
        """The interval over seeds and its outcome, ready for JSON."""
        by_seed = {k: self.scale * v for k, v in self.number(evidence).items()}
        found = mean_interval(list(by_seed.values())) if by_seed else None
        mean, low, high = (None if v is None else float(f"{v:.6g}") for v in (found or (None, None, None))[:3])
        return {"what": self.what, "unit": self.unit, "mean": mean, "low": low, "high": high,
                "seeds": len(by_seed), "by_seed": {str(k): float(f"{v:.6g}") for k, v in by_seed.items()},
                "wanted": self.criterion, "says": self.outcome(found)}  # fmt: skip

    @property
    def criterion(self) -> str:
        """Where the interval must lie, in words."""
        return f"above {self.above:g}" if self.below is None else f"below {self.below:g}"

    def outcome(self, found: Interval | None) -> str:
        """What the interval says.

        ``yes``: it clears the bound. ``no``: all of it lies on the other side. ``small``: it lies on both sides of 0,
        and even its end on the claimed side is below the smallest effect that counts. ``open``: it lies on both sides
        and allows more. ``missing``: fewer than two seeds.

        Args:
            found: the mean over seeds with its interval; None when there is no number.

        >>> from cadnet_edu.lab.intervals import mean_interval
        >>> more = Comparison("rank-1", number=dict)
        >>> [more.outcome(mean_interval(v)) for v in ([1.0, 1.1], [1.0, -1.0], [-1.0, -1.1], [1.0])]
        ['yes', 'open', 'no', 'missing']
        >>> more.outcome(mean_interval([0.3, -0.2, 0.1]))
        'small'
        """
        if found is None or found.low is None or found.high is None:
            return "missing"
        if self.below is None:
            bound = self.above or 0.0
            least, most = found.low - bound, found.high - bound
        else:
            bound = self.below
            least, most = bound - found.high, bound - found.low
        if least > 0:
            return "yes"
        if most < 0:
            return "no"
        return "small" if bound == 0 and most < SMALLEST_EFFECT.get(self.unit, 0.0) else "open"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper and the comparisons that test it."""

    name: str  # short, for links
    sentence: str  # word for word
    section: str  # of the paper
    experiment: str  # that tests it, in words
    tests: tuple[Comparison, ...] = ()  # the comparisons; none for what cannot be tested here
    why_not: str = ""  # why it cannot be tested here

    @property
    def rule(self) -> str:
        """When which verdict is given."""
        n = len(self.tests)
        if n == 0:
            return "None: it cannot be tested here."
        if n == 1:
            return (
                "Holds when the 95 % interval over seeds clears its bound, does not hold here when all of it lies on "
                "the wrong side or shows the effect to be too small, and is open here otherwise."
            )
        return (
            f"Holds when the 95 % interval over seeds clears its bound in all {n} comparisons, in part when it does in "
            "some. When it does in none: does not hold here if in one or more all of it lies on the wrong side or "
            "shows the effect to be too small, open here otherwise."
        )

    def evaluate(self, evidence: Evidence) -> dict[str, Any]:
        """The claim with our numbers, the verdict and its reason; ready for JSON."""
        results = [test.run(evidence) for test in self.tests]
        verdict, why = verdict_of(results) if self.tests else ("not testable here", self.why_not)
        return {"name": self.name, "sentence": self.sentence, "section": self.section, "experiment": self.experiment,
                "rule": self.rule, "numbers": results, "verdict": verdict, "why": why}  # fmt: skip


def verdict_of(results: Sequence[Mapping[str, Any]]) -> tuple[Verdict, str]:
    """The verdict on some comparisons, and the reason.

    Args:
        results: of ``Comparison.run``; only the outcomes, under the key ``says``, are used.

    >>> verdict_of([{"says": "yes"}, {"says": "open"}])[0]
    'holds in part'
    >>> verdict_of([{"says": "open"}, {"says": "open"}])[0], verdict_of([{"says": "open"}, {"says": "no"}])[0]
    ('open here', 'does not hold here')
    >>> verdict_of([{"says": "small"}])
    ('does not hold here', 'The interval clears its bound in 0 of 1 comparisons; in 1 the effect is too small.')
    >>> verdict_of([{"says": "yes"}, {"says": "missing"}])[0]
    'not testable here'
    """
    n = len(results)
    count = {kind: sum(r["says"] == kind for r in results) for kind in ("yes", "no", "small", "open", "missing")}
    if count["missing"]:
        missing = "it" if n == 1 else f"{count['missing']} of its {n} comparisons"
        return "not testable here", f"Two finished seeds or more are needed, and there are none yet for {missing}."
    told = f"The interval clears its bound in {count['yes']} of {n} comparisons"
    rest = []
    if count["no"]:
        rest.append(f"{count['no']} say{'s' * (count['no'] == 1)} the opposite")
    if count["small"]:
        rest.append(f"in {count['small']} the effect is too small")
    if count["open"]:
        rest.append(f"{count['open']} {'is' if count['open'] == 1 else 'are'} open")
    why = "; ".join([told, *rest]) + "."
    if count["yes"]:
        return "holds" if count["yes"] == n else "holds in part", why
    return "does not hold here" if count["no"] + count["small"] else "open here", why


def claims_table(claims: Sequence[Claim], evidence: Evidence, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """All claims with their verdicts, and the number of each verdict; ready for JSON.

    Args:
        claims: in the order of the table.
        evidence: the source of the numbers.
        metadata: preset, seeds, provenance.
    """
    found = [claim.evaluate(evidence) for claim in claims]
    return {**metadata, "verdicts": {v: sum(c["verdict"] == v for c in found) for v in VERDICTS}, "claims": found}


# ------------------------------------------------------------------------------------------------ numbers by seed


def value_of(row: str, *path: str | int, regime: str = "all") -> BySeed:
    """The number at a path of a row's records, in one of ``cadnet_edu.lab.rows.REGIMES``."""
    return lambda evidence: evidence(row, path, regime)


def difference_of(a: BySeed, b: BySeed) -> BySeed:
    """Seed by seed, the difference of two numbers."""
    return _by_seed(lambda x, y: x - y, a, b)


def ratio_of(a: BySeed, b: BySeed) -> BySeed:
    """Seed by seed, the ratio of two numbers; seeds at which the second is 0 are left out."""
    return _by_seed(lambda x, y: x / y if y else None, a, b)


def average_of(*numbers: BySeed) -> BySeed:
    """Seed by seed, the mean of several numbers."""
    return _by_seed(lambda *values: sum(values) / len(values), *numbers)


def _by_seed(join: Callable[..., float | None], *numbers: BySeed) -> BySeed:
    def number(evidence: Evidence) -> dict[int, float]:
        found = [n(evidence) for n in numbers]
        shared = sorted(set.intersection(*(set(values) for values in found)))
        joined = {k: join(*(values[k] for values in found)) for k in shared}
        return {k: v for k, v in joined.items() if v is not None}

    return number
