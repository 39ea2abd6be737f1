"""Features and frequencies: t-SNE of w (Fig. 4), power spectra, the error left in each band of frequencies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cadnet_edu.analysis.frequency import radial_power_spectrum
from cadnet_edu.analysis.projection import silhouette
from cadnet_edu.evaluation.distances import to_array
from cadnet_edu.figures.style import COLORS, GREY, LINES, MARKERS, SMALL, ink, label_ends, new_figure, styled, title


@styled
def tsne_panels(points: Any, pids: Any, rates: Any, w: Any = None, most: int = 12, note: str = "") -> Figure:
    """The two colourings of Fig. 4: the same points by identity and by down-sampling rate.

    If the features are what the paper aims at, identities are apart on the left and rates mix on the right.

    Args:
        points: ``(n, 2)``, from ``tsne``.
        pids: identities ``(n,)``.
        rates: down-sampling rates ``(n,)``.
        w: the features behind the points; the silhouettes are measured on them, else on the points.
        most: identities shown, the first in sorted order; more cannot be told apart.
        note: a line below, such as seed and perplexity.

    Returns:
        the figure; its text gives both silhouettes.

    Raises:
        ValueError: when the arrays differ in length.
    """
    points, pids, rates = to_array(points), to_array(pids), to_array(rates).astype(float)
    if not len(points) == len(pids) == len(rates):
        raise ValueError(f"{len(points)} points, {len(pids)} identities, {len(rates)} rates: one of each a point.")
    kept = np.isin(pids, np.unique(pids)[:most])
    measured = (points if w is None else to_array(w))[kept]
    points, pids, rates = points[kept], pids[kept], rates[kept]
    by_pid, by_rate = silhouette(measured, pids), silhouette(measured, rates)
    fig = new_figure(3.6)
    left, right = fig.subplots(1, 2)
    _scatter(left, points, pids, "by identity", legend=False)
    _scatter(right, points, rates, "by rate r", legend=True)
    where = "t-SNE points" if w is None else "w"
    title(fig, f"Silhouette of {where}: identity {by_pid:.2f}, rate {by_rate:.2f}")
    if note:
        fig.supxlabel(note, fontsize=SMALL, x=0.01, ha="left")
    shown = ", ".join(f"{r:g}" for r in np.unique(rates))
    fig.alt = (
        f"Two views of the same {len(points)} t-SNE points. Left: coloured by identity, {len(np.unique(pids))} people, "
        f"silhouette {by_pid:.2f} on {where}. Right: coloured by rate r, {shown}, "
        f"silhouette {by_rate:.2f}: the nearer to 0 or below, the more the resolutions mix."
    )
    return fig


@styled
def tsne_coloured(points: Any, labels: Any, name: str, w: Any = None, most: int = 10) -> Figure:
    """Points of one map in the colours of one kind of label, to be compared with another colouring.

    Args:
        points: ``(n, 2)``, from ``tsne``.
        labels: ``(n,)`` numbers or texts.
        name: what the labels are: person, rate, camera.
        w: the features behind the points; the silhouette is measured on them, else on the points.
        most: labels shown, the first in sorted order; more cannot be told apart.

    Returns:
        the figure; its text gives the silhouette.

    Raises:
        ValueError: when there is not one label a point.
    """
    points, labels = to_array(points), to_array(labels)
    if len(points) != len(labels):
        raise ValueError(f"{len(points)} points and {len(labels)} labels ({name}): one a point.")
    kept = np.isin(labels, np.unique(labels)[:most])
    found = silhouette((points if w is None else to_array(w))[kept], labels[kept])
    fig = new_figure(4.2)
    _scatter(fig.subplots(), points[kept], labels[kept], f"silhouette {found:.2f}", legend=True)
    title(fig, f"Coloured by {name}")
    fig.alt = (
        f"{kept.sum()} t-SNE points, coloured by {name}: {', '.join(map(_plain, np.unique(labels[kept])))}. Silhouette "
        f"{found:.2f} on {'the points' if w is None else 'w'}: 1 is far apart, 0 is mixed."
    )
    return fig


@styled
def identity_maps(without: Mapping[str, Any], with_: Mapping[str, Any]) -> Figure:
    """Fig. 4: w without and with D_F by identity, (a) and (b), and by resolution, (c) with D_F and beside it without.

    Args:
        without: ``points`` ``(n, 2)``, ``pids`` and ``rates`` ``(n,)`` of the network without D_F.
        with_: those of the network with it.

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
    panels = ((without, "pids", "(a) w/o D_F, by identity"), (with_, "pids", "(b) with D_F, by identity"),
              (without, "rates", "w/o D_F, by r"), (with_, "rates", "(c) with D_F, by r"))  # fmt: skip
    for ax, (found, key, name) in zip(fig.subplots(2, 2).flat, panels, strict=True):
        _scatter(ax, to_array(found["points"]), to_array(found[key]), name, legend=key == "rates")
    people, rates = len(np.unique(to_array(with_["pids"]))), np.unique(to_array(with_["rates"]))
    title(fig, f"w of {people} people at {len(rates)} rates (t-SNE)")
    fig.alt = (
        f"Four views of w by t-SNE, {people} people at the rates {', '.join(f'{r:g}' for r in rates)}. Left column "
        "w/o D_F, right column with D_F; top row coloured by identity, bottom row by down-sampling rate."
    )
    return fig


