"""Power spectra and errors by spatial frequency, against patterns of known frequency."""

from itertools import pairwise

import numpy as np
import pytest

from cadnet_edu.analysis import error_by_frequency, octaves, radial_power_spectrum, restore_band

RNG = np.random.default_rng(0)


def ripple(cycles: int, height: int = 64, width: int = 32) -> np.ndarray:
    """A pattern of so many cycles per image height, the same in all columns and colours."""
    wave = 0.1 * np.sin(2 * np.pi * cycles * np.arange(height) / height)
    return np.broadcast_to(wave[None, None, :, None], (2, 3, height, width))


def test_error_is_found_at_its_own_frequency() -> None:
    truth = np.full((2, 3, 64, 32), 0.5)
    seen = truth + ripple(3) + ripple(24)  # errors in the bands [2, 4) and [16, 32)
    found = error_by_frequency(truth + 0.5 * ripple(3) + 2 * ripple(24), seen, truth)
    ratio = dict(zip(map(tuple, found["bands"]), found["ratio"]))
    assert ratio[2, 4] == pytest.approx(0.25, rel=0.05)  # half the amplitude, a quarter of the power
    assert ratio[16, 32] == pytest.approx(4, rel=0.05)


def test_a_band_is_restored_and_nothing_else() -> None:
    truth = np.full((2, 3, 64, 32), 0.5)
    seen = truth + ripple(3) + ripple(24)
    assert np.allclose(restore_band(seen, truth, 2), seen)
    assert np.allclose(restore_band(seen, truth, 3), truth + ripple(24))
    assert np.allclose(restore_band(seen, truth, 24), truth)


def test_nothing_done_is_1_and_all_done_is_0() -> None:
    truth, seen = RNG.uniform(size=(2, 2, 3, 32, 16))
    assert error_by_frequency(seen, seen, truth)["ratio"] == pytest.approx([1] * len(octaves(32)))
    assert error_by_frequency(truth, seen, truth)["ratio"] == pytest.approx([0] * len(octaves(32)))
    assert error_by_frequency(seen, truth, truth)["ratio"] == [None] * len(octaves(32))


@pytest.mark.parametrize("height", [32, 64, 96, 128, 256])
def test_bands_cover_all_frequencies_once(height: int) -> None:
    bands = octaves(height)
    assert bands[0][0] == 1
    assert bands[-1][1] == height // 2
    assert all(a[1] == b[0] for a, b in pairwise(bands))
    with pytest.raises(ValueError, match="three batches of one shape"):
        error_by_frequency(np.zeros((1, 3, height, 16)), np.zeros((1, 3, height, 16)), np.zeros((2, 3, height, 16)))


def test_radial_power_spectrum_finds_a_stripe_at_its_frequency() -> None:
    rows = np.sin(2 * np.pi * 6 * np.arange(64) / 64)  # six cycles in the height
    stripes = np.broadcast_to(0.5 + 0.4 * rows[None, None, :, None], (1, 3, 64, 32))
    f, power = radial_power_spectrum(stripes)
    assert f[power.argmax()] == 6
    assert f[-1] == 32
