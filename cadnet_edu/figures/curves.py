"""Curves and bars: rank-1 by rate, CMC, bars with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cadnet_edu.analysis.arrays import to_array
from cadnet_edu.figures.style import COLORS, LINES, MARKERS, SMALL, label_ends, new_figure, styled, title


@styled
def rank1_by_rate(
    curves: Mapping[str, Mapping[Any, Any]], seen: Sequence[float] = (2, 3, 4), heading: str = "", top: float = 1.0
) -> Figure:
    """Rank-1 against the down-sampling rate r of the queries, rates seen in training shaded.

    Args:
        curves: method -> rate -> rank-1 as a fraction, or ``(value, low, high)`` with an interval. Rates may be
            numbers, or text as they come from a JSON file.
        seen: rates of the training images (Sec. 4.4).
        heading: the title; by default who loses most and who least from the first rate to the last.
        top: where the axis of rank-1 ends, as a fraction; less than 1 shows small differences.

    Returns:
        the figure; its text holds every number.

    >>> rank1_by_rate({"plain": {1: 0.9, 4: (0.3, 0.2, 0.4)}}, seen=()).alt
    'Rank-1 by down-sampling rate. plain: 90 % at r = 1, 30 % (20 to 40) at r = 4.'
    """
    if not any(curves.values()):
        raise ValueError("no value was given; rank1_by_rate needs {method: {rate: rank-1}}.")
    curves = {name: {float(r): curve[r] for r in sorted(curve, key=float)} for name, curve in curves.items()}
    fig = new_figure(3.3)
    ax = fig.subplots()
    rates = sorted({r for curve in curves.values() for r in curve})
    if seen:
        ax.axvspan(min(seen) - 0.25, max(seen) + 0.25, color="#eeeeee", zorder=0)
        middle = (min(seen) + max(seen)) / 2
        ax.annotate(
            "seen in training",
            (middle, 1),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            color="#444444",
            fontsize=SMALL,
        )
    ends = []
    for i, (name, curve) in enumerate(curves.items()):
        r, color = list(curve), COLORS[i % len(COLORS)]
        value, low, high = 100 * np.array([_with_interval(curve[rate]) for rate in r]).T
        ax.errorbar(
            r,
            value,
            [value - low, high - value],
            color=color,
            marker=MARKERS[i % len(MARKERS)],
            linestyle=LINES[i % len(LINES)],
            capsize=3,
            elinewidth=1.2,
        )
        ends.append((float(value[-1]), f"{name}\n{value[-1]:.0f} % at r = {r[-1]:g}", color))
    ax.set_xticks(rates, [f"{r:g}" for r in rates])
    ax.set_ylim(0, 108 * top)
    ax.set_xlabel("down-sampling rate r of the query")
    ax.set_ylabel("rank-1 (%)")
    label_ends(ax, ends, gap=0.19)
    title(fig, heading or _falls(curves))
    seen_text = f" Rates {', '.join(f'{r:g}' for r in seen)} were seen in training." if seen else ""
    said = "; ".join(f"{name}: {_spoken(curve)}" for name, curve in curves.items())
    fig.alt = f"Rank-1 by down-sampling rate. {said}.{seen_text}"
    return fig


def _with_interval(value: Any) -> tuple[float, float, float]:
    numbers = [float(number) for number in np.ravel(to_array(value))]
    if len(numbers) == 1:
        return numbers[0], numbers[0], numbers[0]
    if len(numbers) != 3:
        raise ValueError(f"{value} was given; a value, or (value, low, high), is needed.")
    return numbers[0], numbers[1], numbers[2]


def _spoken(curve: Mapping[float, Any]) -> str:
    parts = []
    for rate, given in curve.items():
        value, low, high = (100 * number for number in _with_interval(given))
        interval = f" ({low:.0f} to {high:.0f})" if high > low else ""
        parts.append(f"{value:.0f} %{interval} at r = {rate:g}")
    return ", ".join(parts)


def _falls(curves: Mapping[str, Mapping[float, Any]]) -> str:
    """The title that says how much the best and the worst method lose between the first and the last rate."""
    losses = {}
    for name, curve in curves.items():
        values = [_with_interval(value)[0] for value in curve.values()]
        losses[name] = 100 * (values[0] - values[-1])
    least, most = min(losses, key=lambda n: losses[n]), max(losses, key=lambda n: losses[n])
    if len(losses) == 1:
        return f"{most} loses {losses[most]:.0f} points of rank-1"
    return f"{most} loses {losses[most]:.0f} points, {least} {losses[least]:.0f}"


@styled
def bars_with_intervals(
    values: Mapping[str, Any], unit: str = "%", scale: float = 100, heading: str = "", best: str = "most"
) -> Figure:
    """Horizontal bars with their numbers, one a method, intervals where given.

    Args:
        values: name -> value or ``(value, low, high)``.
        unit: what the numbers are in, after multiplying with ``scale``.
        scale: 100 turns fractions into per cent; 1 leaves values as they are.
        heading: the title; by default names the best.
        best: ``"most"`` or ``"least"``: whether a large or a small value is good.

    Returns:
        the figure; its text holds every number.
    """
    names = list(values)
    rows = scale * np.array([_with_interval(values[name]) for name in names])
    value, low, high = rows.T
    winner = int(value.argmax() if best == "most" else value.argmin())
    fig = new_figure(0.9 + 0.42 * len(names))
    ax = fig.subplots()
    y = np.arange(len(names))
    hatches = ["" if i == winner else "///" for i in range(len(names))]
    ax.barh(y, value, color=[COLORS[0] if i == winner else "#c8d6e0" for i in y], hatch=hatches, edgecolor="white")
    ax.errorbar(value, y, xerr=[value - low, high - value], fmt="none", ecolor="black", capsize=3, elinewidth=1.2)
    for i in y:
        spread = f" ({low[i]:.3g} to {high[i]:.3g})" if high[i] > low[i] else ""
        ax.annotate(
            f"{value[i]:.3g}{spread}",
            (max(value[i], high[i], 0), i),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    ax.set_yticks(y, names)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.3)
    ax.set_xlabel(unit)
    title(fig, heading or f"{names[winner]}: {value[winner]:.3g} {unit}")
    said = (f"{n} {v:.3g}" + (f" ({a:.3g} to {b:.3g})" if b > a else "") for n, v, a, b in zip(names, *rows.T))
    fig.alt = f"Bars, in {unit}: {', '.join(said)}."
    return fig
