"""Figures of the evidence: rank-1 at any rate, ablations, what recovery restores, which loss and which half acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cadnet_edu.analysis.arrays import to_array
from cadnet_edu.figures.curves import _with_interval
from cadnet_edu.figures.features import _scatter
from cadnet_edu.figures.style import COLORS, LINES, MARKERS, SMALL, label_ends, new_figure, styled, title

HATCHES = ("", "///", "...", "\\\\\\", "xxx", "ooo", "+++")


@styled
def rank1_sweep(
    curves: Mapping[str, Mapping[Any, Any]], seen: Sequence[float] = (2, 3, 4), heading: str = "", top: float = 1.0
) -> Figure:
    """Rank-1 against a continuous down-sampling rate, one line a method, its interval as a band.

    Args:
        curves: method -> rate -> rank-1 as a fraction, or ``(value, low, high)``. Rates may be numbers or text.
        seen: rates of the training images, marked by ticks at the top.
        heading: the title; by default the rates at which the methods have lost half of their first value.
        top: where the axis of rank-1 ends, as a fraction.

    Returns:
        the figure; its text gives every method at its first rate, at whole rates, and at its last.

    Raises:
        ValueError: when there is no value.
    """
    if not any(curves.values()):
        raise ValueError("no value was given; rank1_sweep needs {method: {rate: rank-1}}.")
    fig = new_figure(3.4)
    ax = fig.subplots()
    ends, said, halves = [], [], []
    for i, (name, given) in enumerate(curves.items()):
        rates = sorted(given, key=float)
        r, color = np.array([float(rate) for rate in rates]), COLORS[i % len(COLORS)]
        value, low, high = 100 * np.array([_with_interval(given[rate]) for rate in rates]).T
        ax.plot(r, value, color=color, marker=MARKERS[i % len(MARKERS)], linestyle=LINES[i % len(LINES)], markersize=5)
        ax.fill_between(r, low, high, color=color, alpha=0.18, linewidth=0)
        ends.append((float(value[-1]), f"{name}\n{value[-1]:.0f} % at r = {r[-1]:g}", color))
        halves.append(_half_life(r, value))
        whole = [k for k in range(len(r)) if float(r[k]).is_integer()]
        said.append(f"{name}: " + ", ".join(f"{value[k]:.0f} % at r = {r[k]:g}" for k in whole))
    for rate in seen:
        ax.axvline(rate, ymin=0.94, color="#444444", linewidth=1.5)
    if seen:
        words = {"ha": "left", "va": "top", "color": "#444444", "fontsize": SMALL, "textcoords": "offset points"}
        ax.annotate("seen in training", (max(seen), 1), (5, -1), xycoords=("data", "axes fraction"), **words)  # type: ignore[arg-type]
    ax.set_ylim(0, 112 * top)
    ax.set_xlabel("down-sampling rate r of the query")
    ax.set_ylabel("rank-1 (%)")
    label_ends(ax, ends, gap=0.19)
    title(fig, heading or _lost(halves, max(float(r) for curve in curves.values() for r in curve)))
    fig.alt = f"Rank-1 against a continuous down-sampling rate. {'; '.join(said)}." + (
        f" Rates {', '.join(f'{r:g}' for r in seen)} were seen in training." if seen else ""
    )
    return fig


def _half_life(r: np.ndarray, value: np.ndarray) -> float:
    """The rate at which a falling curve first comes below half of its first value; infinity when it never does.

    >>> _half_life(np.array([1.0, 2.0, 4.0]), np.array([80.0, 60.0, 20.0]))
    3.0
    """
    below = np.flatnonzero(value < value[0] / 2)
    if not len(below):
        return float("inf")
    k = below[0]
    share = (value[k - 1] - value[0] / 2) / (value[k - 1] - value[k])
    return float(r[k - 1] + share * (r[k] - r[k - 1]))


def _lost(halves: Sequence[float], last: float) -> str:
    """The title that says where half of rank-1 is lost.

    >>> _lost([2.0, 6.9], 10), _lost([float("inf")], 8)
    ('Half of rank-1 is lost at r = 2.0 to 6.9', 'More than half of rank-1 is left at r = 8')
    """
    low, high = min(halves), max(halves)
    if np.isinf(low):
        return f"More than half of rank-1 is left at r = {last:g}"
    if np.isinf(high):
        return f"Half of rank-1 is lost from r = {low:.1f} on"
    return f"Half of rank-1 is lost at r = {low:.1f}" + (f" to {high:.1f}" if high - low >= 0.05 else "")


@styled
def difference_dots(
    values: Mapping[str, Any], unit: str = "points of rank-1", scale: float = 100, heading: str = ""
) -> Figure:
    """Differences to a reference with their intervals: a dot a row, filled where the interval leaves out 0.

    Args:
        values: name -> difference or ``(difference, low, high)``.
        unit: what the numbers are in, after multiplying with ``scale``.
        scale: 100 turns fractions into points.
        heading: the title; by default how many of them differ from 0.

    Returns:
        the figure; its text holds every number, and which are different from 0.

    >>> difference_dots({"w/o L_rec": (-0.05, -0.08, -0.02)}).alt
    'Differences in points of rank-1, with 95 % intervals: w/o L_rec -5.0 (-8.0 to -2.0), not 0.'
    """
    names = list(values)
    rows = scale * np.array([_with_interval(values[name]) for name in names])
    fig = new_figure(1.0 + 0.42 * len(names))
    ax = fig.subplots()
    said = []
    for i, (value, low, high) in enumerate(rows):
        sure = high > low and (low > 0 or high < 0)
        color = COLORS[0] if value >= 0 else COLORS[1]
        marker = MARKERS[0] if value >= 0 else MARKERS[1]
        face = color if sure else "white"
        look: dict[str, Any] = {"fmt": marker, "color": color, "mfc": face, "mew": 1.8, "capsize": 3}
        ax.errorbar(value, i, xerr=[[value - low], [high - value]], **look)
        spread = f" ({low:.1f} to {high:.1f})" if high > low else ""
        said.append(f"{names[i]} {value:+.1f}{spread}{', not 0' if sure else ''}")
        ax.annotate(f"{value:+.1f}", (value, i), (0, 7), textcoords="offset points", ha="center", fontsize=SMALL)
    ax.axvline(0, color="#444444", linewidth=1.2)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.75)
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"{unit}; filled: the interval leaves out 0")
    sure_ones = sum(text.endswith(", not 0") for text in said)
    title(fig, heading or f"{sure_ones} of {len(names)} differ from 0")
    fig.alt = f"Differences in {unit}, with 95 % intervals: {'; '.join(said)}."
    return fig


@styled
def error_by_band(curves: Mapping[str, Mapping[str, Any]], heading: str = "") -> Figure:
    """The error left after recovery as a ratio of the input's own, for each band of spatial frequency.

    Args:
        curves: name ("r = 4") -> ``bands`` (pairs) and ``ratio`` (numbers; None and NaN are left out), as
            ``cadnet_edu.analysis.error_by_frequency`` gives them.
        heading: the title; by default how much of the error is taken away at best.

    Returns:
        the figure; its text holds every ratio.

    Raises:
        ValueError: when there is no ratio.
    """
    fig = new_figure(3.2)
    ax = fig.subplots()
    ends, said, least = [], [], (np.inf, "")
    ticks: list[Any] = []
    for i, (name, found) in enumerate(curves.items()):
        kept = [(b, r) for b, r in zip(found["bands"], found["ratio"], strict=True) if r is not None and np.isfinite(r)]
        if not kept:
            continue
        x, y = np.array([np.sqrt(b[0] * b[1]) for b, _ in kept]), np.array([r for _, r in kept], dtype=float)
        color = COLORS[i % len(COLORS)]
        ax.plot(x, y, color=color, marker=MARKERS[i % len(MARKERS)], linestyle=LINES[i % len(LINES)])
        ends.append((float(y[-1]), name, color))
        k = int(y.argmin())
        least = min(least, (float(y[k]), f"{name}, {kept[k][0][0]} to {kept[k][0][1]} cycles"))
        said.append(f"{name}: " + ", ".join(f"{r:.2f} at {b[0]} to {b[1]}" for b, r in kept))
        ticks = [b for b, _ in kept] if len(kept) > len(ticks) else ticks
    if not ends:
        raise ValueError("no ratio was given; error_by_band needs {name: {'bands': [...], 'ratio': [...]}}.")
    ax.axhline(1, color="#444444", linestyle=":", linewidth=1.5)
    ax.annotate("the input's own error", (0.02, 1), (0, 3), xycoords=("axes fraction", "data"), fontsize=SMALL,
                textcoords="offset points")  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xticks([np.sqrt(a * b) for a, b in ticks], [f"{a}-{b}" for a, b in ticks])
    ax.minorticks_off()
    ax.set_ylim(0, 1.15 * max(1.1, ax.get_ylim()[1]))
    ax.set_xlabel("spatial frequency (cycles per image height)")
    ax.set_ylabel("error power,\nrecovered / input")
    label_ends(ax, ends)
    title(fig, heading or f"At best {100 * (1 - least[0]):.0f} % of the error is gone ({least[1]})")
    fig.alt = f"Error power after recovery divided by that of the input, by spatial frequency. {'; '.join(said)}."
    return fig


@styled
def stacked_shares(
    shares: Mapping[str, Mapping[str, float]], unit: str = "share of the whole (%)", heading: str = ""
) -> Figure:
    """What each row is made of, as shares of 100 %: which loss pulls at E, or which half of u decides.

    Args:
        shares: row -> part -> share of the row; each row is scaled to 100 %, and parts below 0 count 0.
        unit: what the bars mean.
        heading: the title; by default the largest part of the first row.

    Returns:
        the figure; its text holds every share.

    Raises:
        ValueError: when a row has nothing above 0.
    """
    parts = list(dict.fromkeys(part for row in shares.values() for part in row))
    fig = new_figure(1.45 + 0.42 * len(shares))
    ax = fig.subplots()
    said, first = [], ""
    for y, (name, row) in enumerate(shares.items()):
        values = np.array([max(0.0, float(row.get(part, 0.0))) for part in parts])
        if values.sum() <= 0:
            raise ValueError(f"{name}: no share above 0 was given, in {dict(row)}.")
        values = 100 * values / values.sum()
        left = 0.0
        for i, value in enumerate(values):
            look: dict[str, Any] = {"facecolor": _pale(COLORS[i % len(COLORS)]), "hatch": HATCHES[i % len(HATCHES)]}
            ax.barh(y, value, left=left, edgecolor=COLORS[i % len(COLORS)], **look)
            if value >= 9:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                ax.annotate(f"{value:.0f}", (left + value / 2, y), ha="center", va="center", fontsize=SMALL, bbox=box)
            left += value
        told = [f"{part} {value:.1f} %" for part, value in zip(parts, values) if part in row]
        first = first or f"{name}: {parts[int(values.argmax())]} {values.max():.0f} %"
        said.append(f"{name}: {', '.join(told)}")
    ax.set_yticks(range(len(shares)), list(shares))
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(unit)
    looks = [(COLORS[i % len(COLORS)], HATCHES[i % len(HATCHES)]) for i in range(len(parts))]
    handles = [
        Patch(facecolor=_pale(color), hatch=hatch, edgecolor=color, label=part)
        for part, (color, hatch) in zip(parts, looks, strict=True)
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=min(4, len(parts)), fontsize=SMALL, handlelength=1.6)
    title(fig, heading or first)
    fig.alt = f"Stacked bars, {unit}. {'; '.join(said)}."
    return fig


def _pale(color: str) -> tuple[float, float, float]:
    red, green, blue = (1 - 0.45 * (1 - c) for c in to_rgb(color))
    return red, green, blue


@styled
def identity_maps(
    without: Mapping[str, Any],
    with_: Mapping[str, Any],
    heading: str = "",
    names: tuple[str, str] = ("w/o D_F", "with D_F"),
) -> Figure:
    """Fig. 4: w without and with D_F by identity, (a) and (b), and by resolution, (c) with D_F and beside it without.

    Args:
        without: ``points`` ``(n, 2)``, ``pids`` and ``rates`` ``(n,)`` of the network without D_F.
        with_: those of the network with it.
        heading: the title.
        names: what the two networks are called.

    Returns:
        the figure; its text says what is in each panel.

    Raises:
        ValueError: when the arrays of a map differ in length.
    """
    for found in (without, with_):
        lengths = {len(found[k]) for k in ("points", "pids", "rates")}
        if len(lengths) != 1:
            raise ValueError(f"points, pids and rates of lengths {sorted(lengths)}: one of each a point.")
    fig = new_figure(6.0)
    axes = fig.subplots(2, 2)
    panels = ((without, "pids", f"(a) {names[0]}, by identity"), (with_, "pids", f"(b) {names[1]}, by identity"),
              (with_, "rates", f"(c) {names[1]}, by r"))  # fmt: skip
    places: list[Axes] = [axes[0, 0], axes[0, 1], axes[1, 1]]
    for ax, (found, key, name) in zip(places, panels, strict=True):
        _scatter(ax, to_array(found["points"]), to_array(found[key]), name, legend=key == "rates")
    _scatter(axes[1, 0], to_array(without["points"]), to_array(without["rates"]), f"{names[0]}, by r", legend=True)
    people, rates = len(np.unique(to_array(with_["pids"]))), np.unique(to_array(with_["rates"]))
    title(fig, heading or f"w of {people} people at {len(rates)} rates (t-SNE)")
    fig.alt = (
        f"Four views of w by t-SNE, {people} people at the rates {', '.join(f'{r:g}' for r in rates)}. Left column "
        f"{names[0]}, right column {names[1]}; top row coloured by identity, bottom row by down-sampling rate."
    )
    return fig
