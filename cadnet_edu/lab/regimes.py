"""Where recovery helps: CAD-Net against controls of the same CPU time, in five regimes of labels and training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

from cadnet_edu.figures import describe, save, sweep_panels
from cadnet_edu.lab.analyses import SWEEP
from cadnet_edu.lab.claims.page import plain as as_code
from cadnet_edu.lab.claims.rules import SMALLEST_EFFECT
from cadnet_edu.lab.intervals import Interval, mean_interval, paired
from cadnet_edu.lab.records import KeyPath, Records
from cadnet_edu.lab.rows import CORNERS, LABELS, TERMS, WITH_ALL_TERMS, Row
from cadnet_edu.lab.scoring import rate_name
from cadnet_edu.lab.tables import grid, markdown, mean_of, per_seed, table

OURS = ("cadnet", "cadnet_plus", "f_only", "g_only", "cadnet_mean", "without_adv_DI", "without_adv_DF", "without_rec",
        "without_cls")  # fmt: skip
BOUND = SMALLEST_EFFECT["points"]  # of rank-1, by which an interval must clear 0
SEEDS = 5  # that a verdict needs
FIGURE_FILE = "regimes.svg"
VERDICTS = {
    "helps": "recovery helps",
    "network": "it is only a bigger network",
    "hurts": "the same time is better spent without it",
    "open": "open",
    "missing": "not decided, fewer than five seeds",
}


@dataclass(frozen=True)
class Question:
    """One regime of the study."""

    heading: str
    words: str  # how the sentence about it begins
    regime: str  # whose networks are compared
    controls: tuple[str, ...]  # of CAD-Net's CPU time, beside the two below, which take less
    plain: str  # the baseline of the same steps
    twin: str  # the same networks without what is claimed
    path: KeyPath = ("scores", "mlr", "rank1")  # of the number compared
    verdicts: Mapping[str, str] = field(default_factory=lambda: VERDICTS)  # in words


EQUAL_TIME = ("baseline_mlr_long", "two_encoders_long", "sr_first")
QUESTIONS: dict[str, Question] = {
    "all": Question("All labels", "Where all images have labels", "all", EQUAL_TIME, "baseline_mlr", "two_encoders"),
    "few": Question(
        "Labels for a fifth", "Where a fifth of the people have labels", "few", EQUAL_TIME, "baseline_mlr",
        "two_encoders",
    ),
    "hr_labels": Question(
        "Labels for sharp images only", "Where only sharp images have labels", "hr_labels",
        ("baseline_hr_long", "two_encoders_long"), "baseline_hr", "two_encoders",
    ),
    "fixed": Question(
        "Re-ID network fixed", "Where the re-identification network cannot be changed", "fixed",
        ("baseline_hr", "super_resolution"), "baseline_hr", "super_resolution", verdicts=VERDICTS | {
            "helps": "recovery for re-identification helps, more than recovery of pixels",
            "network": "it helps no more than recovery of pixels alone",
            "hurts": "recovery of pixels alone does better",
        },
    ),
    "unseen": Question(
        "Unseen rate, r = 8", "At r = 8, which no training image had", "all", EQUAL_TIME, "baseline_mlr",
        "two_encoders", ("scores", "8", "rank1"),
    ),
}  # fmt: skip


def verdict(best: Interval | None, plain: Interval | None, twin: Interval | None) -> str:
    """The key of ``VERDICTS``, from differences of rank-1 in points.

    Args:
        best: to the best control.
        plain: to the baseline of the same steps.
        twin: to the same networks without recovery.

    >>> from cadnet_edu.lab.intervals import mean_interval
    >>> up, down, none = (mean_interval([m, m + 0.1, m - 0.1, m, m]) for m in (5, -5, 0))
    >>> verdict(up, up, up), verdict(none, up, none), verdict(down, up, none), verdict(none, none, none)
    ('helps', 'network', 'hurts', 'open')
    """
    if best is None or plain is None or twin is None or best.n < SEEDS:
        return "missing"
    if best.above(BOUND):
        return "helps"
    if best.below(-BOUND):
        return "hurts"
    return "network" if plain.above() and not twin.above() else "open"


def answers(rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The numbers and the verdict of each question, for CAD-Net, CAD-Net++ and the ablations.

    Args:
        rows: of the target "regimes".
        records: of their runs.
        seeds: used.
    """
    of = {(row.regime, row.name): row for row in rows}
    found = []
    for key, q in QUESTIONS.items():
        here = {name: of[q.regime, name] for name in {*q.controls, q.plain, q.twin, *OURS} if (q.regime, name) in of}
        values = {name: points(row, records, q.path, seeds) for name, row in here.items()}
        means = {name: sum(v.values()) / len(v) for name, v in values.items() if v}
        controls = (name for name in dict.fromkeys((*q.controls, q.plain, q.twin)) if name in means)
        best = max(controls, key=lambda name: means[name], default=None)
        for ours in (name for name in OURS if name in means):
            gaps = {kind: None if other not in values else paired(values[ours], values[other])
                    for kind, other in (("best", best), ("plain", q.plain), ("twin", q.twin))}  # fmt: skip
            found.append({
                "question": key, "ours": ours, "rank1": means[ours], "control": best,
                "control_rank1": means.get(best or ""), "plain_rank1": means.get(q.plain), "verdict": verdict(**gaps),
                **{f"to_{kind}": None if gap is None else list(gap) for kind, gap in gaps.items()},
                "by_seed": {name: {str(k): round(v, 4) for k, v in values[name].items()}
                            for name in dict.fromkeys((ours, best, q.plain, q.twin)) if name in values},
            })  # fmt: skip
    return found


