"""Image quality of recovered images: PSNR, SSIM and LPIPS (Table 2 of the paper)."""

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from cadnet_edu.evaluation.lpips_weights import alexnet_weights

C1, C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 of the SSIM paper with L = 1, the range of the data


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio: the mean squared error on a logarithmic scale.

    ``PSNR = 10 log10(1 / MSE)``, with the mean over pixels and colours of one image, and 1 the largest value.

    Args:
        x, y: images ``(b, 3, h, w)``, float, values in [0, 1], RGB.

    Returns:
        ``(b,)``, in decibels; more is better. Identical images give infinity.

    Raises:
        ValueError: for shapes that differ, integer images, or values outside [0, 1].

    Choice:
        On RGB, not on luminance. The score of a test set is the mean over images in decibels (not the PSNR of the mean
        error); identical pairs, for which it is infinite, have to be left out.

    Example:
        An error of 0.1 everywhere is an MSE of 0.01, a hundredth.

        >>> psnr(torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.6)).round(decimals=2)
        tensor([20.])
    """
    x, y = _pair(x, y)
    return -10 * (x - y).square().mean((1, 2, 3)).log10()


def ssim(x: Tensor, y: Tensor, window: Literal["gaussian", "uniform"] = "gaussian") -> Tensor:
    """Structural similarity of means, contrasts and patterns in local windows.

    ``SSIM = (2 m_x m_y + C1)(2 s_xy + C2) / ((m_x^2 + m_y^2 + C1)(s_x^2 + s_y^2 + C2))`` with the windows' means m,
    variances s^2 and covariance s_xy, C1 = 0.01^2 and C2 = 0.03^2 (Wang et al., 2004). The mean over all windows
    inside the image, and over the three colours. Differentiable.

    Computed from the sum and the difference of the images: ``4 m_x m_y = m_+^2 - m_-^2`` and
    ``4 s_xy = s_+^2 - s_-^2``, so that rounding cannot bring a window beyond 1 or -1.

    Args:
        x, y: images ``(b, 3, h, w)``, float, values in [0, 1], RGB.
        window: ``"gaussian"``, 11 x 11 with sigma 1.5 and variances divided by N, as in the SSIM paper;
            ``"uniform"``, 7 x 7 with variances divided by N - 1, scikit-image's default.

    Returns:
        ``(b,)``, from -1 to 1; 1 only for identical images.

    Raises:
        ValueError: as :func:`psnr`; also for an unknown window, or images smaller than it.

    Choice:
        The Gaussian window, on RGB.

    Example:
        Constant images have no pattern, and only the means count: (2 * 0.5 + C1) / (0.25 + 1 + C1).

        >>> round(float(ssim(torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 3, 16, 16))), 4)
        0.8
    """
    x, y = _pair(x, y)
    weights, bessel = _window(window, x)
    if min(x.shape[-2:]) < len(weights):
        raise ValueError(
            f"The images are {x.shape[-2]} x {x.shape[-1]} pixels, smaller than the {window} window of "
            f"{len(weights)} x {len(weights)}. Give larger images"
            + ("." if window == "uniform" else ", or window='uniform', which is 7 x 7.")
        )
    both = torch.stack([x + y, x - y])
    means, squares = _blur(both, weights).square(), _blur(both.square(), weights)
    variances = (bessel * (squares - means)).clamp(min=0)  # rounding can make it negative
    light, pattern = (
        (plus - minus + 2 * c) / (plus + minus + 2 * c) for (plus, minus), c in ((means, C1), (variances, C2))
    )
    return (light * pattern).mean((1, 2, 3))


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity: a distance of AlexNet features (Zhang et al., 2018; [47]).

    Both images go through an AlexNet trained on ImageNet. At five depths the features are scaled to unit length,
    subtracted, squared, weighted by the published linear layers, which were fitted to human ratings, and averaged
    over the image; the five are added. The layers are those of the ``lpips`` package, version 0.1 of the weights.

    Args:
        weights: a file with AlexNet's weights, for a machine without network; see
            :func:`cadnet_edu.evaluation.lpips_weights.alexnet_weights`, also for the default.

    Raises:
        OSError: when the weights are not cached and cannot be downloaded. They are never left random.
        ValueError: when ``weights`` is no such file.
    """

    smallest = 31  # pixels that AlexNet's two poolings need

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        import lpips as package

        found = alexnet_weights(weights)
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):  # torchvision's notes on old arguments
            warnings.simplefilter("ignore")
            self.metric = package.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
        places = {name.split(".", 1)[1]: name for name in self.metric.net.state_dict()}  # "0.weight": "slice1.0.weight"
        renamed = {places[name.removeprefix("features.")]: tensor for name, tensor in found.items()}
        self.metric.net.load_state_dict(renamed, strict=True)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: LPIPS is a fixed measure, without dropout."""
        return super().train(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distance of each pair.

        Args:
            x, y: images ``(b, 3, h, w)``, float, values in [0, 1], RGB, both sides at least 31 pixels.

        Returns:
            ``(b,)``, 0 for identical images, less is better. Gradients flow to the images.

        Raises:
            ValueError: as :func:`psnr`; also for smaller images.
        """
        x, y = _pair(x, y)
        if min(x.shape[-2:]) < self.smallest:
            raise ValueError(
                f"The images are {x.shape[-2]} x {x.shape[-1]} pixels; LPIPS needs {self.smallest} on each side, or "
                "AlexNet has no pixel left. Enlarge both images alike first."
            )
        kind = self.metric.lin0.model[-1].weight.dtype
        return self.metric(x.to(kind), y.to(kind), normalize=True).flatten()  # [0, 1] -> [-1, 1]


