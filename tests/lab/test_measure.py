"""From a finished run to its record."""

from pathlib import Path

import numpy as np
import pytest
import torch
from people import noise_split

from cadnet_edu.config import preset
from cadnet_edu.data import image_cache as cache
from cadnet_edu.data.readers import market1501
from cadnet_edu.data.walkers import write_market1501
from cadnet_edu.lab.analyses import frequency
from cadnet_edu.lab.image_strips import recovered_people
from cadnet_edu.lab.scoring import evaluator_of, mixed_split, score
from cadnet_edu.methods.cadnet import model_of
from cadnet_edu.training.trainer import build_network


def test_images_on_disk_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH", 1 << 40)
    config = preset("smoke", height=32, width=16, backbone_width=8, decoder_width=2, discriminator_width=8,
                     device="cpu", precision="fp32")  # fmt: skip
    split = market1501(write_market1501(noise_split(), tmp_path / "market"))
    model = model_of(build_network(config, 6))

    def everything() -> tuple:
        evaluator = evaluator_of(model, split, config)
        query = evaluator.images("query")
        return query, score(evaluator), frequency(evaluator), recovered_people(query, evaluator)

    in_memory, *wanted = everything()
    monkeypatch.setattr(cache, "WORTH", 0)
    on_disk, *found = everything()
    assert isinstance(in_memory, torch.Tensor)
    assert isinstance(on_disk, cache.Images)
    assert wanted[:2] == found[:2]
    for r in wanted[2]:
        np.testing.assert_array_equal(wanted[2][r], found[2][r])
    monkeypatch.setattr(cache, "_write", None)  # decoding again would fail
    assert len(evaluator_of(model, mixed_split(split), config).embeddings("gallery", "own").u) > 0
