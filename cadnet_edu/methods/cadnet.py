"""CAD-Net, its baselines, controls and ablations: one ``fit``, which runs the ``Trainer``, under different settings.

All see the same number of images a step (``baseline_long`` takes more steps, as it says).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.model import Cost, Model
from cadnet_edu.methods.method import CPU_LOG, Method, Progress
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.checkpoints import PARTS, require_parts
from cadnet_edu.training.trainer import Trainer, network_of

STEP_COST = 2.5  # CAD-Net's step in steps of baseline_mlr, at most; `make bench` measures it
NO_GAN = {"lambda_adv_DF": 0, "lambda_rec": 0, "lambda_adv_DI": 0}


def fit(split: Split, config: Config, progress: Progress | None = None) -> Model:
    """Train the network that the settings describe, or go on with it.

    Args:
        split: its training part is used.
        config: all settings.
        progress: where to keep the run.

    Returns:
        the trained model.
    """
    progress = progress or Progress()
    trainer = Trainer(config, split, progress.folder, progress.ranks)
    progress.ranks = trainer.ranks
    if not trainer.resume() and progress.folder is not None:
        trainer.ranks.on_rank_zero(lambda: (progress.folder / CPU_LOG).unlink(missing_ok=True))  # type: ignore[operator]
    trainer.fit(callback=progress.log, bar=progress.bar)
    return model_of(trainer.net, config, trainer.seconds)


def load(checkpoint: dict[str, Any], config: Config, device: torch.device | str = "cpu") -> Model:
    """The trained model of a checkpoint.

    Args:
        checkpoint: that the ``Trainer`` has written.
        config: its settings.
        device: where the network is wanted.

    Raises:
        ValueError: when the weights do not fit.
    """
    require_parts(checkpoint, PARTS)
    return model_of(network_of(checkpoint, device), config, checkpoint["seconds"], checkpoint["step"])


def model_of(
    net: CADNet, config: Config | None = None, seconds: float | None = None, steps: int | None = None
) -> Model:
    """A network as evaluation sees it: u, the recovered image, and f and g as views where u is joined of both.

    Args:
        net: the network.
        config: its settings, for the cost.
        seconds: that training took.
        steps: that were taken; without it all that the settings say.
    """
    d = net.E.d
    joint = {"f": slice(0, d), "g": slice(d, 2 * d)} if net.features == "joint" else {}
    recover = None if net.G is None else lambda x, r: net.recover(x)
    discriminators = sum(p.numel() for p in net.discriminator_parameters())
    parameters = sum(p.numel() for p in net.parameters()) - discriminators
    cost = Cost(parameters=parameters, training_parameters=discriminators, wall_seconds=seconds)
    if config is not None:
        steps = config.optim.steps if steps is None else steps
        cost = replace(
            cost, steps=steps, images=steps * 2 * (config.data.batch_size + config.data.unlabelled_batch_size)
        )  # HR and LR
    return Model(lambda x, r: net.embed(x), recover, views=joint, parts={"net": net}, cost=cost)


def estimate(split: Split, config: Config) -> float:
    """Seconds that ``fit`` takes, from a few trial steps.

    Args:
        split: any that can feed the batches.
        config: all settings.
    """
    return Trainer(config.replace(weights="none"), split).estimate()


# ---------------------------------------------------------------------------------------------------- settings


def cadnet(config: Config) -> Config:
    """All of Sec. 3: what the preset says, nothing taken away."""
    return config.replace(method="cadnet")


def baseline_mlr(config: Config) -> Config:
    """Standard re-ID, E and C alone, on HR and LR images of all rates: what data can do without any GAN."""
    return config.replace(method="baseline_mlr", features="f", auxiliary_heads=False, **NO_GAN, unlabelled_batch_size=0)


def baseline_hr(config: Config) -> Config:
    """Standard re-ID on HR images alone, as the methods without LR training images in Table 1 (Sec. 4.4).

    Both halves of every batch are HR images, so that a step costs and sees as much as for ``baseline_mlr``.
    """
    return baseline_mlr(config).replace(method="baseline_hr", rates=(1,))


def baseline_long(config: Config) -> Config:
    """``baseline_mlr`` with CAD-Net's computing time: as many more steps as a step of CAD-Net costs more."""
    return baseline_mlr(config).replace(method="baseline_long", steps=round(STEP_COST * config.optim.steps))


def two_encoders(config: Config) -> Config:
    """Everything of CAD-Net that classifies, nothing that recovers: E and F both look at the input itself.

    The paper does not have this control. CAD-Net differs from a plain network by a second encoder and by recovery;
    only beside this row can a reader tell which of the two a gain comes from.
    """
    return config.replace(method="two_encoders", use_decoder=False, **NO_GAN, unlabelled_batch_size=0)


def f_only(config: Config) -> Config:
    """ "Ours (f only)" of Table 1: C takes the resolution-invariant f alone. CRGAN learns as before; F has no use."""
    return config.replace(method="f_only", features="f", auxiliary_heads=False)


def g_only(config: Config) -> Config:
    """ "Ours (g only)" of Table 1: C takes g, the features of the recovered image, alone."""
    return config.replace(method="g_only", features="g", auxiliary_heads=False)


def without_adv_DI(config: Config) -> Config:
    """Table 3 without L_adv^{D_I}: recovered images need not look real."""
    return config.replace(method="without_adv_DI", lambda_adv_DI=0)


def without_adv_DF(config: Config) -> Config:
    """Table 3 without L_adv^{D_F}: the features of HR and LR images are not aligned."""
    return config.replace(method="without_adv_DF", lambda_adv_DF=0)


def without_rec(config: Config) -> Config:
    """Table 3 without L_rec: G serves D_I and C, and need not restore the image."""
    return config.replace(method="without_rec", lambda_rec=0)


def without_cls(config: Config) -> Config:
    """Table 3 without L_cls: no label is used. F and C stay as they were built."""
    return config.replace(method="without_cls", lambda_cls=0)


def _method(settings: Callable[[Config], Config], **what: Any) -> Method:
    return Method(fit, load, settings, estimate=estimate, **what)


METHODS: dict[str, Method] = {
    "cadnet": _method(cadnet, faithful="from paper"),
    "baseline_hr": _method(baseline_hr, sees="HR"),
    "baseline_mlr": _method(baseline_mlr),
    "baseline_long": _method(baseline_long),
    "two_encoders": _method(two_encoders),
    **{s.__name__: _method(s, faithful="from paper")
       for s in (f_only, g_only, without_adv_DI, without_adv_DF, without_rec, without_cls)},
}  # fmt: skip
