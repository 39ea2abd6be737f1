"""CAD-Net with one part taken away: the rows "f only" and "g only" of Table 1, and those of Table 3 (Sec. 4.6)."""

from __future__ import annotations

from dataclasses import replace

from cadnet_edu.config import Config


def f_only(config: Config) -> Config:
    """ "Ours (f only)": C takes the resolution-invariant f alone. CRGAN learns as before; F has no use."""
    return replace(config, method="f_only", features="f", branch_heads=False)


def g_only(config: Config) -> Config:
    """ "Ours (g only)": C takes g, the features of the recovered image, alone."""
    return replace(config, method="g_only", features="g", branch_heads=False)


def without_adv_DI(config: Config) -> Config:
    """Without L_adv^{D_I}: nobody asks whether recovered images look real."""
    return replace(config, method="without_adv_DI", lam=replace(config.lam, adv_DI=0))


def without_adv_DF(config: Config) -> Config:
    """Without L_adv^{D_F}: nobody aligns the features of HR and LR images."""
    return replace(config, method="without_adv_DF", lam=replace(config.lam, adv_DF=0))


def without_rec(config: Config) -> Config:
    """Without L_rec: G is told to please D_I and C, not to restore the image."""
    return replace(config, method="without_rec", lam=replace(config.lam, rec=0))


def without_cls(config: Config) -> Config:
    """Without L_cls: no label is used. F and C stay as they were built."""
    return replace(config, method="without_cls", lam=replace(config.lam, cls=0))
