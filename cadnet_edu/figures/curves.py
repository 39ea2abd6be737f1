"""Curves and bars: rank-1 by rate, bars with intervals, paired differences, shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cadnet_edu.evaluation.distances import to_array
from cadnet_edu.figures.style import (
    COLORS,
    GREY,
    LINES,
    MARKERS,
    SMALL,
    label_ends,
    new_figure,
    styled,
    title,
    wrapped,
)

HATCHES = ("", "///", "...", "\\\\\\", "xxx", "ooo", "+++")
Curves = Mapping[str, Mapping[Any, Any]]


@styled
def rank1_by_rate(curves: Curves, seen: Sequence[float] = (2, 3, 4), heading: str = "", top: float = 1.0) -> Figure:
    """Rank-1 against the down-sampling rate r of the queries, rates seen in training shaded.

    Args:
        curves: method -> rate -> rank-1 as a fraction, or ``(value, low, high)`` with an interval. Rates may be
            numbers, or text as they come from a JSON file.
        seen: rates of the training images (Sec. 4.4).
        heading: the title; by default the largest and the least loss from the first rate to the last.
        top: where the axis of rank-1 ends, as a fraction; less than 1 shows small differences.

    Returns:
        the figure; its text holds every number.

    Raises:
        ValueError: when there is no value.

    >>> rank1_by_rate({"plain": {1: 0.9, 4: (0.3, 0.2, 0.4)}}, seen=()).alt
    'Rank-1 by down-sampling rate. plain: 90 % at r = 1, 30 % (20 to 40) at r = 4.'
    """
    fig = new_figure(3.3)
    ax, ends, said, losses = fig.subplots(), [], [], {}
    for i, (name, r, value, low, high) in enumerate(_by_rate(curves, "rank1_by_rate")):
        ax.errorbar(r, value, [value - low, high - value], capsize=3, elinewidth=1.2, **_line(i))
        ends.append((float(value[-1]), f"{name}\n{value[-1]:.0f} % at r = {r[-1]:g}", COLORS[i % len(COLORS)]))
        losses[name] = float(value[0] - value[-1])
        numbers = (f"{v:.0f} %" + (f" ({a:.0f} to {b:.0f})" if b > a else "") for v, a, b in zip(value, low, high))
        said.append(f"{name}: " + ", ".join(f"{number} at r = {rate:g}" for number, rate in zip(numbers, r)))
    if seen:
        ax.axvspan(min(seen) - 0.25, max(seen) + 0.25, color="#eeeeee", zorder=0)
        _note_seen(ax, (min(seen) + max(seen)) / 2, (0, 0), "center")
    rates = sorted({float(r) for curve in curves.values() for r in curve})
    ax.set_xticks(rates, [f"{r:g}" for r in rates])
    _rank1_axes(ax, ends, 108 * top)
    least, most = min(losses, key=lambda n: losses[n]), max(losses, key=lambda n: losses[n])
    lost = f"{most} loses {losses[most]:.0f} points"
    title(fig, heading or (f"{lost} of rank-1" if len(losses) == 1 else f"{lost}, {least} {losses[least]:.0f}"))
    fig.alt = f"Rank-1 by down-sampling rate. {'; '.join(said)}.{_seen_text(seen)}"
    return fig


@styled
def rank1_sweep(curves: Curves, seen: Sequence[float] = (2, 3, 4), heading: str = "") -> Figure:
    """Rank-1 against a continuous down-sampling rate, one line a method, its interval as a band.

    Args:
        curves: method -> rate -> rank-1 as a fraction, or ``(value, low, high)``. Rates may be numbers or text.
        seen: rates of the training images, marked by ticks at the top.
        heading: the title; by default the rates at which the methods have lost half of their first value.

    Returns:
        the figure; its text gives every method at its first rate, at whole rates, and at its last.

    Raises:
        ValueError: when there is no value.
    """
    fig = new_figure(3.4)
    ax, ends, said, halves = fig.subplots(), [], [], []
    for i, (name, r, value, low, high) in enumerate(_by_rate(curves, "rank1_sweep")):
        ax.plot(r, value, markersize=5, **_line(i))
        ax.fill_between(r, low, high, color=COLORS[i % len(COLORS)], alpha=0.18, linewidth=0)
        ends.append((float(value[-1]), f"{name}\n{value[-1]:.0f} % at r = {r[-1]:g}", COLORS[i % len(COLORS)]))
        halves.append(_half_life(r, value))
        whole = ((rate, v) for rate, v in zip(r, value) if float(rate).is_integer())
        said.append(f"{name}: " + ", ".join(f"{v:.0f} % at r = {rate:g}" for rate, v in whole))
    for rate in seen:
        ax.axvline(rate, ymin=0.94, color=GREY, linewidth=1.5)
    if seen:
        _note_seen(ax, max(seen), (5, -1), "left")
    _rank1_axes(ax, ends, 112)
    title(fig, heading or _lost(halves, max(float(r) for curve in curves.values() for r in curve)))
    fig.alt = f"Rank-1 against a continuous down-sampling rate. {'; '.join(said)}.{_seen_text(seen)}"
    return fig


@styled
def sweep_panels(panels: Mapping[str, Curves], seen: Sequence[float] = (2, 3, 4)) -> Figure:
    """Rank-1 against a continuous down-sampling rate, a panel for each of several experiments.

    Args:
        panels: heading of the panel -> method -> rate -> ``(value, low, high)``; a method looks the same in all.
        seen: rates of the training images, shaded.

    Returns:
        the figure; its text gives every method at the rates 1, 2, 4 and 8 that it has.

    Raises:
        ValueError: when there is no value.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    rows = -(-len(panels) // 2)
    fig = new_figure(2.7 * rows + 0.7)
    grid, said = fig.subplots(rows, 2, sharex=True, sharey=True, squeeze=False), []
    for ax, (heading, curves) in zip(grid.flat, panels.items()):
        words = []
        for name, r, value, low, high in _by_rate(curves, "sweep_panels"):
            line = _line(names.index(name))
            ax.plot(r, value, markersize=4, label=name, **line)
            ax.fill_between(r, low, high, color=line["color"], alpha=0.18, linewidth=0)
            at = (f"{v:.0f} % at r = {rate:g}" for rate, v in zip(r, value) if rate in (1, 2, 4, 8))
            words.append(f"{name} {', '.join(at)}")
        if seen:
            ax.axvspan(min(seen), max(seen), color="#eeeeee", zorder=0)
        ax.set_title(heading, loc="left", fontsize=SMALL)
        ax.set_ylim(0, 100)
        ax.set_xticks([1, 2, 4, 6, 8, 10])
        said.append(f"{heading}: {'; '.join(words)}")
    for ax in grid.flat[len(panels) :]:
        ax.set_axis_off()
    for ax in grid.flat[: len(panels)][-2:]:  # the lowest panel of each column
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("rate r of the queries")
    for ax in grid[:, 0]:
        ax.set_ylabel("rank-1 (%)")
    lines = {label: line for ax in grid.flat for line, label in zip(*ax.get_legend_handles_labels())}
    fig.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2, fontsize=SMALL)
    fig.alt = f"Rank-1 against the down-sampling rate. {'. '.join(said)}."
    return fig


