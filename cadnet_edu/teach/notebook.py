"""What the first cell of every chapter calls: seeds, device, figure style, and a report on where and how it runs.

>>> config = setup("smoke", quiet=True)
>>> config.run.preset
'smoke'
"""

import importlib
import importlib.util
import os
import random
import time
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from cadnet_edu import figures
from cadnet_edu.config import Config, cache_dir, make_cache_folder, preset
from cadnet_edu.io import duration
from cadnet_edu.training.devices import autocast, choose_device, choose_precision

Place = Literal["colab", "kaggle", "local"]

WANTS_GPU = ("full",)  # presets that take days without one
DRIVE = Path("/content/drive")  # where Colab mounts it
PATIENCE = 300  # seconds of training from which on a free GPU is worth the clicks

# 10^9 operations of a training step of CAD-Net, counted once with all layers; a multiplication and an addition are
# two. A test compares smoke with PyTorch's counter, and full with the published estimate.
STEP = {"smoke": 2.3, "quick": 14.9, "reduced": 14.9, "full": 10_340.6}
SHARES = (0.3, 1.0)  # of a lone convolution's speed, between which a whole step is expected
OVERHEAD = 0.05  # seconds of a step, however small the network
TRIAL = 0.5  # seconds that the speed of this machine is measured: the best of many tries, as others may use it too

HINTS: dict[Place, str] = {
    "colab": "In the menu choose Runtime > Change runtime type > T4 GPU,\nthen run all cells again.",
    "kaggle": "In the side bar choose Settings > Accelerator > GPU T4,\nthen run all cells again.",
    "local": "Install a PyTorch that sees your GPU, or choose the preset quick:\n"
    "set CADNET_EDU_PRESET=quick before you start.",
}


def where() -> Place:
    """Tell where this notebook runs.

    Returns:
        ``"colab"``, ``"kaggle"``, or ``"local"`` for everything else.
    """
    if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
        return "colab"
    return "kaggle" if "KAGGLE_KERNEL_RUN_TYPE" in os.environ else "local"


def seed_everything(seed: int) -> None:
    """Start the random numbers of Python, NumPy and PyTorch from `seed`, so that a second run draws the same ones."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def setup(name: str | None = None, *, seed: int | None = None, quiet: bool = False) -> Config:
    """Make a notebook ready to run and say how it will run.

    It seeds the random numbers, picks the device, sets the style of the figures, and prints one line with the preset
    that all numbers below come from, and one on how long a training takes here. When the preset wants a GPU and none
    is seen, it warns before any training starts.

    Args:
        name: the preset; without it the environment variable ``CADNET_EDU_PRESET`` decides, else ``quick``.
        seed: of the random numbers; without it the preset's own.
        quiet: print nothing.

    Returns:
        The settings of the running preset, with the seed that was used.

    Raises:
        ValueError: for a preset that does not exist.
    """
    config = preset(name)
    if seed is not None:
        config = config.replace(seed=seed)
    seed_everything(config.run.seed)
    figures.use_style()
    if not quiet:
        print(report(config, where(), choose_device(config.run.device)))
    return config


def report(config: Config, place: Place, on: torch.device) -> str:
    """Return the lines that `setup` prints.

    Args:
        config: the settings of the preset.
        place: where the notebook runs.
        on: the device.
    """
    data, run = config.data, config.run
    about = f"{data.dataset}, {data.height} x {data.width} pixels, seed {run.seed}, on {on.type}"
    lines = [f"preset {run.preset}: {about}"]
    low, high = expected_seconds(config, on)
    lines.append(f"To train a CAD-Net of this preset takes about {duration(low, high)} here.")
    if config.run.preset in WANTS_GPU and on.type == "cpu":
        rule = "!" * 72
        need = f"The preset {config.run.preset} wants a GPU, and none is seen."
        lines += [rule, need, HINTS[place], rule]
    elif place != "local" and on.type == "cpu" and high > PATIENCE:
        lines += ["A GPU is faster. " + HINTS[place]]
    if place == "colab":
        lines += ["To keep trained networks beyond this session, run", "cadnet_edu.teach.notebook.keep_on_drive()"]
    return "\n".join(lines)


def expected_seconds(config: Config, on: torch.device) -> tuple[float, float]:
    """Between how many seconds the training of CAD-Net is expected to take on this machine.

    The operations of a step are known; how fast this machine does them is tried with one convolution, which takes
    half a second.

    Args:
        config: the settings of a preset.
        on: what to compute on.
    """
    step = STEP[config.run.preset] / measured_speed(on, choose_precision(config.run.precision, on, instead=True))
    low, high = (config.optim.steps * (step / share + OVERHEAD) for share in reversed(SHARES))
    return low, high


@cache
def measured_speed(on: torch.device, precision: str) -> float:
    """Return 10^9 operations a second of a convolution, forward and backward, measured once a process."""
    n = 32 if on.type == "cpu" else 512  # enough to do for a GPU
    with torch.random.fork_rng(devices=[]):  # a trial must not change what is drawn after it
        convolution = torch.nn.Conv2d(64, 64, 3, padding=1).to(on)
        x = torch.rand(n, 64, 24, 12).to(on).requires_grad_()
    best, tries, begun = float("inf"), 0, time.perf_counter()
    while tries < 4 or time.perf_counter() - begun < TRIAL:
        tries, start = tries + 1, time.perf_counter()
        with autocast(on, precision):
            y = convolution(x)
        y.float().sum().backward()
        assert x.grad is not None
        x.grad.sum().item()  # waits until a GPU has done it
        best = min(best, time.perf_counter() - start)
    return 3 * 2 * n * 64 * 64 * 9 * 24 * 12 / best / 1e9


def keep_on_drive(folder: str = "cadnet_edu") -> Path:
    """Keep trained networks on your Google Drive, so that they outlive a Colab session; no other function calls this.

    Drive is mounted, which needs your permission, and ``CADNET_EDU_CACHE`` points there from now on: call it before
    the first training. When a session ends in the middle of one, call it in the next session and run that cell
    again: it goes on from the last checkpoint.

    Args:
        folder: where in your Drive.

    Returns:
        the folder.

    Raises:
        RuntimeError: elsewhere than on Colab.
    """
    if where() != "colab":
        raise RuntimeError(f"this is not Colab. Trained networks are kept on this machine anyway, in {cache_dir()}.")
    importlib.import_module("google.colab.drive").mount(str(DRIVE))
    place = make_cache_folder(DRIVE / "MyDrive" / folder)
    os.environ["CADNET_EDU_CACHE"] = str(place)
    kept = len(list(place.glob("runs/*/checkpoint.pt")))
    print(f"Trained networks are now kept in your Drive, in {folder}/runs; {kept} lie there already.")
    return place


def glue(name: str, value: Any) -> None:
    """Keep a value under a name, for the prose of the book to print.

    In the book ``{glue:text}`` prints it where the prose names it. Where the book's tools are not installed, on Colab
    for instance, nothing happens.

    Args:
        name: the name that the prose uses; one name, one value on a page.
        value: a text, or a number that the prose formats.
    """
    try:
        from myst_nb import glue as keep
    except ImportError:
        return
    keep(name, value, display=False)
