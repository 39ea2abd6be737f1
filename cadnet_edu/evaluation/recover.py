"""Recover HR images from image files of any format and size."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cadnet_edu.data.samples import read_image
from cadnet_edu.evaluation.model import Model, eval_mode
from cadnet_edu.io import write_atomically


@torch.inference_mode()
def recover_image(
    model: Model, picture: Image.Image, size: tuple[int, int], device: torch.device | str = "cpu"
) -> tuple[Image.Image, Image.Image]:
    """Recover one image.

    Args:
        model: with ``recover``, which gets the rate ``max(1, H / height of the picture)``.
        picture: any RGB image; it is resized to ``size`` first, as every image in Sec. 4.1 is.
        size: ``(H, W)`` that the network was trained at.
        device: of the network.

    Returns:
        the input as resized, and the recovered image, both ``H`` x ``W``.

    Raises:
        ValueError: when the model has no ``recover``, or its output is not finite.
    """
    if model.recover is None:
        raise ValueError("this model recovers no images. Take one that does, such as a cadnet run.")
    height, width = size
    seen = picture.resize((width, height), Image.Resampling.BILINEAR)
    x = torch.from_numpy(np.array(seen)).permute(2, 0, 1)[None].to(device).float() / 255  # (1, 3, H, W)
    r = torch.full((1,), max(1.0, height / picture.height), device=device)
    with eval_mode(model):
        output = model.recover(x, r)[0].float()
    if not output.isfinite().all():
        raise ValueError(
            "the network's output is not finite, so there is no image to show. Its weights are damaged, or its "
            "training diverged: take another run or an earlier checkpoint."
        )
    x_hat = output.clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return seen, Image.fromarray((x_hat * 255).round().astype(np.uint8))


def recover_file(
    model: Model, path: Path, out: Path, size: tuple[int, int], device: torch.device | str = "cpu"
) -> Path:
    """Recover one image file: ``NAME.recovered.png`` alone and ``NAME.side_by_side.png`` beside its input.

    Returns:
        the path of the side-by-side picture.
    """
    picture = read_image(path)
    try:
        seen, recovered = recover_image(model, picture, size, device)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    gap = max(2, size[1] // 16)
    pair = Image.new("RGB", (2 * size[1] + gap, size[0]), "white")
    pair.paste(seen, (0, 0))
    pair.paste(recovered, (size[1] + gap, 0))
    for kind, picture in (("recovered", recovered), ("side_by_side", pair)):
        target = out / f"{path.stem}.{kind}.png"
        write_atomically(target, lambda file, picture=picture: picture.save(file, "PNG"))  # type: ignore[misc]
    return target