def _by_rate(curves: Curves, name: str) -> list[tuple[Any, ...]]:
    """Method, rates, and rank-1 in per cent with the ends of its interval, in ascending order of rates."""
    if not any(curves.values()):
        raise ValueError(f"no value was given; {name} needs {{method: {{rate: rank-1}}}}.")
    found = []
    for method, curve in curves.items():
        rates = sorted(curve, key=float)
        found.append((method, np.array([float(r) for r in rates]), *100 * _rows(curve[r] for r in rates).T))
    return found


def _rows(values: Any) -> np.ndarray:
    """Each value, or ``(value, low, high)``, as a row ``value, low, high``."""
    rows = []
    for value in values:
        numbers = [float(number) for number in np.ravel(to_array(value))]
        if len(numbers) not in (1, 3):
            raise ValueError(f"{value} was given; a value, or (value, low, high), is needed.")
        rows.append(numbers if len(numbers) == 3 else 3 * numbers)
    return np.array(rows)


def _line(i: int) -> dict[str, Any]:
    return {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)], "linestyle": LINES[i % len(LINES)]}


def _note_seen(ax: Axes, x: float, offset: tuple[float, float], ha: str) -> None:
    look: dict[str, Any] = {"ha": ha, "va": "top", "color": GREY, "fontsize": SMALL}
    ax.annotate("seen in training", (x, 1), offset, ("data", "axes fraction"), "offset points", **look)


