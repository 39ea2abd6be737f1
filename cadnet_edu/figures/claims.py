"""Figures of claims: the margins of all comparisons, and the coverage of confidence intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from cadnet_edu.figures.style import COLORS, GREY, SMALL, ink, new_figure, styled, title, wrapped

FAR = 200.0  # half-widths; larger distances are drawn there
LOOKS = {"yes": (COLORS[0], "o", COLORS[0]), "open": ("#666666", "D", "white"), "small": ("#666666", "v", "#666666"),
         "no": (COLORS[1], "s", COLORS[1])}  # fmt: skip
WORDS = {"yes": "as claimed", "open": "open", "small": "too small", "no": "the opposite"}


@styled
def claim_margins_plot(rows: Mapping[str, Sequence[tuple[float, float, float, str]]]) -> Figure:
    """The distance of each comparison from its bound, in half-widths of its interval; a row a claim.

    Above 1 the interval clears its bound; between -1 and 1 it lies on both sides; below -1 it shows the opposite.

    Args:
        rows: claim -> its comparisons as ``(mean, low, high, outcome)``, shifted and turned so that the bound is 0 and
            the criterion is "above"; the outcome is one of ``yes``, ``open``, ``small`` and ``no``, as of
            ``cadnet_edu.lab.claims.Comparison``. A claim without any is left out.

    Returns:
        the figure; its text counts the outcomes of every claim.

    Raises:
        ValueError: when there is no comparison.

    >>> claim_margins_plot({"better": [(2, 1, 3, "yes"), (0.5, -1, 2, "open")]}).alt.split(". ")[1]
    'better: 1 as claimed, 1 open.'
    """
    rows = {name: found for name, found in rows.items() if found}
    if not rows:
        raise ValueError(
            "no comparison was given; claim_margins_plot needs {claim: [(mean, low, high, outcome), ...]}."
        )
    fig = new_figure(1.1 + 0.4 * len(rows))
    ax = fig.subplots()
    ax.axvspan(-1, 1, color="#eeeeee", linewidth=0)
    ax.vlines(0, -0.5, len(rows), color=GREY, linewidth=1.2)
    count, said = dict.fromkeys(LOOKS, 0), []
    for y, (name, found) in enumerate(rows.items()):
        kinds = [kind for *_, kind in found]
        for place, (*one, kind) in enumerate(found):
            color, marker, face = LOOKS[kind]
            height = y + 0.6 * ((place + 0.5) / len(found) - 0.5)  # comparisons of a claim below each other
            ax.plot(_clearance(*one), height, marker, color=color, mfc=face, mew=1.5, markersize=5.5)
        here = {kind: kinds.count(kind) for kind in LOOKS}
        count = {kind: count[kind] + here[kind] for kind in LOOKS}
        said.append(f"{name}: {', '.join(f'{n} {WORDS[kind]}' for kind, n in here.items() if n)}")
    ax.set_xscale("symlog", linthresh=1, linscale=0.7)
    ax.set_xlim(-1.5 * FAR, 1.5 * FAR)
    ax.set_xticks([-100, -10, -1, 1, 10, 100], ["-100", "-10", "-1", "1", "10", "100"])
    ax.minorticks_off()
    ax.set_yticks(range(len(rows)), wrapped(rows, 20), fontsize=SMALL)
    ax.set_ylim(len(rows) - 0.4, -1.5)
    for x, kind, words in ((-15, "no", WORDS["no"]), (0, "open", "open, small"), (15, "yes", WORDS["yes"])):
        ax.annotate(words, (x, -1), ha="center", va="center", color=ink(LOOKS[kind][0]), fontweight="bold")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("distance from the bound, in half-widths")
    told = ", ".join(f"{n} {WORDS[kind]}" for kind, n in count.items())
    title(fig, told)
    fig.alt = f"{sum(count.values())} comparisons of {len(rows)} claims: {told}. {'; '.join(said)}."
    return fig


def _clearance(mean: float, low: float, high: float) -> float:
    """The mean in half-widths; of an interval of no width, ``FAR``."""
    half = (high - low) / 2
    return float(np.clip(mean / half, -FAR, FAR)) if half > 0 else float(np.sign(mean)) * FAR


@styled
def coverage_plot(intervals: Sequence[tuple[float, float]], truth: float = 0.0, heading: str = "") -> Figure:
    """Confidence intervals of repeated experiments; those that miss the true value are marked.

    Args:
        intervals: ``(low, high)`` of each.
        truth: the true value.
        heading: the title; by default how many miss it.

    Returns:
        the figure; its text says how many miss it, and how wide they are.

    Raises:
        ValueError: when there is none.

    >>> coverage_plot([(-1, 1), (0.5, 2)]).alt.split(". ")[0]
    '2 intervals, 1 of which misses the truth, 0'
    """
    if not len(intervals):
        raise ValueError("no interval was given; coverage_plot needs [(low, high), ...].")
    low, high = np.array(intervals, dtype=float).T
    missed = (low > truth) | (high < truth)
    fig = new_figure(2.5)
    ax = fig.subplots()
    for is_missed, color, width, marker in ((False, "#9db8c9", 1.5, ""), (True, COLORS[1], 2.5, "s")):
        x = np.flatnonzero(missed == is_missed)
        ax.vlines(x, low[x], high[x], color=color, linewidth=width)
        if marker:
            ax.plot(x, (low[x] + high[x]) / 2, marker, color=color, markersize=4)
    ax.axhline(truth, color=GREY, linewidth=1.2)
    ax.set_xlabel("repetition of the whole experiment")
    ax.set_ylabel("interval")
    ax.grid(visible=False, axis="x")
    n, half = int(missed.sum()), float(np.median(high - low)) / 2
    title(fig, heading or f"{n} of {len(low)} miss the truth")
    fig.alt = (
        f"{len(low)} intervals, {n} of which {'misses' if n == 1 else 'miss'} the truth, {truth:g}. Half of their "
        f"width is {half:.2g} (median)."
    )
    return fig