def _plain(label: Any) -> str:
    return label if isinstance(label, str) else f"{label:g}"


def _scatter(ax: Axes, points: np.ndarray, labels: np.ndarray, name: str, legend: bool) -> None:
    for i, label in enumerate(np.unique(labels)):
        # The colours repeat before the markers do, so that no two groups share both.
        color, marker = COLORS[i % len(COLORS)], MARKERS[(i + i // len(COLORS)) % len(MARKERS)]
        look: dict[str, Any] = {"s": 34, "alpha": 0.85, "linewidths": 0.3, "edgecolors": "white"}
        ax.scatter(*points[labels == label].T, color=color, marker=marker, label=_plain(label), **look)
    ax.set_title(name)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color="#aaaaaa")
    if legend:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=5, handletextpad=0, columnspacing=0.6)


@styled
def spectrum(images: Mapping[float, Any]) -> Figure:
    """The power spectrum of the same images at several rates, with the Nyquist limit of each.

    Args:
        images: rate -> images ``(n, 3, h, w)``.

    Returns:
        the figure; its text names the limits, ``h / (2 r)`` cycles per image height.
    """
    fig = new_figure(3.4)
    ax, said, ends, top = fig.subplots(), [], [], 0.0
    for i, r in enumerate(sorted(images, key=float)):
        x = to_array(images[r])
        f, power = radial_power_spectrum(x)
        limit = (x.shape[2] if x.shape[1] == 3 else x.shape[1]) / (2 * float(r))
        color, line = COLORS[i % len(COLORS)], LINES[i % len(LINES)]
        ax.plot(f, power, color=color, linestyle=line, marker=MARKERS[i], markevery=(i, 6), markersize=4)
        top = max(top, float(np.nanmax(power)))
        if r > 1:
            place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center"}
            ax.axvline(limit, color=color, linestyle=line, linewidth=1.2, alpha=0.7)
            ax.annotate(f"{limit:.3g}", (limit, 1.01), color=ink(color), **place)
        said.append(f"r = {r:g}: {limit:.3g}")
        ends.append((float(power[-1]), f"r = {r:g}", color))
    ax.set_yscale("log")
    ax.set_ylim(1e-7 * top, 3 * top)
    ax.set_xlabel("spatial frequency (cycles per image height)")
    ax.set_ylabel("power (log scale)")
    label_ends(ax, ends)
    title(fig, "Down-sampling cuts off the detail above h / 2r")
    fig.alt = (
        "Power against spatial frequency on a log scale, a curve a rate. Vertical lines mark the finest frequency that "
        f"each rate can keep, in cycles per image height: {', '.join(said)}. Beyond it the power falls away."
    )
    return fig


@styled
def error_by_band(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The error left after recovery as a ratio of the input's own, for each band of spatial frequency.

    Args:
        curves: name ("r = 4") -> ``bands`` (pairs) and ``ratio`` (numbers; None and NaN are left out), as
            ``cadnet_edu.analysis.error_by_frequency`` gives them.

    Returns:
        the figure; its text holds every ratio.

    Raises:
        ValueError: when there is no ratio.
    """
    fig = new_figure(3.2)
    ax, ends, said, least = fig.subplots(), [], [], (np.inf, "")
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
        ticks = max(ticks, [b for b, _ in kept], key=len)
    if not ends:
        raise ValueError("no ratio was given; error_by_band needs {name: {'bands': [...], 'ratio': [...]}}.")
    ax.axhline(1, color=GREY, linestyle=":", linewidth=1.5)
    note = ("axes fraction", "data"), "offset points"
    ax.annotate("the input's own error", (0.02, 1), (0, 3), *note, fontsize=SMALL)
    ax.set_xscale("log", base=2)
    ax.set_xticks([np.sqrt(a * b) for a, b in ticks], [f"{a}-{b}" for a, b in ticks])
    ax.minorticks_off()
    ax.set_ylim(0, 1.15 * max(1.1, ax.get_ylim()[1]))
    ax.set_xlabel("spatial frequency (cycles per image height)")
    ax.set_ylabel("error power,\nrecovered / input")
    label_ends(ax, ends)
    title(fig, f"At best {100 * (1 - least[0]):.0f} % of the error is gone ({least[1]})")
    fig.alt = f"Error power after recovery divided by that of the input, by spatial frequency. {'; '.join(said)}."
    return fig
