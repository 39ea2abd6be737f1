"""Figures of features and frequencies: t-SNE of w (Fig. 4), distances, spectra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cadnet_edu.analysis.arrays import to_array
from cadnet_edu.analysis.frequency import radial_power
from cadnet_edu.analysis.projection import silhouette
from cadnet_edu.figures.style import COLORS, LINES, MARKERS, SMALL, ink, label_ends, new_figure, styled, title


@styled
def tsne_panels(
    points: Any, pids: Any, rates: Any, w: Any = None, most: int = 12, heading: str = "", note: str = ""
) -> Figure:
    """The two colourings of Fig. 4: the same points by identity and by down-sampling rate.

    If the features are what the paper hopes for, identities fall apart on the left and rates mix on the right.

    Args:
        points: ``(n, 2)``, from ``tsne``.
        pids: identities ``(n,)``.
        rates: down-sampling rates ``(n,)``.
        w: the features behind the points; the silhouettes are measured on them, else on the points.
        most: identities shown; more cannot be told apart. The first in sorted order are taken.
        heading: the title; by default the two silhouettes.
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
    title(fig, heading or f"Silhouette of {where}: identity {by_pid:.2f}, rate {by_rate:.2f}")
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
        most: labels shown; more cannot be told apart. The first in sorted order are taken.

    Returns:
        the figure; its text gives the silhouette.

    Raises:
        ValueError: when there is not one label a point.
    """
    points, labels = to_array(points), to_array(labels)
    if len(points) != len(labels):
        raise ValueError(f"{len(points)} points and {len(labels)} labels ({name}): one a point.")
    kept = np.isin(labels, np.unique(labels)[:most])
    measured = (points if w is None else to_array(w))[kept]
    points, labels = points[kept], labels[kept]
    found = silhouette(measured, labels)
    fig = new_figure(4.2)
    ax = fig.subplots()
    _scatter(ax, points, labels, f"silhouette {found:.2f}", legend=True)
    title(fig, f"Coloured by {name}")
    fig.alt = (
        f"{len(points)} t-SNE points, coloured by {name}: {', '.join(map(_plain, np.unique(labels)))}. Silhouette "
        f"{found:.2f} on {'the points' if w is None else 'w'}: 1 is far apart, 0 is mixed."
    )
    return fig


def _plain(label: Any) -> str:
    return label if isinstance(label, str) else f"{label:g}"


def _scatter(ax: Axes, points: np.ndarray, labels: np.ndarray, name: str, legend: bool) -> None:
    for i, label in enumerate(np.unique(labels)):
        # The colours go round faster than the markers, so that no two groups share both.
        color, marker = COLORS[i % len(COLORS)], MARKERS[(i + i // len(COLORS)) % len(MARKERS)]
        ax.scatter(
            points[labels == label, 0],
            points[labels == label, 1],
            s=34,
            color=color,
            marker=marker,
            alpha=0.85,
            linewidths=0.3,
            edgecolors="white",
            label=_plain(label),
        )
    ax.set_title(name)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color="#aaaaaa")
    if legend:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=5, handletextpad=0, columnspacing=0.6)


@styled
def spectrum(images: Mapping[float, Any], heading: str = "") -> Figure:
    """The power spectrum of the same images at several rates, with the Nyquist limit of each.

    Args:
        images: rate -> images ``(n, 3, h, w)``.
        heading: the title.

    Returns:
        the figure; its text names the limits, ``h / (2 r)`` cycles per image height.
    """
    fig = new_figure(3.4)
    ax = fig.subplots()
    said, ends, top = [], [], 0.0
    for i, r in enumerate(sorted(images, key=float)):
        x = to_array(images[r])
        h = x.shape[2] if x.shape[1] == 3 else x.shape[1]
        f, power = radial_power(x)
        color = COLORS[i % len(COLORS)]
        ax.plot(
            f, power, color=color, linestyle=LINES[i % len(LINES)], marker=MARKERS[i], markevery=(i, 6), markersize=4
        )
        top = max(top, float(np.nanmax(power)))
        limit = h / (2 * float(r))
        if r > 1:
            ax.axvline(limit, color=color, linestyle=LINES[i % len(LINES)], linewidth=1.2, alpha=0.7)
            ax.annotate(
                f"{limit:.3g}", (limit, 1.01), xycoords=("data", "axes fraction"), ha="center", color=ink(color)
            )
        said.append(f"r = {r:g}: {limit:.3g}")
        ends.append((float(power[-1]), f"r = {r:g}", color))
    ax.set_yscale("log")
    ax.set_ylim(1e-7 * top, 3 * top)
    ax.set_xlabel("spatial frequency (cycles per image height)")
    ax.set_ylabel("power (log scale)")
    label_ends(ax, ends)
    title(fig, heading or "Down-sampling cuts off the detail above h / 2r")
    fig.alt = (
        "Power against spatial frequency on a log scale, a curve a rate. Vertical lines mark the finest frequency that "
        f"each rate can keep, in cycles per image height: {', '.join(said)}. Beyond it the power falls away."
    )
    return fig
