"""Matching by the colours of the clothes: a method without training, to see what the trained ones must beat."""

from __future__ import annotations

import torch
from torch import Tensor


def colour_histogram(x: Tensor, bands: int = 6, bins: int = 5) -> Tensor:
    """Count the colours of the middle of each image, band by band from head to feet.

    The middle half of the width is where the person stands. Each colour channel is cut into ``bins`` steps, which
    makes ``bins ** 3`` colours. The root of the shares makes rare colours count for more; the distance of two such
    vectors is Hellinger's, up to a factor.

    Args:
        x: images ``(b, 3, H, W)``, float in [0, 1], with ``H >= bands`` and ``W >= 4``.
        bands: stripes of equal height.
        bins: steps a channel.

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
