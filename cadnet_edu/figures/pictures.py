"""Figures of images: rows and grids, recovered images by rate (Fig. 3), rank lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cadnet_edu.evaluation.distances import to_array
from cadnet_edu.figures import style
from cadnet_edu.figures.style import SMALL, DescribedFigure, ink, new_figure, styled, title, to_uint8


def _grid(
    rows: int, columns: int, shape: tuple[int, ...], text: float, gaps: Sequence[int] = ()
) -> tuple[DescribedFigure, np.ndarray]:
    """Axes for images of one shape over the page's width: ``text`` inches of writing a row, room left of ``gaps``."""
    widths = [w for c in range(columns) for w in ([0.15, 1.0] if c in gaps else [1.0])]
    fig = new_figure(rows * (style.WIDTH / sum(widths) * shape[0] / shape[1] + text) + 0.7)
    fig.set_layout_engine("compressed", w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    fig.fit_height = True
    cells = fig.add_gridspec(rows, len(widths), width_ratios=widths)
    kept = [i for i, w in enumerate(widths) if w == 1.0]
    return fig, np.array([[fig.add_subplot(cells[row, i]) for i in kept] for row in range(rows)])


def _show(ax: Axes, image: Any, below: str = "", above: str = "") -> None:
    ax.imshow(to_uint8(image), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.set_xlabel(below, fontsize=SMALL)
    if above:
        ax.set_title(above, fontsize=SMALL, loc="center")


@styled
def images_grid(images: Sequence[Any], titles: Sequence[str] = (), columns: int = 6, heading: str = "") -> Figure:
    """Images side by side, each with its title, at their own pixels.

    Args:
        images: tensors or arrays of one size, see ``to_uint8``.
        titles: one an image, or none.
        columns: images in a row.
        heading: the title of the figure.

    Returns:
        the figure; its text lists the titles.

    Raises:
        ValueError: without images, or when the number of titles is not the number of images.
    """
    if not len(images):
        raise ValueError("no image was given.")
    if len(titles) not in (0, len(images)):
        raise ValueError(f"{len(titles)} titles for {len(images)} images: give one an image, or none.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    fig, axes = _grid(rows, columns, to_uint8(images[0]).shape, 0.3 if titles else 0.05)
    for i, ax in enumerate(axes.flat):
        if i < len(images):
            _show(ax, images[i], above=titles[i] if titles else "")
        else:
            ax.set_axis_off()
    if heading:
        title(fig, heading)
    listed = f": {', '.join(titles)}." if titles else "."
    fig.alt = f"{heading + ': ' if heading else ''}{len(images)} images{listed}"
    return fig


def image_row(images: Sequence[Any], titles: Sequence[str] = (), heading: str = "") -> Figure:
    """Images side by side in one row; see ``images_grid``.

    Args:
        images: tensors or arrays of one size, see ``to_uint8``.
        titles: one an image, or none.
        heading: the title of the figure.
    """
    return images_grid(images, titles, columns=max(1, len(images)), heading=heading)


@styled
def recovered_grid(
    x: Mapping[float, Any], x_hat: Mapping[float, Any], truth: Any, psnr: Mapping[float, Any] | None = None
) -> Figure:
    """Recovered images (Fig. 3): a row a person; for each rate the input and the recovered image; last the HR image.

    Args:
        x: rate -> inputs ``(n, 3, h, w)``.
        x_hat: rate -> recovered images, same shape.
        truth: the HR images themselves, ``(n, 3, h, w)``.
        psnr: rate -> PSNR of each recovered image in dB ``(n,)``, written under it.

    Returns:
        the figure; its text gives rates, people and mean PSNR.

    Raises:
        ValueError: when ``x`` and ``x_hat`` hold different rates.
    """
    if set(x) != set(x_hat) or not x:
        raise ValueError(f"inputs for rates {sorted(x)}, recovered for {sorted(x_hat)}: give both for each rate.")
    rates, truth = sorted(x, key=float), to_array(truth)
    n, columns = len(truth), 2 * len(rates) + 1
    fig, axes = _grid(n, columns, to_uint8(truth[0]).shape, 0.28 if psnr else 0.06, gaps=range(2, columns, 2))
    small = columns > 7
    for row in range(n):
        for j, r in enumerate(rates):
            below = f"{float(to_array(psnr[r])[row]):.1f}{'' if small else ' dB'}" if psnr else ""
            _show(axes[row, 2 * j], x[r][row])
            _show(axes[row, 2 * j + 1], x_hat[r][row], below)
        _show(axes[row, -1], truth[row])
    for j, r in enumerate(rates):
        axes[0, 2 * j].set_title(f"r = {r:g}" + ("" if small else "\ninput"), fontsize=SMALL, loc="left")
        axes[0, 2 * j + 1].set_title("" if small else "\nrecov.", fontsize=SMALL, loc="left")
    axes[0, -1].set_title("HR" if small else "HR\ntruth", fontsize=SMALL, loc="left")
    title(fig, "Input and recovered image, by rate")
    if small:
        fig.supxlabel("each pair: input, recovered" + ("; PSNR in dB" if psnr else ""), fontsize=SMALL)
    means = ", ".join(f"r = {r:g}: {float(np.mean(to_array(psnr[r]))):.1f} dB" for r in rates) if psnr else ""
    fig.alt = (
        f"{n} people in rows; for each of the rates {', '.join(f'{r:g}' for r in rates)} the low-resolution input "
        f"beside the recovered image; last column the high-resolution truth." + (f" Mean PSNR {means}." if psnr else "")
    )
    return fig


@styled
def rank_lists(
    query_images: Any, gallery_images: Any, ranks: Any, correct: Any, titles: Sequence[str] = (), heading: str = ""
) -> Figure:
    """The nearest gallery images of each query, right and wrong ones marked by sign, colour and border.

    Args:
        query_images: ``(q, 3, h, w)``.
        gallery_images: the whole gallery ``(g, 3, h, w)``, same size.
        ranks: int ``(q, k)``, positions in the gallery, nearest first; -1 where there is no image.
        correct: bool ``(q, k)``.
        titles: a note under each query ("r = 4").
        heading: the title; by default how many queries are right at rank 1.

    Returns:
        the figure; its text says for each query which ranks are right.

    Raises:
        ValueError: when the shapes of ``ranks`` and ``correct`` do not fit.
    """
    ranks, correct = to_array(ranks), to_array(correct).astype(bool)
    if ranks.ndim != 2 or ranks.shape != correct.shape or len(ranks) != len(query_images):
        raise ValueError(
            f"{len(query_images)} queries, ranks {ranks.shape}, correct {correct.shape}: both need (queries, k)."
        )
    q, k = ranks.shape
    fig, axes = _grid(q, k + 1, to_uint8(query_images[0]).shape, 0.32, gaps=[1])
    fig.set_layout_engine("compressed", w_pad=0.035, h_pad=0.02, wspace=0.02, hspace=0.02)  # borders need room
    for row in range(q):
        _show(axes[row, 0], query_images[row], titles[row] if titles else "query")
        for column in range(k):
            ax, place = axes[row, column + 1], int(ranks[row, column])
            if place < 0:
                ax.set_axis_off()
                continue
            _show(ax, gallery_images[place])
            _mark(ax, column + 1, bool(correct[row, column]))
    axes[0, 0].set_title("query", fontsize=SMALL)
    first = int(correct[:, 0].sum())
    title(fig, heading or f"{first} of {q} right at the first place")
    said = []
    for row, right in enumerate(correct):
        at = ", ".join(str(c + 1) for c in np.flatnonzero(right))
        name = titles[row] if titles else f"query {row + 1}"
        said.append(f"{name}: right at rank {at}" if at else f"{name}: no right image among {k}")
    fig.alt = f"Rank lists of {q} queries; {first} are right at rank 1. " + "; ".join(said) + "."
    return fig


def _mark(ax: Axes, rank: int, right: bool) -> None:
    color = style.RIGHT if right else style.WRONG
    ax.spines[:].set(visible=True, color=color, linewidth=2.5, linestyle="-" if right else (0, (2, 1.2)))
    ax.set_xlabel(f"{rank} {'✓' if right else '✗'}", fontsize=10, color=ink(color), fontweight="bold")
