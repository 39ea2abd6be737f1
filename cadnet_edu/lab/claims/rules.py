"""How a claim is judged: comparisons with intervals over seeds, and five verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cadnet_edu.lab.intervals import Interval, mean_interval

Place = tuple[str | int, ...]
Verdict = Literal["holds", "holds in part", "open here", "does not hold here", "not testable here"]
VERDICTS: tuple[Verdict, ...] = ("holds", "holds in part", "open here", "does not hold here", "not testable here")


class Evidence(Protocol):
    """Where numbers come from: the records of a row in a regime."""

    def __call__(self, row: str, place: Place, regime: str = "all", /) -> dict[int, float]:
        """seed -> the number at a place of its record; empty when there is none."""


@dataclass(frozen=True)
class Comparison:
    """One comparison: a number for each seed, and the value that its interval must clear.

    Args:
        what: what is compared, in words.
        number: from the evidence to seed -> number.
        unit: of the number, after scaling.
        scale: what the number is multiplied with.
        above: the whole interval must lie above this (after scaling) ...
        below: ... or below this.
    """

    what: str
    number: Callable[[Evidence], dict[int, float]]
    unit: str = "points"
    scale: float = 100.0
    above: float | None = 0.0
    below: float | None = None

    def run(self, evidence: Evidence) -> dict[str, Any]:
        """The interval over seeds and what it says: ``yes``, ``no`` (the opposite), ``open``, or ``missing``."""
        values = self.number(evidence)
        found = mean_interval([self.scale * v for v in values.values()]) if values else None
        said = self.says(found)
        numbers = (None, None, None, 0) if found is None else found
        kept = [None if v is None else float(f"{v:.6g}") for v in numbers[:3]]
        return {"what": self.what, "unit": self.unit, "mean": kept[0], "low": kept[1], "high": kept[2],
                "seeds": numbers[3], "wanted": self.wanted, "says": said}  # fmt: skip

    @property
    def wanted(self) -> str:
        """What the interval must do, in words."""
        return f"above {self.above:g}" if self.below is None else f"below {self.below:g}"

    def says(self, found: Interval | None) -> str:
        """What an interval says about the claim: ``yes``, ``no``, ``open`` or ``missing``.

        Args:
            found: the mean over seeds with its interval; None when there is no number.

        >>> from cadnet_edu.lab.intervals import mean_interval
        >>> more = Comparison("rank-1", number=dict)
        >>> [more.says(mean_interval(v)) for v in ([1.0, 1.1], [1.0, -1.0], [-1.0, -1.1], [1.0])]
        ['yes', 'open', 'no', 'missing']
        """
        if found is None or found.low is None:
            return "missing"
        if self.below is not None:
            return "yes" if found.below(self.below) else "no" if found.above(self.below) else "open"
        bound = self.above or 0.0
        return "yes" if found.above(bound) else "no" if found.below(bound) else "open"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper and how it is put to the test.

    Args:
        name: short, for links.
        sentence: word for word.
        section: where it stands.
        experiment: what we do to test it, in words.
        tests: the comparisons; none for what cannot be tested here.
        why_not: why it cannot be tested here.
    """

    name: str
    sentence: str
    section: str
    experiment: str
    tests: tuple[Comparison, ...] = ()
    why_not: str = ""

    @property
    def rule(self) -> str:
        """When which verdict is given."""
        n = len(self.tests)
        if n == 0:
            return "None: it cannot be tested here."
        if n == 1:
            return (
                "Holds when the 95 % interval over seeds clears its bound, does not hold here when all of it lies on "
                "the wrong side, and is open here when it lies on both sides."
            )
        return (
            f"Holds when the 95 % interval over seeds clears its bound in all {n} comparisons, in part when it does in "
            "some. When it does in none: does not hold here if in one or more all of it lies on the wrong side, open "
            "here if in every one it lies on both sides."
        )

    def judge(self, evidence: Evidence) -> dict[str, Any]:
        """The claim with our numbers, a verdict, and why; ready for JSON."""
        results = [test.run(evidence) for test in self.tests]
        verdict, why = verdict_of(results) if self.tests else ("not testable here", self.why_not)
        return {"name": self.name, "sentence": self.sentence, "section": self.section, "experiment": self.experiment,
                "rule": self.rule, "numbers": results, "verdict": verdict, "why": why}  # fmt: skip


