"""Turn knobs and see another figure: computed at once where somebody sits at a kernel, drawn beforehand elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from IPython.display import HTML
from matplotlib.figure import Figure

from cadnet_edu.figures import describe, loss_curves, stacked_shares, tsne_coloured
from cadnet_edu.teach.widgets.live import LiveCurves, is_live
from cadnet_edu.teach.widgets.page import data_uri, img, widget
from cadnet_edu.teach.widgets.static import player

Knobs = Mapping[str, Sequence[float | str]]

MOST = 24  # figures that a static page holds
WIDTH = 600  # pixels


def explore(
    draw: Callable[..., Figure],
    knobs: Knobs,
    title: str,
    still: Knobs | None = None,
    live: bool | None = None,
) -> Any:
    """Turn knobs and see another figure. This is how a chapter offers something to play with, live or not.

    With a kernel and somebody in front of it, each figure is drawn when it is asked for. In the static page all of
    them are drawn now: one knob of numbers becomes a player, more of them a set of choices. Both move by keyboard.

    Args:
        draw: (value of the first knob, of the second, ...) -> a figure of ``cadnet_edu.figures``.
        knobs: a name -> the values it can have, the first of which is chosen at the start. Numbers become a slider,
            in rising order, texts a row of buttons.
        title: what is being explored; shown above and read aloud.
        still: fewer values for the static page, where each combination is a picture; without it, all of them.
        live: whether a live front end is there; found out when not given.

    Returns:
        an ipywidgets box (ipywidgets 7.7 and 8), or an ``IPython.display.HTML``.

    Raises:
        ValueError: for a knob without values, or for more than 24 pictures in a static page.
    """
    if not knobs or not all(len(values) for values in knobs.values()):
        raise ValueError(f"the knobs {dict(knobs)} were given: give one or more, each with at least one value.")
    if is_live() if live is None else live:
        return _box(draw, knobs, title)
    return _page(draw, still or knobs, title)


def _box(draw: Callable[..., Figure], knobs: Knobs, title: str) -> Any:
    """The knobs as ipywidgets. Only what version 7.7 has as well is used."""
    import ipywidgets

    controls = []
    for name, values in knobs.items():
        kind = ipywidgets.SelectionSlider if _numbers(values) else ipywidgets.ToggleButtons
        options = [(_said(value), value) for value in _in_order(values)]
        control = kind(options=options, value=values[0], description=name)
        control.style.description_width = "initial"
        controls.append(control)
    shown = ipywidgets.HTML()  # an ipywidgets.Image has no alternative text

    def show(_: Any = None) -> None:
        shown.value = _picture(draw(*(control.value for control in controls)))

    for control in controls:
        control.observe(show, names="value")
    show()
    return ipywidgets.VBox([ipywidgets.HTML(f"<b>{escape(title)}</b>"), *controls, shown])


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


def _page(draw: Callable[..., Figure], knobs: Knobs, title: str) -> HTML:
    """The knobs as a piece of HTML, with a picture for each combination."""
    chosen = list(itertools.product(*map(_in_order, knobs.values())))
    if len(chosen) > MOST:
        raise ValueError(f"{len(chosen)} pictures are too many for a static page (at most {MOST}): give `still` fewer.")
    figures = [draw(*values) for values in chosen]
    said = [", ".join(f"{name} {_said(value)}" for name, value in zip(knobs, values)) for values in chosen]
    if len(knobs) == 1 and _numbers(next(iter(knobs.values()))):
        return player(figures, said, title=title)
    frames = "".join(
        f'<div class="cw-frame">{img(data_uri(figure), describe(figure), pixels=False)}'
        f'<div class="cw-label">{escape(words)}</div></div>'
        for figure, words in zip(figures, said)
    )
    choices = "".join(_choice(k, name, values) for k, (name, values) in enumerate(knobs.items()))
    outcome = '<p class="cw-feedback" aria-live="polite"></p>'
    return widget("explorer", title, f'{choices}<div class="cw-frames">{frames}</div>{outcome}', WIDTH)


def _choice(number: int, name: str, values: Sequence[float | str]) -> str:
    """One knob as a group of radio buttons."""
    radios = "".join(
        f'<label class="cw-radio"><input type="radio" name="__ID__-{number}"{" checked" * (value == values[0])}>'
        f"<span>{escape(_said(value))}</span></label>"
        for value in _in_order(values)
    )
    return f'<fieldset class="cw-controls" hidden><legend>{escape(name)}</legend>{radios}</fieldset>'


# ------------------------------------------------------------------------------------- what the chapters explore
def live_curves(every: int = 5) -> LiveCurves | None:
    """What to hand to a training as its callback: curves that grow where somebody watches, nothing elsewhere.

    Args:
        every: records between two updates.

    >>> live_curves() is None  # here, nobody watches
    True
    """
    return LiveCurves(every) if is_live() else None


def growing_curves(
    history: Sequence[Mapping[str, float]], frames: int = 5, heading: str = "", live: bool | None = None
) -> Any:
    """The losses of a finished training as they were seen while it ran; move through its steps.

    Args:
        history: of the run, a record for each logged step.
        frames: how many moments a static page offers; live, every record is one.
        heading: title of the figure.
        live: whether a live front end is there; found out when not given.

    Returns:
        as ``explore``.

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


