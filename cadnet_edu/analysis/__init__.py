"""What a trained network's numbers hide: arrays in, numbers out.

Where a table says how often a method is right, these say why: how much of the resolution is left in w, which half of
u a query owes its answer to, whom it is confused with, which detail recovery restores, which loss moves E.
"""

from cadnet_edu.analysis.features import (
    Margins,
    Nearest,
    confusions,
    margins,
    nearest,
    rank1_against_rate,
    resolution_probe,
    separation,
)
from cadnet_edu.analysis.frequency import error_by_frequency, octaves, radial_power
from cadnet_edu.analysis.gradients import gradient_shares, mean_shares
from cadnet_edu.analysis.projection import silhouette, tsne

__all__ = [
    "Margins",
    "Nearest",
    "confusions",
    "error_by_frequency",
    "gradient_shares",
    "margins",
    "mean_shares",
    "nearest",
    "octaves",
    "radial_power",
    "rank1_against_rate",
    "resolution_probe",
    "separation",
    "silhouette",
    "tsne",
]
