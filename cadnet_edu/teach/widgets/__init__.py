"""Interactive elements of a page. The static ones need no kernel, no network and no library: one piece of HTML.

``player`` (frames and a slider), ``compare`` (before and after), ``chooser`` (a query and a rate: what comes out),
``filtered_list`` (entries by kind) and ``quiz`` give an ``IPython.display.HTML``. In a live notebook the others compute
on demand, with ipywidgets; elsewhere they fall back to static output: ``explore`` (a figure for each setting of some
controls) and what is made of it, ``growing_curves``, ``loss_weights``, ``tsne_colours``; ``live_chooser``;
``live_curves``.
"""

from cadnet_edu.teach.widgets.controls import explore, growing_curves, live_curves, loss_weights, tsne_colours
from cadnet_edu.teach.widgets.filter_list import Entry, filtered_list
from cadnet_edu.teach.widgets.live import LiveCurves, is_live, live_chooser
from cadnet_edu.teach.widgets.static import View, chooser, compare, player, quiz

__all__ = [
    "Entry",
    "LiveCurves",
    "View",
    "chooser",
    "compare",
    "explore",
    "filtered_list",
    "growing_curves",
    "is_live",
    "live_chooser",
    "live_curves",
    "loss_weights",
    "player",
    "quiz",
    "tsne_colours",
]
