"""Things to play with inside a page. The static ones need no kernel, no network and no library: one piece of HTML.

``player`` (frames and a slider), ``compare`` (before and after), ``chooser`` (a query and a rate: what comes out),
``shelf`` (entries by kind) and ``quiz`` give an ``IPython.display.HTML``. Where somebody sits in front of a live
notebook, the others compute while you watch, with ipywidgets; elsewhere they fall back to something still: ``explore``
(turn knobs, see another figure) and what is made of it, ``growing_curves``, ``loss_weights``, ``tsne_colours``;
``live_chooser``; ``live_curves``.
"""

from cadnet_edu.teach.widgets.controls import explore, growing_curves, live_curves, loss_weights, tsne_colours
from cadnet_edu.teach.widgets.filter_list import Entry, shelf
from cadnet_edu.teach.widgets.live import LiveCurves, is_live, live_chooser
from cadnet_edu.teach.widgets.static import View, chooser, compare, player, quiz

__all__ = [
    "Entry",
    "LiveCurves",
    "View",
    "chooser",
    "compare",
    "explore",
    "growing_curves",
    "is_live",
    "live_chooser",
    "live_curves",
    "loss_weights",
    "player",
    "quiz",
    "shelf",
    "tsne_colours",
]
