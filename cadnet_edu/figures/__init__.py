"""Figures: arrays in, a matplotlib Figure out. Nothing is shown, saved or remembered.

Every figure carries the text that says what it shows (``describe(fig)``), made from the same numbers; in a notebook
and in the book it goes along as the alternative text of the image. Colours are those of Okabe and Ito, and nothing
is told by colour alone: markers, line styles and signs say it again.
"""

from cadnet_edu.figures.curves import bars_with_intervals, rank1_by_rate
from cadnet_edu.figures.evidence import difference_dots, error_by_band, identity_maps, rank1_sweep, stacked_shares
from cadnet_edu.figures.features import spectrum, tsne_coloured, tsne_panels
from cadnet_edu.figures.ledger import clearances, many_intervals
from cadnet_edu.figures.pictures import image_row, images_grid, rank_lists, recovered_grid
from cadnet_edu.figures.style import DescribedFigure, describe, save, to_uint8, use_style
from cadnet_edu.figures.training import loss_curves

__all__ = [
    "DescribedFigure",
    "bars_with_intervals",
    "clearances",
    "describe",
    "difference_dots",
    "error_by_band",
    "identity_maps",
    "image_row",
    "images_grid",
    "loss_curves",
    "many_intervals",
    "rank1_by_rate",
    "rank1_sweep",
    "rank_lists",
    "recovered_grid",
    "save",
    "spectrum",
    "stacked_shares",
    "to_uint8",
    "tsne_coloured",
    "tsne_panels",
    "use_style",
]