def _seen_text(seen: Sequence[float]) -> str:
    return f" Rates {', '.join(f'{r:g}' for r in seen)} were seen in training." if seen else ""


def _rank1_axes(ax: Axes, ends: list[tuple[float, str, str]], top: float) -> None:
    ax.set_ylim(0, top)
    ax.set_xlabel("down-sampling rate r of the query")
    ax.set_ylabel("rank-1 (%)")
    label_ends(ax, ends, gap=0.19)


def _half_life(r: np.ndarray, value: np.ndarray) -> float:
    """The rate at which a falling curve first comes below half of its first value; infinity when it never does.

    >>> _half_life(np.array([1.0, 2.0, 4.0]), np.array([80.0, 60.0, 20.0]))
    3.0
    """
    below = np.flatnonzero(value < value[0] / 2)
    if not len(below):
        return float("inf")
    k = below[0]
    fraction = (value[k - 1] - value[0] / 2) / (value[k - 1] - value[k])
    return float(r[k - 1] + fraction * (r[k] - r[k - 1]))


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
def bars_with_intervals(
    values: Mapping[str, Any], unit: str = "%", scale: float = 100, heading: str = "", best: str = "most"
) -> Figure:
    """Horizontal bars with their numbers, one a method, intervals where given.

    Args:
        values: name -> value or ``(value, low, high)``.
        unit: of the numbers, after multiplying with ``scale``.
        scale: 100 turns fractions into per cent; 1 leaves values as they are.
        heading: the title; by default names the best.
        best: ``"most"`` or ``"least"``: whether a large or a small value is good.

    Returns:
        the figure; its text holds every number.
    """
    names, rows = list(values), scale * _rows(values.values())
    value, low, high = rows.T
    winner = int(value.argmax() if best == "most" else value.argmin())
    fig = new_figure(0.9 + 0.42 * len(names))
    ax, y = fig.subplots(), np.arange(len(names))
    colors = [COLORS[0] if i == winner else "#c8d6e0" for i in y]
    ax.barh(y, value, color=colors, hatch=["" if i == winner else "///" for i in y], edgecolor="white")
    ax.errorbar(value, y, xerr=[value - low, high - value], fmt="none", ecolor="black", capsize=3, elinewidth=1.2)
    texts = [f"{v:.3g}" + (f" ({a:.3g} to {b:.3g})" if b > a else "") for v, a, b in rows]
    for i, text in enumerate(texts):
        end = (max(value[i], high[i], 0), i)
        ax.annotate(text, end, (5, 0), textcoords="offset points", va="center", fontsize=SMALL)
    ax.set_yticks(y, wrapped(names))
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.3)
    ax.set_xlabel(unit)
    title(fig, heading or f"{names[winner]}: {value[winner]:.3g} {unit}")
    fig.alt = f"Bars, in {unit}: {', '.join(map(' '.join, zip(names, texts)))}."
    return fig