def loss_weights(pulls: Mapping[str, Mapping[str, float]], lam: Mapping[str, float], live: bool | None = None) -> Any:
    """Choose the weights of eq. (6), and see whose gradient would move E and G.

    A gradient grows with its weight, so the pulls are measured once and scaled.

    Args:
        pulls: term (``L_cls``, ``L_adv_DF``, ``L_rec``, ``L_adv_DI``) -> network -> length of the gradient that
            arrives there, with the weights ``lam``.
        lam: the weights in use: ``adv_DF``, ``rec``, ``adv_DI``. A term whose weight is 0 cannot be scaled and has no
            knob.
        live: whether a live front end is there; found out when not given.

    Returns:
        as ``explore``.

    Raises:
        ValueError: when no term has both a weight and a pull.
    """
    terms = [name for name, weight in lam.items() if weight and f"L_{name}" in pulls]
    if not terms:
        raise ValueError(f"no weight of {dict(lam)} belongs to one of the pulls {list(pulls)}.")
    networks = [n for n in ("E", "G") if any(of.get(n, 0) for of in pulls.values())]

    def draw(*weights: float) -> Figure:
        scale = {f"L_{name}": weight / lam[name] for name, weight in zip(terms, weights)}
        shares = {
            f"at {n}": {term: scale.get(term, 1.0) * of.get(n, 0.0) for term, of in pulls.items() if of.get(n, 0)}
            for n in networks
        }
        heard = {name: row for name, row in shares.items() if sum(row.values()) > 0}
        return stacked_shares(heard, "share of all pulls (%)", _strongest(heard))

    ladder = {name: [lam[name] * k for k in (1, 0, 0.001, 0.01, 0.1, 0.3, 3, 10, 100)] for name in terms}
    named = {f"lambda {name}": values for name, values in ladder.items()}
    few = {f"lambda {name}": [lam[name], lam[name] / 1000 if name == "rec" else 0] for name in terms}
    if "rec" in terms:
        few["lambda rec"] = [lam["rec"] * k for k in (1, 0.001, 0.1)]
    return explore(draw, named, "Loss weights, and who pulls", few, live)


def _strongest(shares: Mapping[str, Mapping[str, float]]) -> str:
    """Who pulls hardest, network by network."""
    return ", ".join(f"{name} {max(row, key=lambda term: row[term])}" for name, row in shares.items()) + " pulls most"


def tsne_colours(points: Any, colours: Mapping[str, Any], w: Any = None, live: bool | None = None) -> Any:
    """One map of the features, coloured as you choose: by person, by rate, by camera.

    Args:
        points: ``(n, 2)``, from ``analysis.tsne``.
        colours: what the points are coloured by -> a label for each point, ``(n,)``.
        w: the features behind the points; silhouettes are measured on them, else on the points.
        live: whether a live front end is there; found out when not given.

    Returns:
        as ``explore``.

    Raises:
        ValueError: when labels and points differ in number.
    """
    return explore(
        lambda name: tsne_coloured(points, colours[name], name, w),
        {"colour by": list(colours)},
        "The same points, coloured in turn",
        live=live,
    )