def contributions(rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """question -> term -> what CAD-Net has more than without it, in points: (mean, low, high, seeds).

    Args:
        rows: of the target "regimes".
        records: of their runs.
        seeds: used.
    """
    of = {(row.regime, row.name): row for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for key, q in QUESTIONS.items():
        for term in TERMS:
            whole, without = (of.get((q.regime, CORNERS[kept])) for kept in (WITH_ALL_TERMS, WITH_ALL_TERMS - {term}))
            gap = None
            if whole and without:
                gap = paired(points(whole, records, q.path, seeds), points(without, records, q.path, seeds))
            found.setdefault(key, {})[term] = None if gap is None else list(gap)
    return found


def shares(rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """What each term earns where the re-identification network is fixed, from networks with all subsets of the terms.

    Args:
        rows: of the target "regimes".
        records: of their runs.
        seeds: used, as far as all subsets have them.

    Returns:
        ``corners``: terms, separated by " + " -> rank-1 (mean, low, high, seeds); ``shapley``: term -> the same of its
        Shapley value; empty unless all subsets share two seeds.
    """
    q = QUESTIONS["fixed"]
    of = {row.name: row for row in rows if row.regime == "fixed"}
    if not set(CORNERS.values()) <= set(of):
        return {}
    values = {kept: points(of[name], records, q.path, seeds) for kept, name in CORNERS.items()}
    shared = sorted(set.intersection(*(set(v) for v in values.values())))
    if len(shared) < 2:
        return {}
    per = [shapley({kept: v[seed] for kept, v in values.items()}) for seed in shared]
    ordered = sorted(values, key=lambda kept: (len(kept), [term not in kept for term in TERMS]))
    return {
        "corners": {
            " + ".join(term for term in TERMS if term in kept): list(mean_interval([values[kept][s] for s in shared]))
            for kept in ordered
        },
        "shapley": {term: list(mean_interval([one[term] for one in per])) for term in TERMS},
    }


def shapley(values: Mapping[frozenset[str], float]) -> dict[str, float]:
    """The Shapley value of each term: what it adds, averaged over all orders in which the terms may be added.

    The values of all terms sum to what all add together (Shapley, 1953).

    Args:
        values: of each subset of the terms.

    >>> shapley({frozenset(s): v for s, v in (("", 0), ("a", 4), ("b", 4), ("ab", 6))})
    {'a': 3.0, 'b': 3.0}
    """
    terms = sorted(frozenset().union(*values))
    orders = list(permutations(terms))
    gains = dict.fromkeys(terms, 0.0)
    for order in orders:
        for i, term in enumerate(order):
            gains[term] += values[frozenset(order[: i + 1])] - values[frozenset(order[:i])]
    return {term: gain / len(orders) for term, gain in gains.items()}


def points(row: Row, records: Records, path: KeyPath, seeds: Sequence[int]) -> dict[int, float]:
    """seed -> a number in per cent."""
    return {seed: 100 * value for seed, value in per_seed(row, records, path, seeds).items()}


def regimes(rows: Sequence[Row], records: Records, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """The table of all regimes with answers, ready for JSON; the figure is written to ``out``.

    Args:
        rows: of the target "regimes".
        records: of their runs.
        seeds: used.
        out: folder of the figure.
    """
    found = answers(rows, records, seeds)
    panels = sweeps(rows, records, seeds, {a["question"]: a["control"] for a in found})
    figure = sweep_panels(panels) if panels else None
    if figure is not None:
        save(figure, out / FIGURE_FILE)
    alt = describe(figure) if figure is not None else ""
    return table("regimes", rows, records, seeds) | {
        "answers": found, "contributions": contributions(rows, records, seeds),
        "shares": shares(rows, records, seeds), "figure": alt,
    }  # fmt: skip


def sweeps(
    rows: Sequence[Row], records: Records, seeds: Sequence[int], best: Mapping[str, str | None]
) -> dict[str, dict[str, dict[float, Any]]]:
    """heading -> method -> rate -> rank-1 with its interval: CAD-Net, CAD-Net++, the baseline, the best control."""
    names = {"cadnet": "CAD-Net", "cadnet_plus": "CAD-Net++", "plain": "baseline, same steps",
             "best": "best control"}  # fmt: skip
    of, panels = {(row.regime, row.name): row for row in rows}, {}
    for key, q in QUESTIONS.items():
        if key == "unseen":  # the networks, and so the panel, of "all"
            continue
        curves: dict[str, dict[float, Any]] = {}
        for kind, label in names.items():
            name = {"plain": q.plain, "best": best.get(key)}.get(kind, kind)
            row = of.get((q.regime, name or ""))
            at = {r: row and mean_of(row, records, ("analyses", "sweep", rate_name(r)), seeds) for r in SWEEP}
            if row is not None and all(at.values()):
                curves[label] = {r: v.mean if v.low is None else tuple(v[:3]) for r, v in at.items() if v}
        if curves:
            panels[q.heading] = curves
    return panels


# ---------------------------------------------------------------------------------------------------- as text

HEAD = """# When should I use recovery?

CAD-Net recovers sharp images and identifies people with them. Does the recovery earn its computing time? That depends
on what is labelled, and on what may be trained. Five situations were written down, with the bounds of each verdict,
before their runs. All methods draw from the same images, and the controls have about CAD-Net's CPU time or less,
whichever serves them better.

**In short:**
"""
RULES = f"""
**How a verdict is made.** Rank-1 over mixed rates of {{2, 3, 4}} (at the unseen rate: at r = 8), a difference taken
seed by seed, its 95 % interval over at least {SEEDS} seeds. *Recovery helps* where all of it lies more than {BOUND:g}
point above the best control, and *the same time is better spent without it* where all of
it lies more than {BOUND:g} point below; which control is best is seen from its mean, which favours the controls. *It is
only a bigger network* where CAD-Net beats the baseline of the same steps, but not the same two encoders without
recovery. Otherwise it is *open*. Where the re-identification network is fixed, the control is recovery of pixels alone,
and the verdict says whether recovery that listens to re-identification does better than that.

The people are drawn, 64 x 32 pixels small, and the networks start from one that was trained on sharp images of others
(`weights="walkers"`). At r = 4 a person of 64 x 32 is 16 x 8, as one of the paper's 256 x 128 is 64 x 32: so this can
compare what losses are worth under one budget, and says nothing about percentages on photographs.

**Read it with two limits.** One rule was sharpened when the first numbers were known, against CAD-Net: the best control
may now also be one that takes *less* CPU time. And this is the second study. In the first one CAD-Net's images were
hardly sharper than their inputs; so G got more room, and eq. (2) its weight as it is written, a sum over pixels. Both
were tried on other people, and the controls are the runs of the first study (`book/results/LOG.md` tells all of it).
The last row of a table of PSNR is what restoring all detail of the LR grid gives.
"""
FIGURE = """
```{figure} _static/regimes.svg
:alt: %s

Rank-1 by rate in the trainings above. The fifth situation, the unseen rates, is what lies right of the grey band.
```
"""


def sentence(answer: Mapping[str, Any]) -> str:
    """One answer in words, with its numbers."""
    q = QUESTIONS[answer["question"]]
    ours, control, simple = (
        as_code(LABELS.get(name or "", "")) for name in (answer["ours"], answer["control"], q.plain)
    )
    verdict_ = q.verdicts[answer["verdict"]]
    if answer["to_best"] is None or answer["to_best"][1] is None or answer["plain_rank1"] is None:
        return f"{q.words}: {verdict_}."
    gap, low, high, n = answer["to_best"]
    more = f"; *{simple}* {answer['plain_rank1']:.1f} %" if answer["control"] != q.plain else ""
    return (
        f"{q.words}: **{verdict_}**. {ours} {answer['rank1']:.1f} %, *{control}* {answer['control_rank1']:.1f} % "
        f"({gap:+.1f} points, {low:+.1f} to {high:+.1f}, {n} seeds){more}."
    )


def as_tex(term: str) -> str:
    """The name of a term as a formula.

    >>> as_tex("L_rec"), as_tex("L_adv^{D_F}")
    ('$\\\\mathcal{L}_\\\\mathrm{rec}$', '$\\\\mathcal{L}_\\\\mathrm{adv}^{\\\\mathcal{D}_F}$')
    """
    name, _, discriminator = term.removeprefix("L_").partition("^")
    above = rf"^{{\mathcal{{D}}_{discriminator[3]}}}" if discriminator else ""
    return rf"$\mathcal{{L}}_\mathrm{{{name}}}{above}$"


SHORT = {"helps": "helps", "network": "as the control", "hurts": "hurts", "open": "open"}


def changed(data: Mapping[str, Any]) -> list[str]:
    """The variants of CAD-Net against the best control, and what each loss earns: lines of two tables."""
    headings = {key: q.heading for key, q in QUESTIONS.items()}
    by = {(a["ours"], a["question"]): a for a in data["answers"] if a["ours"] != "cadnet" and a["verdict"] != "missing"}

    def against(name: str, key: str) -> str:
        if (name, key) not in by:
            return "-"
        a = by[name, key]
        mean, low, high, _ = a["to_best"]
        return f"{mean:+.1f} ({low:+.1f} to {high:+.1f}) {SHORT[a['verdict']]}"

    def earned(gap: Sequence[float] | None) -> str:
        if gap is None or gap[1] is None:
            return "-"
        mark = "\\*" if gap[1] * gap[2] > 0 else ""
        return f"{gap[0]:+.1f} ({gap[1]:+.1f} to {gap[2]:+.1f}){mark}"

    variants = [name for name in OURS if any((name, key) in by for key in headings)]
    out = []
    if variants:
        lines = [[as_code(LABELS[name]), *(against(name, key) for key in headings)] for name in variants]
        out += ["", "**With one thing changed:** rank-1 minus that of the best control, in points.", "",
                *grid(["", *headings.values()], lines)]  # fmt: skip
    lines = [[as_tex(term), *(earned(data["contributions"][key][term]) for key in headings)] for term in TERMS]
    if any(cell != "-" for line in lines for cell in line[1:]):
        out += ["", "**What each loss earns:** rank-1 of CAD-Net minus that of CAD-Net without the loss, in points; "
                "\\* marks an interval that leaves out 0.", "", *grid(["", *headings.values()], lines)]  # fmt: skip
    return out


def all_subsets(data: Mapping[str, Any]) -> list[str]:
    """The Shapley values, and the networks of all subsets of the terms: lines; none before all are trained."""
    if not data["shares"]:
        return []
    corners, values = data["shares"]["corners"], data["shares"]["shapley"]

    def number(v: Sequence[float]) -> str:
        return f"{v[0]:.1f} ({v[1]:.1f} to {v[2]:.1f})"

    seeds = next(iter(values.values()))[3]
    return [
        "## Which loss earns the points?", "",
        "Leaving out one term tells what it adds when all others are there. Two terms that do the same job then look "
        "useless, both of them. So here, where the re-identification network is fixed, are the networks of all 16 "
        "subsets of the four terms. The Shapley value of a term is what it adds to rank-1 at mixed rates, in points, "
        "averaged over all orders of adding the terms one by one; the four sum to what all add together. "
        f"Intervals over {seeds} seeds.", "",
        *grid(["Term", "Shapley value"], [[as_tex(term), number(v)] for term, v in values.items()]), "",
        *grid(["Trained with", "rank-1 (%)"],
              [[as_code(kept) or "nothing: the blurred images themselves", number(v)] for kept, v in corners.items()]),
        "",
    ]  # fmt: skip


def time_taken(data: Mapping[str, Any]) -> str:
    """How much CPU time the controls really took that are named after CAD-Net's, in a sentence; empty without them."""
    shares = []
    for regime in data["regimes"]:
        seconds = {b["row"]: b["cpu_seconds"] for b in regime["budgets"] if b["cpu_seconds"]}
        if "cadnet" in seconds:
            shares += [s / seconds["cadnet"] for name, s in seconds.items() if name.endswith("_long")]
    if not shares:
        return ""
    return (
        '**CPU time.** The controls "of CAD-Net\'s CPU time" have their steps from a trial on an idle machine; '
        f"in the runs they took {min(shares):.2f} to {max(shares):.2f} times as much."
    )


def regimes_page(data: Mapping[str, Any]) -> str:
    """The page of the book: answers, rules, figure, and all tables.

    Args:
        data: of ``regimes``.
    """
    main = [f"{i}. {sentence(a)}" for i, a in enumerate((a for a in data["answers"] if a["ours"] == "cadnet"), 1)]
    tables = markdown(dict(data)).split("\n", 1)[1]
    figure = FIGURE % data["figure"] if data["figure"] else ""
    return "\n".join([HEAD, *main, *changed(data), RULES, time_taken(data), figure, *all_subsets(data),
                      "## All numbers", tables])  # fmt: skip
