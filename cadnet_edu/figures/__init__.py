"""Figures: arrays in, a matplotlib Figure out, with an alternative text (``describe``) made from the same numbers.

Colours are those of Okabe and Ito; markers, line styles and signs repeat what colour shows.
"""

from cadnet_edu.figures.claims import claim_margins_plot, coverage_plot
from cadnet_edu.figures.curves import (
    bars_with_intervals,
    paired_difference_plot,
    rank1_by_rate,
    rank1_sweep,
    stacked_shares,
    sweep_panels,
)
from cadnet_edu.figures.features import error_by_band, identity_maps, spectrum, tsne_coloured, tsne_panels
from cadnet_edu.figures.pictures import image_row, images_grid, rank_lists, recovered_grid
from cadnet_edu.figures.style import DescribedFigure, describe, save, to_uint8, use_style
from cadnet_edu.figures.training import loss_curves

__all__ = [
    "DescribedFigure",
    "bars_with_intervals",
    "claim_margins_plot",
    "coverage_plot",
    "describe",
    "error_by_band",
    "identity_maps",
    "image_row",
    "images_grid",
    "loss_curves",
    "paired_difference_plot",
    "rank1_by_rate",
    "rank1_sweep",
    "rank_lists",
    "recovered_grid",
    "save",
    "spectrum",
    "stacked_shares",
    "sweep_panels",
    "to_uint8",
    "tsne_coloured",
    "tsne_panels",
    "use_style",
]
