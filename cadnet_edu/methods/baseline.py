"""Standard re-identification: one encoder and one classifier, CAD-Net without its GAN and without F."""

from __future__ import annotations

from dataclasses import replace

from cadnet_edu.config import Config, LossWeights


def baseline_hr(config: Config) -> Config:
    """Standard re-ID on HR images alone, as the methods without LR training images in Table 1 (Sec. 4.4).

    E and C learn from L_cls. Both halves of every batch are HR images, so that a step costs and sees as much as for
    ``baseline_mlr``.
    """
    return replace(baseline_mlr(config), method="baseline_hr", rates=(1,))


def baseline_mlr(config: Config) -> Config:
    """The same network on HR images and on LR images of all rates: what data alone can do, without any GAN."""
    no_gan = LossWeights(adv_DF=0, rec=0, adv_DI=0)
    return replace(config, method="baseline_mlr", features="f", branch_heads=False, lam=no_gan, unlabelled_images=0)
