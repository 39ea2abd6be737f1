"""Shared style of all figures: palette, sizes, white background, direct labels, alternative text."""

import base64
import html
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from cadnet_edu.evaluation.distances import to_array
from cadnet_edu.io import write_atomically

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito (2008)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
RIGHT, WRONG = COLORS[0], COLORS[1]
GREY = "#444444"  # of reference lines and notes

WIDTH = 5.0  # inches
SMALL = 10  # points, the least size of letters: on a phone, where a figure is 326 pixels wide, they are 9 pixels high
DPI = 200
STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure looks the same everywhere
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10.5,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "figure.titlesize": 11.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
    "axes.prop_cycle": cycler(color=COLORS),
    "figure.figsize": (WIDTH, 3.0),
    "figure.dpi": 110,
    "savefig.dpi": DPI,
}


def use_style() -> None:
    """Apply the book's style to all figures; the only function here that changes a global setting.

    Uses matplotlib's ``rcParams``: the palette of Okabe and Ito, a white background, sizes that a phone can show.
    """
    mpl.rcParams.update(STYLE)


class DescribedFigure(Figure):
    """A figure with its alternative text.

    It is not registered with ``pyplot``, so it vanishes with its last reference and needs no ``plt.close``. As the
    last value of a notebook cell it appears as an image with its alternative text, in its true colours in dark mode.
    """

    alt: str = ""
    fit_height: bool = False  # cut the figure to the height of what it holds

    def png(self, dpi: float = DPI) -> bytes:
        """The figure as a PNG file."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=dpi, metadata={"Description": self.alt, "Software": None})
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()

    def _repr_html_(self) -> str:
        width = round(self.get_figwidth() * 130)
        data = base64.b64encode(self.png()).decode()
        return (
            f'<img class="dark-light" src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            f'style="width:100%;max-width:{width}px;height:auto;background:#fff;filter:none">'
        )


def describe(fig: Figure) -> str:
    """The alternative text of a figure.

    Args:
        fig: a figure of this package.
    """
    return getattr(fig, "alt", "")


def save(fig: Figure, path: str | Path, dpi: float = DPI) -> Path:
    """Write a figure, whole or not at all.

    Args:
        fig: what to write.
        path: a name ending in ``.png``, ``.pdf``, ``.svg`` or what else matplotlib can write; folders are made.
        dpi: pixels an inch.

    Returns:
        the path.
    """
    kind = Path(path).suffix[1:]
    return write_atomically(path, lambda file: fig.savefig(file, format=kind or None, dpi=dpi))


DrawsFigure = TypeVar("DrawsFigure", bound=Callable[..., Figure])


def styled(draw: DrawsFigure) -> DrawsFigure:
    """Run a drawing function in the book's style, whatever the reader's settings, which stay as they are."""

    @wraps(draw)
    def run(*args: Any, **named: Any) -> Figure:
        with mpl.rc_context(STYLE):
            fig = draw(*args, **named)
            fig.draw_without_rendering()  # settle the layout while the style holds
            if getattr(fig, "fit_height", False):
                fig.set_figheight(fig.get_tightbbox().height + 0.08)
                fig.draw_without_rendering()
        return fig

    return run  # type: ignore[return-value]


def new_figure(height: float) -> DescribedFigure:
    """An empty figure of the page's width; the height is in inches."""
    return DescribedFigure(figsize=(WIDTH, height), layout="constrained")


def wrapped(names: Iterable[str], letters: int = 24) -> list[str]:
    """Names beside an axis, broken into lines, so that a long one leaves room for the axes.

    >>> wrapped(["baseline, HR and LR images"], 16)
    ['baseline, HR and\\nLR images']
    """
    return [textwrap.fill(name, letters) for name in names]


def title(fig: DescribedFigure, text: str) -> None:
    """The figure's title, left-aligned, over all panels."""
    fig.suptitle(text, x=0.01, ha="left", fontweight="bold")


def ink(color: str) -> str:
    """The colour made dark enough to be read as text on white (contrast 4.5 to 1, as WCAG 2 asks).

    >>> ink("#000000"), ink("#E69F00") != "#E69F00"
    ('#000000', True)
    """
    rgb = np.array(to_rgb(color))
    while 1.05 / (_luminance(rgb) + 0.05) < 4.5:
        rgb = rgb * 0.95
    return to_hex(tuple(rgb))


def _luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def label_ends(ax: Axes, ends: Sequence[tuple[float, str, str]], gap: float = 0.12) -> None:
    """Write the name of each line at its right end, moved apart where they would overlap.

    Args:
        ax: axes whose limits are final, linear or logarithmic.
        ends: ``(y at the right end, name, colour)`` of each line.
        gap: least distance between two names, as a fraction of the axes' height.
    """
    ax.get_ylim()  # settles the limits
    to_axes = ax.transData + ax.transAxes.inverted()
    heights = [float(to_axes.transform((ax.get_xlim()[1], y))[1]) for y, _, _ in ends]
    order = sorted(range(len(ends)), key=lambda i: heights[i])
    places = spread([heights[i] for i in order], gap)
    for i, place in zip(order, places):
        _, name, color = ends[i]
        ax.annotate(name, (1.02, place), xycoords="axes fraction", va="center", color=ink(color), annotation_clip=False)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Sorted places moved apart, so that neighbours are at least ``gap`` away and all stay between 0 and 1.

    >>> [round(p, 2) for p in spread([0.5, 0.5, 0.9], 0.2)]
    [0.4, 0.6, 0.9]
    >>> [round(p, 2) for p in spread([0.0, 0.01], 0.2)]
    [0.0, 0.2]
    """
    up, down = list(places), list(places)
    for i in range(1, len(up)):
        up[i] = max(up[i], up[i - 1] + gap)
    for i in range(len(down) - 2, -1, -1):
        down[i] = min(down[i], down[i + 1] - gap)
    both = [(a + b) / 2 for a, b in zip(up, down)]
    for i in range(len(both)):
        both[i] = max(both[i], both[i - 1] + gap if i else 0.0)
    for i in range(len(both) - 1, -1, -1):
        both[i] = min(both[i], both[i + 1] - gap if i + 1 < len(both) else 1.0)
    return both


def to_uint8(image: Any) -> np.ndarray:
    """One image, however it is stored, as ``uint8 (h, w, 3)``.

    Args:
        image: tensor or array, ``(3, h, w)``, ``(h, w, 3)`` or grey ``(h, w)``; ``uint8``, or float in [0, 1]
            (values outside are cut off).

    Raises:
        ValueError: for any other shape.

    >>> to_uint8(np.ones((3, 4, 2))).shape, int(to_uint8(np.ones((3, 4, 2))).max())
    ((4, 2, 3), 255)
    """
    pixels = to_array(image)
    if pixels.ndim == 2:
        pixels = np.stack([pixels] * 3, axis=-1)
    if pixels.ndim == 3 and pixels.shape[0] == 3 and pixels.shape[2] != 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"an image of shape {pixels.shape} was given; (3, h, w), (h, w, 3) or (h, w) is needed.")
    if pixels.dtype == np.uint8:
        return pixels
    return (np.nan_to_num(pixels.astype(float)).clip(0, 1) * 255).round().astype(np.uint8)
