"""CAD-Net, its baselines, controls and ablations: one ``fit``, which runs the ``Trainer``, under different settings.

All use the same number of images a step; those named ``..._long`` take more steps, for CAD-Net's CPU time.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.model import Cost, Model
from cadnet_edu.methods.interface import CPU_LOG, Method, Progress
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.checkpoints import PARTS, require_parts
from cadnet_edu.training.trainer import Trainer, network_of

# CAD-Net's step in steps of a control, at 64 x 32 in single precision; `make bench` measures it.
STEP_COSTS = {"baseline_hr": 3.5, "baseline_mlr": 3.5, "two_encoders": 1.6}
NO_GAN = {"lambda_adv_DF": 0, "lambda_rec": 0, "lambda_adv_DI": 0}


def fit(split: Split, config: Config, progress: Progress | None = None) -> Model:
    """Train the network of the settings, or resume its training.

    Args:
        split: its training part is used.
        config: all settings.
        progress: folder and reporting of the run.

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
        checkpoint: of the ``Trainer``.
        config: its settings.
        device: for the network.

    Raises:
        ValueError: when the weights do not fit.
    """
    require_parts(checkpoint, PARTS)
    return model_of(network_of(checkpoint, device), config, checkpoint["seconds"], checkpoint["step"])


def model_of(
    net: CADNet, config: Config | None = None, seconds: float | None = None, steps: int | None = None
) -> Model:
    """The ``Model`` of a network: u, the recovered image, and f and g as views if u consists of both.

    Args:
        net: the network.
        config: its settings, for the cost.
        seconds: of training.
        steps: taken so far; by default all of the settings.
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
        split: any with enough images for the batches.
        config: all settings.
    """
    return Trainer(config.replace(weights="none"), split).estimate()


# ---------------------------------------------------------------------------------------------------- settings


def cadnet(config: Config) -> Config:
    """The complete method of Sec. 3: the preset's settings unchanged."""
    return config.replace(method="cadnet")


def baseline_mlr(config: Config) -> Config:
    """Standard re-ID, E and C alone, on HR and LR images of all rates, without any GAN."""
    return config.replace(method="baseline_mlr", features="f", auxiliary_heads=False, **NO_GAN, unlabelled_batch_size=0)


def baseline_hr(config: Config) -> Config:
    """Standard re-ID on HR images alone, as the methods without LR training images in Table 1 (Sec. 4.4).

    Both halves of every batch are HR images, so that a step has the cost and the images of ``baseline_mlr``.
    """
    return baseline_mlr(config).replace(method="baseline_hr", rates=(1,), lr_labels=True)


def two_encoders(config: Config) -> Config:
    """CAD-Net without G: E and F both get the input image.

    The paper does not have this control. CAD-Net differs from a plain network by a second encoder and by recovery;
    this row separates the gains of the two.
    """
    return config.replace(method="two_encoders", use_decoder=False, **NO_GAN, unlabelled_batch_size=0)


def f_only(config: Config) -> Config:
    """ "Ours (f only)" of Table 1: C takes the resolution-invariant f alone. CRGAN is trained as before, without F."""
    return config.replace(method="f_only", features="f", auxiliary_heads=False)


def g_only(config: Config) -> Config:
    """ "Ours (g only)" of Table 1: C takes g, the features of the recovered image, alone."""
    return config.replace(method="g_only", features="g", auxiliary_heads=False)


def without_adv_DI(config: Config) -> Config:
    """Table 3 without L_adv^{D_I}: no adversarial loss on recovered images."""
    return config.replace(method="without_adv_DI", lambda_adv_DI=0)


def without_adv_DF(config: Config) -> Config:
    """Table 3 without L_adv^{D_F}: the features of HR and LR images are not aligned."""
    return config.replace(method="without_adv_DF", lambda_adv_DF=0)


def without_rec(config: Config) -> Config:
    """Table 3 without L_rec: G is trained by D_I and C only."""
    return config.replace(method="without_rec", lambda_rec=0)


def without_cls(config: Config) -> Config:
    """Table 3 without L_cls: no label is used; F and C are not trained."""
    return config.replace(method="without_cls", lambda_cls=0)


def longer(settings: Callable[[Config], Config]) -> Callable[[Config], Config]:
    """The settings of a method that trains for CAD-Net's CPU time.

    Args:
        settings: of the method, one of ``STEP_COSTS``.
    """

    def changed(config: Config) -> Config:
        """The settings of the method, with ``STEP_COSTS`` times as many steps."""
        c = settings(config)
        return c.replace(method=f"{c.run.method}_long", steps=round(STEP_COSTS[c.run.method] * c.optim.steps))

    return changed


def from_nothing(settings: Callable[[Config], Config]) -> Callable[[Config], Config]:
    """The settings of a method whose encoders start from random weights.

    Args:
        settings: of the method.
    """

    def changed(config: Config) -> Config:
        """The settings of the method, with random weights; a small network from nothing wants a larger rate."""
        c = settings(config)
        faster = {"lr": 3 * c.optim.lr} if c.model.backbone == "slim" else {}
        return c.replace(method=f"{c.run.method}_from_nothing", weights="none", **faster)

    return changed


def cadnet_plus(config: Config) -> Config:
    """CAD-Net++ (Li et al., arXiv 2002.09274), as we read it: a feature-consistency loss on F's maps in addition."""
    return config.replace(method="cadnet_plus", lambda_con=30)


def cadnet_mean(config: Config) -> Config:
    """CAD-Net with the other reading of eq. (2): a mean over pixels, with the same weight of 1."""
    return config.replace(method="cadnet_mean", reduction="mean")


def _method(settings: Callable[[Config], Config], **what: Any) -> Method:
    return Method(fit, load, settings, estimate=estimate, **what)


METHODS: dict[str, Method] = {
    "cadnet": _method(cadnet, faithful="from paper"),
    "baseline_hr": _method(baseline_hr, sees="HR"),
    "baseline_mlr": _method(baseline_mlr),
    "two_encoders": _method(two_encoders),
    "baseline_hr_long": _method(longer(baseline_hr), sees="HR"),
    **{f"{s.__name__}_long": _method(longer(s)) for s in (baseline_mlr, two_encoders)},
    "cadnet_plus": _method(cadnet_plus),
    "cadnet_mean": _method(cadnet_mean),
    **{f"{s.__name__}_from_nothing": _method(from_nothing(s)) for s in (baseline_mlr, two_encoders, cadnet)},
    **{s.__name__: _method(s, faithful="from paper")
       for s in (f_only, g_only, without_adv_DI, without_adv_DF, without_rec, without_cls)},
}  # fmt: skip
