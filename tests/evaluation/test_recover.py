"""Recovering files: what is refused, and where pictures go."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cadnet_edu.evaluation.model import Model
from cadnet_edu.evaluation.recover import recover_file, recover_image

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8))


def recovering(recover: Callable[[torch.Tensor], torch.Tensor]) -> Model:
    return Model(lambda x, r: x.flatten(1), recover=lambda x, r: recover(x))


def test_the_rate_is_that_of_the_height_and_a_model_without_recovery_is_refused() -> None:
    rates: list[float] = []
    model = Model(lambda x, r: x.flatten(1), recover=lambda x, r: rates.append(float(r)) or x)
    for height in (4, 12, 30):
        recover_image(model, PICTURE.resize((8, height)), (12, 8))
    assert rates == [3, 1, 1]
    with pytest.raises(ValueError, match="recovers no images"):
        recover_image(Model(lambda x, r: x.flatten(1)), PICTURE, (12, 8))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_output_that_is_not_finite_is_no_black_picture(tmp_path: Path, value: float) -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[0, 1, 3, 2] = value
        return x

    PICTURE.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="output is not finite"):
        recover_image(recovering(broken), PICTURE, (12, 8))
    with pytest.raises(ValueError, match=r"a\.png: .*output is not finite"):
        recover_file(recovering(broken), tmp_path / "a.png", tmp_path / "out", (12, 8))
    assert not (tmp_path / "out").exists()


def test_values_beyond_white_are_white(tmp_path: Path) -> None:
    _, recovered = recover_image(recovering(lambda x: x * 0 + 1.7), PICTURE, (12, 8))
    assert np.asarray(recovered).min() == 255


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"J\xf6rg.png")
    PICTURE.save(path)
    pair = recover_file(recovering(lambda x: x), path, tmp_path / "out", (12, 8))
    assert os.fsencode(pair.name) == b"J\xf6rg.side_by_side.png"
    assert np.array_equal(np.asarray(Image.open(pair))[:, :8], np.asarray(PICTURE))
