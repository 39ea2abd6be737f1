"""Methods that train in two stages, the second with the networks of the first kept as they are.

``fixed_...``: a re-identification network is trained on HR images (``baseline_hr``) and fixed as F and C; then E, G and
the discriminators learn to recover images for it. ``sr_first`` is the reverse: super-resolution is trained by L_rec
alone and fixed as E and G; then F and C are trained on recovered images.
"""

from collections.abc import Callable

from torch import nn

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.model import Model
from cadnet_edu.methods import cadnet
from cadnet_edu.methods.interface import Method, Progress
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.trainer import Trainer

FIRST_STAGE = "first_stage"  # its folder, below that of the run
SR_FIRST = "sr_first"


def fit(split: Split, config: Config, progress: Progress | None = None) -> Model:
    """Train both stages, or resume the one that was stopped.

    Args:
        split: its training part is used.
        config: all settings; both stages take ``steps``.
        progress: folder and reporting of the run.

    Returns:
        the trained model; its training time is that of both stages.
    """
    progress = progress or Progress()
    trainer = Trainer(config, split, progress.folder, progress.ranks)
    progress.ranks = trainer.ranks
    for network in kept(trainer.net, config).values():
        freeze(network)
    if not trainer.resume():
        folder = None if progress.folder is None else progress.folder / FIRST_STAGE
        first = cadnet.fit(split, first_stage(config), Progress(folder, bar=progress.bar, ranks=trainer.ranks))
        for name, network in kept(trainer.net, config).items():
            network.load_state_dict(getattr(first.parts["net"], name).state_dict())
        trainer.seconds = first.cost.wall_seconds or 0.0
    trainer.fit(callback=progress.log, bar=progress.bar)
    return cadnet.model_of(trainer.net, config, trainer.seconds)


def first_stage(config: Config) -> Config:
    """The settings of the first stage: super-resolution by L_rec alone, or re-identification of HR images.

    Args:
        config: of the second.
    """
    if config.run.method == SR_FIRST:
        return super_resolution(config).replace(features="f")
    return cadnet.baseline_hr(config.replace(lambda_cls=1, lambda_con=0))


def super_resolution(config: Config) -> Config:
    """E and G trained by L_rec alone."""
    only_rec = {"lambda_cls": 0, "lambda_adv_DF": 0, "lambda_adv_DI": 0, "lambda_con": 0, "lambda_rec": 1}
    return config.replace(method="super_resolution", auxiliary_heads=False, lr_labels=True, **only_rec)


def kept(net: CADNet, config: Config) -> dict[str, nn.Module]:
    """The networks that the second stage does not train, by their names in the first.

    Args:
        net: of the second stage.
        config: of the second stage.
    """
    found = {"E": net.E, "G": net.G} if config.run.method == SR_FIRST else {"E": net.F, "C": net.C}
    return {name: network for name, network in found.items() if network is not None}


def freeze(network: nn.Module) -> None:
    """Keep a network as it is: no gradients for its parameters, and evaluation mode, whatever mode is set."""
    network.eval().requires_grad_(False)
    network.train = lambda mode=True: network  # type: ignore[method-assign]


def estimate(split: Split, config: Config) -> float:
    """Seconds that ``fit`` takes, from a few trial steps of both stages.

    Args:
        split: any with enough images for the batches.
        config: all settings.
    """
    return cadnet.estimate(split, first_stage(config)) + cadnet.estimate(split, config)


# ---------------------------------------------------------------------------------------------------- settings


def sr_first(config: Config) -> Config:
    """Super-resolution first, as a separate task: F and C never influence the recovered images."""
    return config.replace(method=SR_FIRST, features="g", auxiliary_heads=False, **cadnet.NO_GAN)


def fixed(settings: Callable[[Config], Config]) -> Callable[[Config], Config]:
    """The settings of a method with a fixed re-identification network.

    Args:
        settings: of the method.
    """

    def changed(config: Config) -> Config:
        """The settings of the method; F and C stay as trained on HR images, and images are matched by g alone."""
        c = settings(config)
        return c.replace(method=f"fixed_{c.run.method}", features="g", auxiliary_heads=False)

    return changed


def _method(settings: Callable[[Config], Config]) -> Method:
    return Method(fit, cadnet.load, settings, estimate=estimate)


RECOVERING = (
    super_resolution,
    cadnet.cadnet,
    cadnet.cadnet_plus,
    cadnet.cadnet_mean,
    cadnet.without_adv_DI,
    cadnet.without_adv_DF,
    cadnet.without_rec,
    cadnet.without_cls,
)
METHODS: dict[str, Method] = {
    "sr_first": _method(sr_first),
    **{f"fixed_{each.__name__}": _method(fixed(each)) for each in RECOVERING},
}
