"""Analyses of a trained network: arrays in, numbers out.

How much of the resolution is left in w, whether f or g decides a query, which identities are confused, which detail
recovery restores, which loss dominates the gradient at E.
"""

from cadnet_edu.analysis.features import Margins, Nearest, confusions, margins, nearest, resolution_probe, separation
from cadnet_edu.analysis.frequency import error_by_frequency, octaves, radial_power_spectrum, restore_band
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
    "radial_power_spectrum",
    "resolution_probe",
    "restore_band",
    "separation",
    "silhouette",
    "tsne",
]
