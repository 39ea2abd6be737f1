"""How fast Walkers are drawn on one core. The printed figure is what counts; the floor only catches disasters."""

from __future__ import annotations

import time

import pytest

from cadnet_edu.data.walkers import draw

FLOOR = 60  # images a second at 128 x 64, on a machine that may be busy with other work


@pytest.mark.parametrize(("height", "width"), [(96, 48), (128, 64), (256, 128)])
def test_images_a_second(benchmark, height, width):
    shots = [(identity, camera, shot) for identity in range(4) for camera in range(4) for shot in range(3)]

    def run() -> None:
        for shot in shots:
            draw(*shot, height=height, width=width)

    run()  # streets and wardrobes are painted once
    benchmark.pedantic(run, rounds=5)
    start = time.process_time()
    run()
    rate = len(shots) / (time.process_time() - start)
    benchmark.extra_info["images_per_second_of_one_core"] = round(rate)
    print(f"\nWalkers {height}x{width}: {rate:.0f} images/s on one core")
    assert rate * (height * width) / (128 * 64) > FLOOR or rate > FLOOR
