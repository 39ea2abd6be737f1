"""The table of claims: verdicts follow from intervals alone, any claim can hold or fail, the page follows the JSON."""

import random
from pathlib import Path
from typing import Any

import pytest

from cadnet_edu.config import preset
from cadnet_edu.io import read_json
from cadnet_edu.lab.claims import CLAIMS, VERDICTS, Claim, Comparison, claims_table, page
from cadnet_edu.lab.claims.page import MEANS, plain
from cadnet_edu.lab.claims.rules import average_of, difference_of, ratio_of, value_of
from cadnet_edu.lab.rows import DEFAULT_REGIMES, LABELS, ROWS, rows

ROOT = Path(__file__).parents[2]
NOTHING = {"preset": "smoke", "seeds": [], "provenance": {"records": 0}}


def evidence_of(better: float, seeds: int = 3) -> Any:
    """Every number of every row is there; CAD-Net's differ by ``better`` from those of the others, a bit by seed."""

    def lookup(row: str, *_: Any) -> dict[int, float]:
        shift = better if row == "cadnet" else 0.0
        return {k: 0.5 + 0.01 * k + shift * (1 + 0.1 * k) for k in range(seeds)}

    return lookup


def evidence_by_chance(trial: int, noise: float = 0.02) -> Any:
    """Numbers by chance, alike for all seeds but for noise; some rows are better than others throughout."""

    def lookup(row: str, place: tuple[Any, ...], regime: str = "all", /) -> dict[int, float]:
        rng = random.Random(f"{trial} {row} {place} {regime}")
        level = rng.uniform(-0.1, 1) + random.Random(f"{trial} {row}").uniform(-1, 1)
        return {k: level + rng.uniform(-noise, noise) for k in range(3)}

    return lookup


def nothing(*_: Any) -> dict[int, float]:
    return {}


# ---------------------------------------------------------------------------------------------------- the rules


def compare(values: dict[int, float], **more: Any) -> str:
    return Comparison("x", lambda _: values, scale=1.0, **more).run(nothing)["says"]


@pytest.mark.parametrize(
    ("values", "more", "says"),
    [({0: 1.0, 1: 1.1, 2: 0.9}, {}, "yes"), ({0: -1.0, 1: -1.1, 2: -0.9}, {}, "no"),
     ({0: 1.0, 1: -1.0, 2: 0.5}, {}, "open"), ({0: 5.0}, {}, "missing"), ({}, {}, "missing"),
     ({0: 0.3, 1: -0.2, 2: 0.1}, {}, "small"), ({0: 0.5, 1: -0.4, 2: 0.1}, {}, "open"),
     ({0: 1.9, 1: 0.1, 2: 0.5}, {}, "open"),
     ({0: -3.0, 1: -1.0, 2: -2.2}, {}, "small"),  # a loss is possible, a gain that counts is not
     ({0: 0.006, 1: -0.006, 2: 0.001}, dict(unit="LPIPS", above=None, below=0.0), "open"),
     ({0: 0.004, 1: -0.002, 2: 0.001}, dict(unit="LPIPS", above=None, below=0.0), "small"),
     ({0: 30.5, 1: 29.6, 2: 30.1}, dict(above=30.0), "open"),  # a threshold that is no difference
     ({0: 0.5, 1: -0.4, 2: 0.1}, dict(unit="bits"), "open"),  # a unit of which nobody said what counts
     ({0: 1.0, 1: 1.1, 2: 0.9}, dict(above=None, below=0.0), "no"),
     ({0: 1.0, 1: 1.1, 2: 0.9}, dict(above=None, below=2.0), "yes"),
     ({0: 1.0, 1: 1.1, 2: 0.9}, dict(above=0.8), "open"), ({0: -1.0, 1: -1.1, 2: -0.9}, dict(above=-3.0), "yes")],
)  # fmt: skip
def test_an_interval_says_what_it_clears(values: dict[int, float], more: dict[str, Any], says: str) -> None:
    assert compare(values, **more) == says


@pytest.mark.parametrize(
    ("says", "verdict"),
    [(("yes", "yes"), "holds"), (("yes", "open"), "holds in part"), (("yes", "no"), "holds in part"),
     (("yes", "open", "no"), "holds in part"), (("open", "no"), "does not hold here"), (("no",), "does not hold here"),
     (("open",), "open here"), (("open", "open"), "open here"), (("yes", "missing"), "not testable here"),
     (("small", "open"), "does not hold here"), (("yes", "small"), "holds in part")],
)  # fmt: skip
def test_the_verdict_counts_comparisons(says: tuple[str, ...], verdict: str) -> None:
    numbers = {"yes": {0: 1.0, 1: 1.0}, "no": {0: -1.0, 1: -1.0}, "open": {0: 1.0, 1: -1.0}, "missing": {},
               "small": {0: 0.0005, 1: -0.0005}}  # fmt: skip
    tests = tuple(Comparison(s, lambda _, s=s: numbers[s]) for s in says)  # type: ignore[misc]
    found = Claim("name", "sentence", "Sec. 1", "experiment", tests).evaluate(nothing)
    assert found["verdict"] == verdict
    assert [number["says"] for number in found["numbers"]] == list(says)
    assert found["why"].endswith(".")
    if "small" in says:
        assert "in 1 the effect is too small" in found["why"]
    if "no" in says:
        assert "1 says the opposite" in found["why"]


