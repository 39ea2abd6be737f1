"""Asking a network about images that lie in the cache of decoded ones, as those of a large data set do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from people import noise_split

from cadnet_edu.config import profile
from cadnet_edu.data import image_cache as cache
from cadnet_edu.data.readers import market1501
from cadnet_edu.data.walkers import write_market1501
from cadnet_edu.lab.analyses import frequency
from cadnet_edu.lab.image_strips import recovered_people
from cadnet_edu.lab.scoring import Asked, mixed_split, retrieval_scores
from cadnet_edu.training.trainer import build_network


def test_images_on_disk_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH", 1 << 40)
    config = profile("smoke", height=32, width=16, backbone_width=8, decoder_width=2, discriminator_width=8,
                     device="cpu", precision="fp32")  # fmt: skip
    split = market1501(write_market1501(noise_split(), tmp_path / "market"))
    net = build_network(config, 6)

    def all_of_it() -> tuple[Asked, dict, dict, dict]:
        asked = Asked(net, split, config)
        gallery, query = asked.vectors(split.gallery, images=asked.gallery), asked.vectors(split.query, 4, asked.query)
        scores = retrieval_scores(asked, {"4": query}, gallery)
        return asked, scores, frequency(asked), recovered_people(asked.query, asked)

    plain, *wanted = all_of_it()
    monkeypatch.setattr(cache, "WORTH", 0)
    kept, *found = all_of_it()
    assert isinstance(plain.query, torch.Tensor)
    assert isinstance(kept.query, cache.Images)
    assert wanted[:2] == found[:2]
    for r in wanted[2]:
        np.testing.assert_array_equal(wanted[2][r], found[2][r])
    monkeypatch.setattr(cache, "_write", None)  # whoever decodes again cannot
    assert len(Asked(net, split, config).vectors(mixed_split(split).gallery).u) > 0
