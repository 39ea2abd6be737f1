"""The study of regimes: verdicts from intervals, and a page whose sentences hold the numbers of the records."""

from itertools import combinations
from pathlib import Path

import pytest

from cadnet_edu.cli.reproduce import Reproduce, base_config, requested_rows
from cadnet_edu.lab.intervals import mean_interval
from cadnet_edu.lab.records import Records
from cadnet_edu.lab.regimes import OURS, QUESTIONS, answers, regimes, regimes_page, shapley, time_taken, verdict
from cadnet_edu.lab.rows import CORNERS, DEFAULT_REGIMES, ONLY, REGIME_ROWS, TERMS
from cadnet_edu.methods import METHODS

OPTIONS = Reproduce(what="regimes", preset="reduced")
ROWS = requested_rows(OPTIONS, base_config(OPTIONS))
SEEDS = range(5)
# Rank-1 in per cent at mixed rates (the "rest" of the rows), which makes: a gain, a loss, a bigger network, open.
LEVELS = {
    "hr_labels": {"cadnet": 60, "cadnet_plus": 70, "baseline_hr_long": 52, "rest": 40},
    "all": {"cadnet": 66, "cadnet_plus": 66, "baseline_mlr_long": 72, "rest": 60},
    "few": {"cadnet": 50, "cadnet_plus": 50, "two_encoders_long": 50, "two_encoders": 50, "rest": 40},
    "fixed": {"cadnet": 50, "cadnet_plus": 50, "rest": 50},
}
JITTER = (0, 0.4, -0.4, 0.2, -0.2)


@pytest.fixture(scope="module")
def records() -> Records:
    found = Records()
    for row in sorted(ROWS, key=lambda row: DEFAULT_REGIMES["regimes"].index(row.regime)):
        for config in row.runs(SEEDS):
            seed, level = config.run.seed, LEVELS[row.regime].get(row.name, LEVELS[row.regime]["rest"])
            noise = JITTER[(seed + len(row.name)) % 5] if row.regime in ("few", "fixed") else 0.1 * JITTER[seed]
            rank1 = (level + noise) / 100
            scores = {r: {"rank1": rank1, "psnr": 20.0} for r in ("1", "2", "3", "4", "mlr", "8")}
            sweep = {f"{r:g}": rank1 for r in (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10)}
            found.add({"config": config.to_dict(), "scores": scores, "analyses": {"sweep": sweep}, "missing": {},
                       "provenance": {}, "budget": {}}, Path(f"{row.name}.json"))  # fmt: skip
    return found


def test_each_regime_has_its_verdict(records):
    found = {a["question"]: a["verdict"] for a in answers(ROWS, records, SEEDS) if a["ours"] == "cadnet"}
    assert found == {"all": "hurts", "unseen": "hurts", "few": "network", "hr_labels": "helps", "fixed": "open"}


def test_the_best_control_is_compared_seed_by_seed(records):
    one = next(a for a in answers(ROWS, records, SEEDS) if (a["question"], a["ours"]) == ("hr_labels", "cadnet"))
    assert one["control"] == "baseline_hr_long"
    mean, low, high, n = one["to_best"]
    assert (round(mean, 9), n) == (8, 5)  # the same noise in both: it cancels
    assert low == pytest.approx(8)
    assert high == pytest.approx(8)


def test_fewer_than_five_seeds_make_no_verdict(records):
    assert {a["verdict"] for a in answers(ROWS, records, range(4))} == {"missing"}


@pytest.mark.parametrize(("gap", "said"), [(1.5, "helps"), (0.9, "open"), (-0.9, "open"), (-1.5, "hurts")])
def test_one_point_is_the_bound(gap, said):
    gap_, none = (mean_interval([m - 0.01, m, m + 0.01, m, m]) for m in (gap, 0))
    assert verdict(gap_, none, none) == said