def test_numbers_are_joined_seed_by_seed() -> None:
    def lookup(row: str, *_: Any) -> dict[int, float]:
        return {"a": {0: 8.0, 1: 6.0, 2: 1.0}, "b": {0: 2.0, 1: 3.0, 3: 9.0}, "z": {0: 0.0, 1: 3.0}}[row]

    a, b, z = value_of("a", "x"), value_of("b", "x"), value_of("z", "x")
    assert difference_of(a, b)(lookup) == {0: 6.0, 1: 3.0}
    assert ratio_of(a, z)(lookup) == {1: 2.0}
    assert average_of(a, b)(lookup) == {0: 5.0, 1: 4.5}


# ---------------------------------------------------------------------------------------------------- the claims


def test_each_claim_is_given_once_with_its_comparisons_or_the_reason_why_not() -> None:
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS) >= 15
    assert [claim.name for claim in CLAIMS if bool(claim.tests) == bool(claim.why_not)] == []


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.tests], ids=lambda c: c.name)
def test_each_claim_can_come_out_either_way(claim: Claim) -> None:
    """Whatever the numbers are, no claim is decided beforehand: some let it hold, others do not."""
    verdicts = {claim.evaluate(evidence_by_chance(trial))["verdict"] for trial in range(400)}
    assert verdicts & {"holds", "holds in part"}, verdicts
    assert "does not hold here" in verdicts, verdicts
    assert "open here" in {claim.evaluate(evidence_by_chance(trial, noise=50))["verdict"] for trial in range(20)}
    assert claim.evaluate(nothing)["verdict"] == "not testable here"
    assert claim.evaluate(evidence_of(0.3, seeds=1))["verdict"] == "not testable here"


def test_every_row_and_place_that_a_claim_asks_for_exists() -> None:
    asked: list[tuple[str, tuple[Any, ...], str]] = []

    def lookup(row: str, place: tuple[Any, ...], regime: str = "all", /) -> dict[int, float]:
        asked.append((row, place, regime))
        return {0: 1.0, 1: 2.0}

    claims_table(CLAIMS, lookup, NOTHING)
    assert {row for row, _, _ in asked} <= set(LABELS) & set(ROWS["claims"])
    assert {regime for _, _, regime in asked} == set(DEFAULT_REGIMES["claims"])
    assert {place[0] for _, place, _ in asked} == {"scores", "parts", "analyses"}
    default = {(r.name, r.regime) for r in rows(ROWS["claims"], preset("smoke"), DEFAULT_REGIMES["claims"])}
    assert {(row, regime) for row, _, regime in asked} <= default  # what `reproduce claims` runs is enough
    assert {place[1] for _, place, _ in asked if place[0] == "analyses"} <= {"probe", "silhouette", "sweep"}


# ---------------------------------------------------------------------------------------------------- the page


@pytest.mark.parametrize("better", [0.3, 0.0])
def test_the_page_tells_every_claim_with_its_verdict(better: float) -> None:
    about = {"records": 3, **{k: ["x"] for k in ("code", "commit", "device", "precision", "torch", "date")}}
    data = claims_table(CLAIMS, evidence_of(better), {"preset": "smoke", "seeds": [0, 1, 2], "provenance": about})
    text = page(data)
    assert text.count("**Verdict: ") == len(CLAIMS)
    for verdict in VERDICTS:
        assert text.count(f"**Verdict: {verdict}.**") == data["verdicts"][verdict]
        assert f" {verdict} | {MEANS[verdict]} | {data['verdicts'][verdict]} |" in text
    assert sum(data["verdicts"].values()) == len(CLAIMS)
    for claim in data["claims"]:
        assert plain(claim["sentence"]) in text
    assert "| missing" not in text
    rows = [line for line in text.splitlines() if line.startswith("|") and " minus " in line]
    assert all(line.count("|") == 7 for line in rows)


def test_the_page_of_no_runs_says_so() -> None:
    text = page(claims_table(CLAIMS, nothing, NOTHING))
    assert "No run has been recorded yet" in text
    assert text.count("**Verdict: not testable here.**") == len(CLAIMS)


def test_the_books_page_is_made_from_the_committed_table() -> None:
    data = read_json(ROOT / "book" / "results" / "claims.json")
    assert (ROOT / "book" / "claims.md").read_text(encoding="utf-8") == page(data)
