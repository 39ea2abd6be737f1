"""How fast Walkers are drawn on one core. The printed figure is what counts; the floor only catches disasters."""

import time

import pytest

from cadnet_edu.data.walkers import draw

FLOOR = 60  # images a second at 128 x 64, on a machine that may be busy with other work
SHOTS = [(identity, camera, shot) for identity in range(4) for camera in range(4) for shot in range(3)]


@pytest.mark.parametrize(("height", "width"), [(96, 48), (128, 64), (256, 128)])
def test_images_a_second(height, width):
    for _ in range(2):  # streets and wardrobes are painted once
        start = time.process_time()
        for shot in SHOTS:
            draw(*shot, height=height, width=width)
    rate = len(SHOTS) / (time.process_time() - start)
    print(f"\nWalkers {height}x{width}: {rate:.0f} images/s on one core")
    assert rate * max(1, height * width / (128 * 64)) > FLOOR