@styled
def paired_difference_plot(
    values: Mapping[str, Any], unit: str = "points of rank-1", scale: float = 100, heading: str = ""
) -> Figure:
    """Differences to a reference with their intervals: a dot a row, filled where the interval excludes 0.

    Args:
        values: name -> difference or ``(difference, low, high)``.
        unit: of the numbers, after multiplying with ``scale``.
        scale: 100 turns fractions into points.
        heading: the title; by default how many of them differ from 0.

    Returns:
        the figure; its text holds every number, and which are different from 0.

    >>> paired_difference_plot({"w/o L_rec": (-0.05, -0.08, -0.02)}).alt
    'Differences in points of rank-1, with 95 % intervals: w/o L_rec -5.0 (-8.0 to -2.0), not 0.'
    """
    names = list(values)
    fig = new_figure(1.0 + 0.42 * len(names))
    ax, said = fig.subplots(), []
    for i, (value, low, high) in enumerate(scale * _rows(values.values())):
        significant = high > low and (low > 0 or high < 0)
        color, marker = (COLORS[0], MARKERS[0]) if value >= 0 else (COLORS[1], MARKERS[1])
        look: dict[str, Any] = {"fmt": marker, "color": color, "mfc": color if significant else "white"}
        ax.errorbar(value, i, xerr=[[value - low], [high - value]], mew=1.8, capsize=3, **look)
        spread = f" ({low:.1f} to {high:.1f})" if high > low else ""
        said.append(f"{names[i]} {value:+.1f}{spread}{', not 0' if significant else ''}")
        ax.annotate(f"{value:+.1f}", (value, i), (0, 7), textcoords="offset points", ha="center", fontsize=SMALL)
    ax.axvline(0, color=GREY, linewidth=1.2)
    ax.set_yticks(range(len(names)), wrapped(names))
    ax.set_ylim(len(names) - 0.5, -0.75)
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"{unit}; filled: the interval leaves out 0")
    title(fig, heading or f"{sum(text.endswith(', not 0') for text in said)} of {len(names)} differ from 0")
    fig.alt = f"Differences in {unit}, with 95 % intervals: {'; '.join(said)}."
    return fig


@styled
def stacked_shares(
    shares: Mapping[str, Mapping[str, float]], unit: str = "share of the whole (%)", heading: str = ""
) -> Figure:
    """The composition of each row in per cent, such as the gradients of the losses at E.

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
    looks = [(COLORS[i % len(COLORS)], HATCHES[i % len(HATCHES)]) for i in range(len(parts))]
    fig = new_figure(1.45 + 0.42 * len(shares))
    ax, said, first = fig.subplots(), [], ""
    for y, (name, row) in enumerate(shares.items()):
        values = np.array([max(0.0, float(row.get(part, 0.0))) for part in parts])
        if values.sum() <= 0:
            raise ValueError(f"{name}: no share above 0 was given, in {dict(row)}.")
        values = 100 * values / values.sum()
        for value, left, (color, hatch) in zip(values, np.cumsum(values) - values, looks, strict=True):
            ax.barh(y, value, left=left, edgecolor=color, facecolor=_pale(color), hatch=hatch)
            if value >= 9:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                ax.annotate(f"{value:.0f}", (left + value / 2, y), ha="center", va="center", fontsize=SMALL, bbox=box)
        first = first or f"{name}: {parts[int(values.argmax())]} {values.max():.0f} %"
        said.append(f"{name}: {', '.join(f'{p} {value:.1f} %' for p, value in zip(parts, values) if p in row)}")
    ax.set_yticks(range(len(shares)), wrapped(shares))
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(unit)
    handles = [Patch(facecolor=_pale(c), hatch=h, edgecolor=c, label=p) for p, (c, h) in zip(parts, looks, strict=True)]
    fig.legend(handles=handles, loc="outside lower center", ncols=min(4, len(parts)), fontsize=SMALL, handlelength=1.6)
    title(fig, heading or first)
    fig.alt = f"Stacked bars, {unit}. {'; '.join(said)}."
    return fig


def _pale(color: str) -> Any:
    return tuple(1 - 0.45 * (1 - c) for c in to_rgb(color))
