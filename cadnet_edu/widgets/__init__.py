"""Things to play with inside a page. The static ones need no kernel, no network and no library: one piece of HTML.

``player`` (frames and a slider), ``compare`` (before and after), ``chooser`` (a query and a rate: what comes out) and
``quiz`` give an ``IPython.display.HTML``. ``live_chooser`` and ``LiveCurves`` compute while you watch, where a live
notebook is there, and fall back to something still where it is not.
"""

from cadnet_edu.widgets.live import LiveCurves, is_live, live_chooser
from cadnet_edu.widgets.static import View, chooser, compare, player, quiz

__all__ = ["LiveCurves", "View", "chooser", "compare", "is_live", "live_chooser", "player", "quiz"]