def verdict_of(results: Sequence[Mapping[str, Any]]) -> tuple[Verdict, str]:
    """The verdict on some comparisons, and why.

    Only a comparison that says the opposite speaks against a claim; one that is open says that the seeds cannot tell.

    Args:
        results: of ``Comparison.run``; only what each ``says`` is used.

    >>> verdict_of([{"says": "yes"}, {"says": "open"}])[0]
    'holds in part'
    >>> verdict_of([{"says": "open"}, {"says": "open"}])[0], verdict_of([{"says": "open"}, {"says": "no"}])[0]
    ('open here', 'does not hold here')
    >>> verdict_of([{"says": "yes"}, {"says": "missing"}])[0]
    'not testable here'
    """
    n = len(results)
    count = {kind: sum(r["says"] == kind for r in results) for kind in ("yes", "no", "open", "missing")}
    if count["missing"]:
        missing = "it" if n == 1 else f"{count['missing']} of its {n} comparisons"
        return "not testable here", f"Two finished seeds or more are needed, and there are none yet for {missing}."
    told = f"The interval clears its bound in {count['yes']} of {n} comparisons"
    rest = []
    if count["no"]:
        rest.append(f"{count['no']} say{'s' * (count['no'] == 1)} the opposite")
    if count["open"]:
        rest.append(f"{count['open']} {'is' if count['open'] == 1 else 'are'} open, the interval lying on both sides")
    why = told + (f"; {' and '.join(rest)}." if rest else ".")
    if count["yes"]:
        return "holds" if count["yes"] == n else "holds in part", why
    return "does not hold here" if count["no"] else "open here", why


def ledger(claims: Sequence[Claim], evidence: Evidence, about: Mapping[str, Any]) -> dict[str, Any]:
    """All claims judged; ready for JSON.

    Args:
        claims: in the order in which they are told.
        evidence: where numbers come from.
        about: preset, seeds, provenance.
    """
    judged = [claim.judge(evidence) for claim in claims]
    return {**about, "verdicts": {v: sum(c["verdict"] == v for c in judged) for v in VERDICTS}, "claims": judged}


# ------------------------------------------------------------------------------------------------ numbers by seed


def of(row: str, *place: str | int, regime: str = "all") -> Callable[[Evidence], dict[int, float]]:
    """A number of a row's records.

    Args:
        row: which.
        place: where in the record.
        regime: ``all`` or ``few`` labels.
    """
    return lambda evidence: evidence(row, place, regime)


def minus(
    a: Callable[[Evidence], dict[int, float]], b: Callable[[Evidence], dict[int, float]]
) -> Callable[[Evidence], dict[int, float]]:
    """Seed by seed, the difference of two numbers."""
    return _paired(a, b, lambda x, y: x - y)


def ratio(
    a: Callable[[Evidence], dict[int, float]], b: Callable[[Evidence], dict[int, float]]
) -> Callable[[Evidence], dict[int, float]]:
    """Seed by seed, the ratio of two numbers; seeds at which the second is 0 are left out."""
    return _paired(a, b, lambda x, y: x / y if y else None)


def mean(*numbers: Callable[[Evidence], dict[int, float]]) -> Callable[[Evidence], dict[int, float]]:
    """Seed by seed, the mean of several numbers."""

    def number(evidence: Evidence) -> dict[int, float]:
        found = [n(evidence) for n in numbers]
        shared = set.intersection(*(set(one) for one in found))
        return {k: sum(one[k] for one in found) / len(found) for k in sorted(shared)}

    return number


def _paired(
    a: Callable[[Evidence], dict[int, float]],
    b: Callable[[Evidence], dict[int, float]],
    join: Callable[[float, float], float | None],
) -> Callable[[Evidence], dict[int, float]]:
    def number(evidence: Evidence) -> dict[int, float]:
        x, y = a(evidence), b(evidence)
        joined = {k: join(x[k], y[k]) for k in sorted(set(x) & set(y))}
        return {k: v for k, v in joined.items() if v is not None}

    return number