def test_the_page_says_the_numbers_and_shows_the_figure(records, tmp_path):
    data = regimes(ROWS, records, SEEDS, tmp_path)
    text = regimes_page(data)
    assert "5. At r = 8" in text
    assert "Where only sharp images have labels: **recovery helps**. CAD-Net 60.0 %, *baseline, HR images only" in text
    assert "(+8.0 points, +8.0 to +8.0, 5 seeds)" in text
    plus = next(line for line in text.splitlines() if line.startswith("| CAD-Net++")).split("|")
    assert [cell.strip() for cell in plus[2:7]] == [
        "-6.0 (-6.0 to -6.0) hurts", plus[3].strip(), "+18.0 (+18.0 to +18.0) helps", plus[5].strip(),
        "-6.0 (-6.0 to -6.0) hurts",
    ]  # fmt: skip
    losses = next(
        line for line in text.splitlines() if line.startswith(r"| $\mathcal{L}_\mathrm{adv}^{\mathcal{D}_F}$")
    ).split("|")
    assert losses[2].strip() == "+6.0 (+6.0 to +6.0)\\*"
    assert losses[4].strip() == "+20.0 (+20.0 to +20.0)\\*"
    assert data["figure"] in text
    assert (tmp_path / "regimes.svg").read_text().startswith("<?xml")
    for heading in ("Regime: labels for all", "Regime: labels for HR images only", "network fixed"):
        assert heading in text


def test_the_page_says_what_the_controls_took():
    budgets = [
        {"row": name, "cpu_seconds": s} for name, s in (("cadnet", 80), ("two_encoders_long", 72), ("f_only", 9))
    ]
    longer = [{"row": "cadnet", "cpu_seconds": 50}, {"row": "baseline_hr_long", "cpu_seconds": 60}]
    assert "took 0.90 to 1.20 times as much" in time_taken({"regimes": [{"budgets": budgets}, {"budgets": longer}]})
    assert time_taken({"regimes": [{"budgets": longer[1:]}]}) == ""


def test_every_control_is_a_row_and_every_row_a_method():
    for q in QUESTIONS.values():
        assert {*q.controls, q.plain, q.twin, *OURS[:2]} <= set(REGIME_ROWS[q.regime])
    assert {row.config.run.method for row in ROWS} <= set(METHODS)
    assert all(row.config.loss.lr_labels or row.regime == "hr_labels" for row in ROWS)
    assert {row.config.run.method for row in ROWS if row.regime == "fixed"} == {
        "baseline_hr", *(f"fixed_{name}" for name in REGIME_ROWS["fixed"] if name not in ("baseline_hr", *ONLY))
    }  # fmt: skip


def test_the_rows_of_some_terms_alone_have_the_others_off():
    assert len(CORNERS) == 16
    assert len(ONLY) == 8
    of = {row.name: row.config for row in ROWS if row.regime == "fixed"}
    for kept, name in CORNERS.items():
        weights = {term: getattr(of[name].loss, weight) for term, weight in TERMS.items()}
        if name != "baseline_hr":  # whose L_cls trains the fixed network
            assert {term for term, weight in weights.items() if weight} == kept


def test_shapley_values_are_those_of_terms_that_add_up_and_of_twins():
    everything = [frozenset(kept) for n in range(5) for kept in combinations("abcd", n)]
    worth = {"a": 1.0, "b": -2.0, "c": 3.0, "d": 0.0}
    assert shapley({s: sum(worth[t] for t in s) for s in everything}) == pytest.approx(worth)
    twins = shapley({s: 5.0 if s & {"a", "b"} else 0.0 for s in everything})
    assert twins == pytest.approx({"a": 2.5, "b": 2.5, "c": 0, "d": 0})


def test_the_page_shares_the_points_among_the_terms(records, tmp_path):
    data = regimes(ROWS, records, SEEDS, tmp_path)
    total = sum(v[0] for v in data["shares"]["shapley"].values())
    corners = data["shares"]["corners"]
    assert total == pytest.approx(corners[" + ".join(TERMS)][0] - corners[""][0])
    assert "## Which loss earns the points?" in regimes_page(data)
