"""What CAD-Net has to be compared with before a gain may be called recovery: as many networks, or as much time."""

from __future__ import annotations

from dataclasses import replace

from cadnet_edu.config import Config, LossWeights
from cadnet_edu.methods.baseline import baseline_mlr

STEP_COST = 2.5  # CAD-Net's step in steps of baseline_mlr, at most; `make bench` measures it


def two_encoders(config: Config) -> Config:
    """Everything of CAD-Net that classifies, nothing that recovers: E and F both look at the input itself.

    The paper does not have this control. CAD-Net differs from a plain network by a second encoder and by recovery;
    only beside this row can a reader tell which of the two a gain comes from.
    """
    no_gan = LossWeights(adv_DF=0, rec=0, adv_DI=0)
    return replace(config, method="two_encoders", recovery=False, lam=no_gan, unlabelled_images=0)


def baseline_long(config: Config) -> Config:
    """``baseline_mlr`` with CAD-Net's computing time: as many more steps as a step of CAD-Net costs more."""
    longer = baseline_mlr(config)
    return replace(longer, method="baseline_long", steps=round(STEP_COST * config.steps))
