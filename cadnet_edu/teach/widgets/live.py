"""Widgets that compute on demand in a live notebook; elsewhere a static page, or a line of text."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from cadnet_edu.figures import loss_curves
from cadnet_edu.teach.widgets.page import data_uri, img
from cadnet_edu.teach.widgets.static import View, chooser


def is_live() -> bool:
    """Whether widgets are interactive here: a notebook in JupyterLab, Colab, Kaggle or VS Code, no batch execution.

    A book that is being built and a notebook under test have a kernel too, but no user. Setting the
    environment variable ``CADNET_EDU_STATIC`` makes the answer no.
    """
    shell = get_ipython()
    if os.environ.get("CADNET_EDU_STATIC") or shell is None or not hasattr(shell, "kernel"):
        return False
    in_vscode = any(name.startswith("__vsc_") for name in shell.user_ns)
    return "JPY_SESSION_NAME" in os.environ or "google.colab" in sys.modules or in_vscode


def live_chooser(
    callback: Callable[[str, float], View],
    queries: Sequence[str],
    rates: Sequence[float],
    title: str = "Choose a query and a rate",
    live: bool | None = None,
) -> Any:
    """Like ``chooser``, but each view is computed on demand, by your own network.

    Args:
        callback: (query, rate) -> the view.
        queries: names of the queries.
        rates: down-sampling rates.
        title: shown above.
        live: whether a live front end is there; found out when not given. Without one, every view is computed
            now, and the static ``chooser`` comes back.

    Returns:
        an ipywidgets box (ipywidgets 7.7 and 8), or an ``IPython.display.HTML``.
    """
    if not (is_live() if live is None else live):
        return chooser({(query, rate): callback(query, rate) for query in queries for rate in rates}, title)
    import ipywidgets

    query = ipywidgets.Dropdown(options=list(queries), description="query")
    rate = ipywidgets.ToggleButtons(options=[(f"r = {r:g}", r) for r in rates], description="rate")
    return live_box(title, [query, rate], lambda query, rate: _row(callback(query, rate), query, rate))


def live_box(title: str, controls: Sequence[Any], render: Callable[..., str]) -> Any:
    """Controls above the HTML made of their values, with only what ipywidgets 7.7 has as well."""
    import ipywidgets

    shown = ipywidgets.HTML()  # an ipywidgets.Image has no alternative text

    def show(_: Any = None) -> None:
        shown.value = render(*(control.value for control in controls))

    for control in controls:
        control.observe(show, names="value")
    show()
    return ipywidgets.VBox([ipywidgets.HTML(f"<b>{escape(title)}</b>"), *controls, shown])


def _row(view: View, query: str, rate: float) -> str:
    """A view as plain HTML: an ipywidget runs no script, and styles must stand at their element."""
    borders = {"": "4px solid transparent", "cw-right": "4px solid #0072B2", "cw-wrong": "4px dashed #D55E00"}
    cells = "".join(
        f'<div style="width:84px;text-align:center"><div style="border:{borders[mark]}">'
        f"{img(data_uri(image), alt).replace('<img ', '<img style=width:100%;image-rendering:pixelated ', 1)}</div>"
        f"{escape(label)}</div>"
        for image, alt, label, mark in view.cells(query, rate)
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{cells}</div><p>{escape(view.summary())}</p>'


class LiveCurves:
    """Plot the losses while a network trains: a callback for the trainer.

    In a live notebook one figure is redrawn in its place; elsewhere a line is printed.

    Args:
        every: records between two updates.
        live: whether a live front end is there; found out when not given.

    >>> curves = LiveCurves(every=2, live=False)
    >>> for step in (10, 20):
    ...     curves({"step": step, "L_id": 30 / step, "L_rec": 0.25})
    step 20: L_id 1.5, L_rec 0.25
    """

    def __init__(self, every: int = 5, live: bool | None = None) -> None:
        if every < 1:
            raise ValueError(f"every = {every}: the number of records between two updates is 1 or more.")
        self.every, self.live = every, is_live() if live is None else live
        self.history: list[dict[str, float]] = []
        self._shown: Any = None

    def __call__(self, record: Mapping[str, float]) -> None:
        """Take one record of the history."""
        self.history.append(dict(record))
        if len(self.history) % self.every == 0:
            self.show()

    def show(self) -> None:
        """Show where training stands now."""
        if not self.live:
            print(_line(self.history[-1]))
            return
        figure = loss_curves(self.history)
        if self._shown is None:
            self._shown = display(figure, display_id=True)
        else:
            self._shown.update(figure)


def _line(record: Mapping[str, float]) -> str:
    """One record as a line of text.

    >>> _line({"step": 40, "L": 2.0, "L_id": 1.25, "D_F(f_H)": 0.5, "seconds": 3.2})
    'step 40: L 2, L_id 1.25, D_F(f_H) 0.5'
    """
    shown = ", ".join(f"{name} {value:.3g}" for name, value in record.items() if name[0] in "LD")
    return f"step {record['step']:.0f}: {shown}"
