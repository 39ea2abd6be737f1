"""Training curves: losses and outputs of the discriminators at each step."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cadnet_edu.figures.style import COLORS, GREY, SMALL, label_ends, new_figure, styled, title


class _Term(NamedTuple):
    key: str  # in the history
    symbol: str  # in the paper
    color: str
    line: str  # solid: minimized by E, G, F and C; dashed: of a discriminator
    marker: str


class _Panel(NamedTuple):
    title: str
    unit: str
    terms: tuple[_Term, ...]
    levels: tuple[tuple[float, str], ...] = ()  # horizontal lines with their meaning
    limits: tuple[float, float] | None = None


_DF, _DI = r"$\mathcal{L}_{adv}^{\mathcal{D}_F}$", r"$\mathcal{L}_{adv}^{\mathcal{D}_I}$"
_BLUE, _RED, _GREEN, _PINK, _ORANGE = COLORS[:5]
PANELS = (
    _Panel(r"Re-ID, eq. (4): $\mathcal{L}_{cls} = \mathcal{L}_{id} + \mathcal{L}_{tri}$", "loss", (
        _Term("L_id", r"$\mathcal{L}_{id}$", _BLUE, "-", "o"), _Term("L_tri", r"$\mathcal{L}_{tri}$", _RED, "-", "s"))),
    _Panel(r"Triplets still active in $\mathcal{L}_{tri}$", "share", (_Term("active", "active", _RED, "-", "s"),),
           limits=(0, 1.05)),
    _Panel(r"Recovery, eq. (2): $\mathcal{L}_{rec}$", "L1 a pixel", (
        _Term("L_rec", r"$\mathcal{L}_{rec}$", _GREEN, "-", "^"),)),
    _Panel("What the discriminators climb, eq. (1), (3)", "value", (
        _Term("L_adv_DF", _DF, _PINK, "--", "D"), _Term("L_adv_DI", _DI, _ORANGE, "--", "v")),
        ((-2 * math.log(2), r"(1) at $\mathcal{D}=\frac{1}{2}$: $-2\ln 2$"),
         (-4 * math.log(2), r"(3) at $\mathcal{D}=\frac{1}{2}$: $-4\ln 2$"))),
    _Panel(r"What $\mathcal{E}$ and $\mathcal{G}$ descend to fool them", "loss", (
        _Term("L_adv_DF_G", r"fool $\mathcal{D}_F$", _PINK, "-", "D"),
        _Term("L_adv_DI_G", r"fool $\mathcal{D}_I$", _ORANGE, "-", "v"))),
    _Panel(r"Answers of $\mathcal{D}_F$: 1 = HR, 0 = LR", "mean answer", (
        _Term("D_F(f_H)", r"$\mathcal{D}_F(f_H)$", _BLUE, "--", "o"),
        _Term("D_F(f_L)", r"$\mathcal{D}_F(f_L)$", _RED, "--", "s")), ((0.5, "cannot tell"),), (0, 1)),
    _Panel(r"Answers of $\mathcal{D}_I$: 1 = real, 0 = recovered", "mean answer", (
        _Term("D_I(x_H)", r"$\mathcal{D}_I(x_H)$", _BLUE, "--", "o"),
        _Term("D_I(G(f_L))", r"$\mathcal{D}_I(\mathcal{G}(f_L))$", _RED, "--", "s")), ((0.5, "cannot tell"),), (0, 1)),
)  # fmt: skip


@styled
def loss_curves(history: Sequence[Mapping[str, float]], window: int | None = None, heading: str = "") -> Figure:
    """The losses of eq. (1) to (5) and the outputs of the discriminators during training.

    Each term is drawn twice: the logged values, faint, and their mean over the last ``window`` records. Dashed lines
    belong to the discriminators, solid ones to E, G, F and C. Terms that the history does not hold are left out.

    Args:
        history: a dict for each logged step, as the trainer writes it: ``step``, ``L_id``, ``L_tri``, ``active``,
            ``L_rec``, ``L_adv_DF``, ``L_adv_DI``, ``D_F(f_H)`` ...
        window: records in the mean; a twentieth of all when not given.
        heading: the title.

    Returns:
        the figure; its text names first and last value of every term.

    Raises:
        ValueError: for a history without any known term.
    """
    panels = [(p, [t for t in p.terms if any(t.key in record for record in history)]) for p in PANELS]
    panels = [(panel, terms) for panel, terms in panels if terms]
    if not panels:
        keys = ", ".join(term.key for panel in PANELS for term in panel.terms)
        raise ValueError(f"a history of {len(history)} records without any known term was given; known are {keys}.")
    window = window or max(1, len(history) // 20)
    fig = new_figure(0.7 + 1.55 * len(panels))
    said = []
    for (panel, terms), ax in zip(panels, np.atleast_1d(fig.subplots(len(panels), sharex=True))):
        ends = [_draw_term(ax, term, history, window) for term in terms]
        _finish_panel(ax, panel, {term.key for term in terms}, ends)
        said += [f"{t.key} from {first:.3g} to {last:.3g}" for t, (first, last, _, _) in zip(terms, ends)]
    ax.set_xlabel(f"training step (faint: as logged; strong: mean of {window})" if window > 1 else "training step")
    title(fig, heading or "Losses during training")
    fig.alt = f"Curves over {len(history)} records up to step {history[-1]['step']:.0f}: " + "; ".join(said) + "."
    return fig


def _draw_term(
    ax: Axes, term: _Term, history: Sequence[Mapping[str, float]], window: int
) -> tuple[float, float, str, str]:
    """Draw one line; its first and last (averaged) value, name and colour."""
    records = [record for record in history if term.key in record]
    steps = np.array([record["step"] for record in records], dtype=float)
    values = np.array([record[term.key] for record in records], dtype=float)
    mean = running_mean(values, window)
    if window > 1:
        ax.plot(steps, values, color=term.color, alpha=0.25, linewidth=1)
    every = max(1, len(steps) // 8)
    marks: dict[str, Any] = {"marker": term.marker, "markevery": every, "markersize": 5, "clip_on": False}
    ax.plot(steps, mean, color=term.color, linestyle=term.line, **marks)
    return float(values[0]), float(mean[-1]), term.symbol, term.color


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of each value and those before it, ``window`` in all (fewer at the start).

    >>> running_mean(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [1.0, 2.0, 4.0]
    """
    sums = np.cumsum(np.concatenate([[0.0], values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - window)
    return (sums[last] - sums[first]) / (last - first)


def _finish_panel(ax: Axes, panel: _Panel, keys: set[str], ends: list[tuple[float, float, str, str]]) -> None:
    ax.set_title(panel.title)
    ax.set_ylabel(panel.unit)
    shown = [level for i, level in enumerate(panel.levels) if len(panel.levels) == 1 or panel.terms[i].key in keys]
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5}
    look: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": SMALL, "bbox": box}
    for value, meaning in shown:
        ax.axhline(value, color=GREY, linestyle=":", linewidth=1.2)
        ax.annotate(meaning, (0.99, value), (0, -3), ("axes fraction", "data"), "offset points", **look)
    if panel.limits:
        ax.set_ylim(*panel.limits)
    elif shown:
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.2 * (high - low), high)  # room for the note under the lowest level
    elif min(ax.get_ylim()) > 0:
        ax.set_ylim(bottom=0)
    label_ends(ax, [(last, name, color) for _, last, name, color in ends], gap=0.25)
