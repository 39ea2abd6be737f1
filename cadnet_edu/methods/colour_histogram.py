"""Matching by colour histograms: a method without training, as a lower bound for the trained ones."""

from typing import Any

import torch
from torch import Tensor

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.model import Model
from cadnet_edu.methods.interface import Method, Progress
from cadnet_edu.training.checkpoints import save_fitted


def colour_histogram(x: Tensor, bands: int = 6, bins: int = 5) -> Tensor:
    """A colour histogram of the middle of each image, for each of several horizontal bands.

    The middle half of the width shows the person. Each colour channel is quantised to ``bins`` levels, which makes
    ``bins ** 3`` colours. The square root gives rare colours more weight; the Euclidean distance of two such vectors is
    Hellinger's distance of the histograms, up to a factor.

    Args:
        x: images ``(b, 3, H, W)``, float in [0, 1], with ``H >= bands`` and ``W >= 4``.
        bands: number of horizontal bands, of equal height.
        bins: levels of a channel.

    Returns:
        ``(b, bands * bins ** 3)``, each row of length 1.

    Raises:
        ValueError: for images smaller than that.

    Example:
        One black band above one white band: half of the pixels have the first colour, half have the last.

        >>> x = torch.cat([torch.zeros(1, 3, 1, 4), torch.ones(1, 3, 1, 4)], dim=2)
        >>> colour_histogram(x, bands=2, bins=2).square().round(decimals=3).nonzero()[:, 1]
        tensor([ 0, 15])
    """
    b, _, height, width = x.shape
    if height < bands or width < 4:
        raise ValueError(f"{bands} bands need images of at least {bands} x 4 pixels; given {height} x {width}.")
    x = x[..., width // 4 : width - width // 4]  # the middle, where the person stands
    step = (x * bins).long().clamp(0, bins - 1)  # (b, 3, H, W / 2)
    colour = (step[:, 0] * bins + step[:, 1]) * bins + step[:, 2]  # (b, H, W / 2), one number a colour
    band = torch.arange(height, device=x.device) * bands // height  # (H,)
    image = torch.arange(b, device=x.device)
    place = ((image[:, None, None] * bands) + band[:, None]) * bins**3 + colour
    counts = torch.bincount(place.flatten(), minlength=b * bands * bins**3).view(b, -1)
    return (counts / counts.sum(1, keepdim=True)).sqrt()


def settings(config: Config) -> Config:
    """The preset's settings; those of networks and training have no effect."""
    return config.replace(method="colour_histogram")


def fit(split: Split, config: Config, progress: Progress | None = None) -> Model:
    """Write the checkpoint; the histogram has no parameters to fit.

    Args:
        split: the data; its training part is not used.
        config: all settings.
        progress: the folder of the checkpoint.
    """
    if progress is not None and progress.folder is not None:
        save_fitted(progress.folder, config, split)
    return load({}, config)


def load(checkpoint: dict[str, Any], config: Config, device: torch.device | str = "cpu") -> Model:
    """The model; its checkpoint contains settings only.

    Args:
        checkpoint: of ``fit``.
        config: all settings.
        device: has no effect, since there are no parameters.
    """
    return Model(lambda x, r: colour_histogram(x))  # Euclidean on the roots of shares is Hellinger's distance


METHOD = Method(fit, load, settings, sees="HR")