def lpips(x: Tensor, y: Tensor) -> Tensor:
    """The LPIPS distance of each pair: :class:`LPIPS`, built once for each device.

    Args:
        x, y: images ``(b, 3, h, w)``, float, values in [0, 1], RGB, both sides at least 31 pixels.

    Returns:
        ``(b,)``, 0 for identical images, less is better.

    Raises:
        OSError, ValueError: as :class:`LPIPS`.
    """
    return _shared_lpips(str(x.device))(x, y)


@lru_cache
def _shared_lpips(device: str) -> LPIPS:
    return LPIPS().to(device)


def _window(name: str, like: Tensor) -> tuple[Tensor, float]:
    """The weights along one axis, summing to 1, and the factor that makes variances unbiased."""
    if name == "gaussian":
        weights = torch.exp(-0.5 * (torch.arange(-5, 6, dtype=like.dtype, device=like.device) / 1.5) ** 2)
        return weights / weights.sum(), 1.0
    if name == "uniform":
        return torch.full((7,), 1 / 7, dtype=like.dtype, device=like.device), 49 / 48
    raise ValueError(f"There is no window {name!r}. Give 'gaussian' or 'uniform'.")


def _blur(x: Tensor, weights: Tensor) -> Tensor:
    """Weighted means over all windows inside the image, down then across; ``(..., h, w)`` to ``(..., h', w')``."""
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = nnf.conv2d(nnf.conv2d(planes, weights[None, None, :, None]), weights[None, None, None, :])
    return planes.reshape(*x.shape[:-2], *planes.shape[-2:])


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Two batches of images that can be compared, float32 or better."""
    if x.shape != y.shape or x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(
            f"Two batches of images of one shape (b, 3, h, w) are needed; given {tuple(x.shape)} and {tuple(y.shape)}."
        )
    for images in (x, y):
        if not images.is_floating_point():
            raise ValueError(f"Images must be float in [0, 1]; given {images.dtype}. Divide bytes by 255 first.")
        low, high = images.aminmax() if images.numel() else (images.new_zeros(()), images.new_zeros(()))
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ValueError(
                f"Images must have values in [0, 1]; given {low:.3g} to {high:.3g}. Rescale [-1, 1] by (x + 1) / 2, "
                "or clamp what a network produced."
            )
    kind = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(kind), y.to(kind)
