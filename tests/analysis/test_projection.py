"""t-SNE and silhouettes."""

import numpy as np
import pytest
import torch

from cadnet_edu.analysis import tsne

RNG = np.random.default_rng(0)


def test_tsne_is_reproducible_and_fits_few_points() -> None:
    w = RNG.normal(size=(20, 6))
    assert tsne(w, seed=3) == pytest.approx(tsne(w, seed=3))
    assert tsne(torch.from_numpy(w[:5])).shape == (5, 2)
    with pytest.raises(ValueError, match="5 or more"):
        tsne(w[:4])
    with pytest.raises(ValueError, match="diverged"):
        tsne(np.full((9, 2), np.nan))
