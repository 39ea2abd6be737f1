"""The colour histogram counts what it says, wherever the pixels lie within a band."""

import pytest
import torch
from torch import Tensor

from cadnet_edu.methods.colour_histogram import colour_histogram


def by_hand(image: Tensor, bands: int, bins: int) -> Tensor:
    """The same, a pixel at a time."""
    _, height, width = image.shape
    counts = torch.zeros(bands, bins, bins, bins)
    for i in range(height):
        for j in range(width // 4, width - width // 4):
            r, g, b = (min(int(float(value) * bins), bins - 1) for value in image[:, i, j])
            counts[i * bands // height, r, g, b] += 1
    return (counts.flatten() / counts.sum()).sqrt()


@pytest.mark.parametrize(("height", "width", "bands", "bins"), [(12, 8, 6, 5), (13, 7, 4, 3), (6, 4, 6, 2)])
def test_equals_counting_pixel_by_pixel(height: int, width: int, bands: int, bins: int) -> None:
    x = torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(0))
    x[0] = x[0].round()  # 0 and 1 themselves belong to the first and the last step
    want = torch.stack([by_hand(image, bands, bins) for image in x])
    torch.testing.assert_close(colour_histogram(x, bands, bins), want)


@pytest.mark.parametrize("shape", [(1, 3, 5, 8), (1, 3, 12, 3)])
def test_images_too_small_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 6 x 4 pixels"):
        colour_histogram(torch.rand(shape))
