"""A figure that follows controls: computed on demand in a live notebook, drawn beforehand for a static page."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from IPython.display import HTML
from matplotlib.figure import Figure

from cadnet_edu.figures import describe, loss_curves, stacked_shares, tsne_coloured
from cadnet_edu.teach.widgets.live import LiveCurves, is_live, live_box
from cadnet_edu.teach.widgets.page import data_uri, img, radios, widget
from cadnet_edu.teach.widgets.static import player

Controls = Mapping[str, Sequence[float | str]]

MOST = 24  # figures that a static page holds
WIDTH = 600  # pixels


def explore(
    draw: Callable[..., Figure], controls: Controls, title: str, still: Controls | None = None, live: bool | None = None
) -> Any:
    """Show a figure that follows controls, live or not.

    In a live notebook each figure is drawn on demand. For the static page all of them are drawn now: one control with
    numbers becomes a player, several controls become groups of radio buttons. Both work by keyboard.

    Args:
        draw: (value of the first control, of the second, ...) -> a figure of ``cadnet_edu.figures``.
        controls: a name -> the values it can have, the first of which is chosen at the start. Numbers become a slider,
            in rising order, texts a row of buttons.
        title: what is being explored; shown above and read aloud.
        still: fewer values for the static page, where each combination is a picture; without it, all of them.
        live: whether a live front end is there; found out when not given.

    Returns:
        an ipywidgets box (ipywidgets 7.7 and 8), or an ``IPython.display.HTML``.

    Raises:
        ValueError: for a control without values, or for more than 24 pictures in a static page.
    """
    if not controls or not all(len(values) for values in controls.values()):
        raise ValueError(f"the controls {dict(controls)} were given: give one or more, each with at least one value.")
    if is_live() if live is None else live:
        return _box(draw, controls, title)
    return _page(draw, still or controls, title)


def _box(draw: Callable[..., Figure], controls: Controls, title: str) -> Any:
    """Return the controls as ipywidgets."""
    import ipywidgets

    widgets = []
    for name, values in controls.items():
        kind = ipywidgets.SelectionSlider if _numbers(values) else ipywidgets.ToggleButtons
        options = [(_said(value), value) for value in _in_order(values)]
        control = kind(options=options, value=values[0], description=name)
        control.style.description_width = "initial"
        widgets.append(control)
    return live_box(title, widgets, lambda *values: _picture(draw(*values)))


def _picture(figure: Figure) -> str:
    """A figure as plain HTML that needs no style from elsewhere."""
    style = f'<img style="width:100%;max-width:{WIDTH}px;background:#fff" '
    return img(data_uri(figure), describe(figure), pixels=False).replace("<img ", style, 1)


def _numbers(values: Sequence[float | str]) -> bool:
    return not any(isinstance(value, str) for value in values)


def _in_order(values: Sequence[float | str]) -> Sequence[float | str]:
    return sorted(values) if _numbers(values) else values


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _page(draw: Callable[..., Figure], controls: Controls, title: str) -> HTML:
    """Return the controls as a piece of HTML, with a picture for each combination."""
    chosen = list(itertools.product(*map(_in_order, controls.values())))
    if len(chosen) > MOST:
        raise ValueError(f"{len(chosen)} pictures are too many for a static page (at most {MOST}): give `still` fewer.")
    figures = [draw(*values) for values in chosen]
    said = [", ".join(f"{name} {_said(value)}" for name, value in zip(controls, values)) for values in chosen]
    if len(controls) == 1 and _numbers(next(iter(controls.values()))):
        return player(figures, said, title=title)
    frames = "".join(
        f'<div class="cw-frame">{img(data_uri(figure), describe(figure), pixels=False)}'
        f'<div class="cw-label">{escape(words)}</div></div>'
        for figure, words in zip(figures, said)
    )
    choices = ""
    for k, (name, values) in enumerate(controls.items()):
        ordered = _in_order(values)
        options = [(_said(value), _said(value)) for value in ordered]
        choices += radios(str(k), name, options, ordered.index(values[0]))
    outcome = '<p class="cw-feedback" aria-live="polite"></p>'
    return widget("explorer", title, f'{choices}<div class="cw-frames">{frames}</div>{outcome}', WIDTH)


# ------------------------------------------------------------------------------------- what the chapters explore
def live_curves(every: int = 5) -> LiveCurves | None:
    """Return a callback for a training: curves that grow in a live notebook, None elsewhere.

    Args:
        every: records between two updates.

    >>> live_curves() is None  # this is no live notebook
    True
    """
    return LiveCurves(every) if is_live() else None


def growing_curves(
    history: Sequence[Mapping[str, float]], frames: int = 5, heading: str = "", live: bool | None = None
) -> Any:
    """The losses of a finished training as they were seen while it ran; ``explore`` moves through its steps.

    Args:
        history: of the run, a record for each logged step.
        frames: how many moments a static page offers; live, every record is one.
        heading: title of the figure.
        live: see ``explore``.

    Raises:
        ValueError: for fewer than 2 records.
    """
    if len(history) < 2:
        raise ValueError(f"a history of {len(history)} records was given: curves need 2 or more.")
    steps = [record["step"] for record in history]
    at = {step: number for number, step in enumerate(steps, start=1)}
    ends = sorted({max(2, round(len(steps) * k / frames)) for k in range(1, frames + 1)})
    window = max(1, len(steps) // 20)  # the same at every moment, so that the past stays as it was
    return explore(
        lambda step: loss_curves(history[: at[step]], window, heading),
        {"step": steps[1:]},
        "The curves while they grow",
        still={"step": [steps[end - 1] for end in ends]},
        live=live,
    )


def loss_weights(
    gradients: Mapping[str, Mapping[str, float]], lam: Mapping[str, float], live: bool | None = None
) -> Any:
    """Choose the weights of eq. (6), and see the share of each term in the gradients at E and G; see ``explore``.

    A gradient is proportional to its weight, so the norms are measured once and scaled.

    Args:
        gradients: term (``L_cls``, ``L_adv_DF``, ``L_rec``, ``L_adv_DI``) -> network -> norm of the gradient that
            arrives there, with the weights ``lam``.
        lam: the weights in use: ``adv_DF``, ``rec``, ``adv_DI``. A term whose weight is 0 cannot be scaled and has no
            control.
        live: see ``explore``.

    Raises:
        ValueError: when no term has both a weight and a gradient.
    """
    terms = [name for name, weight in lam.items() if weight and f"L_{name}" in gradients]
    if not terms:
        raise ValueError(f"no weight of {dict(lam)} belongs to one of the terms {list(gradients)}.")
    networks = [n for n in ("E", "G") if any(of.get(n, 0) for of in gradients.values())]

    def draw(*weights: float) -> Figure:
        scale = {f"L_{name}": weight / lam[name] for name, weight in zip(terms, weights)}
        shares = {
            f"at {n}": {term: scale.get(term, 1.0) * of.get(n, 0.0) for term, of in gradients.items() if of.get(n, 0)}
            for n in networks
        }
        shares = {name: row for name, row in shares.items() if sum(row.values()) > 0}
        return stacked_shares(shares, "share of the gradient (%)", _strongest(shares))

    ladder = {name: [lam[name] * k for k in (1, 0, 0.001, 0.01, 0.1, 0.3, 3, 10, 100)] for name in terms}
    named = {f"lambda {name}": values for name, values in ladder.items()}
    few = {f"lambda {name}": [lam[name], lam[name] / 1000 if name == "rec" else 0] for name in terms}
    if "rec" in terms:
        few["lambda rec"] = [lam["rec"] * k for k in (1, 0.001, 0.1)]
    return explore(draw, named, "Loss weights and gradients", few, live)


def _strongest(shares: Mapping[str, Mapping[str, float]]) -> str:
    """Return the term with the largest gradient, network by network."""
    largest = (f"{max(row, key=lambda term: row[term])} {name}" for name, row in shares.items())
    return f"largest gradient: {', '.join(largest)}"


def tsne_colours(points: Any, colours: Mapping[str, Any], w: Any = None, live: bool | None = None) -> Any:
    """``explore`` a map of the features, coloured by a label that the reader chooses: person, rate, camera.

    Args:
        points: ``(n, 2)``, from ``analysis.tsne``.
        colours: what the points are coloured by -> a label for each point, ``(n,)``.
        w: the features behind the points; silhouettes are measured on them, else on the points.
        live: see ``explore``.

    Raises:
        ValueError: when labels and points differ in number.
    """
    return explore(
        lambda name: tsne_coloured(points, colours[name], name, w),
        {"colour by": list(colours)},
        "The same points, coloured in turn",
        live=live,
    )
