"""What the first cell of every chapter calls: seeds, device, figure style, and a word on where and how it runs.

>>> config = setup("smoke", quiet=True)
>>> config.profile
'smoke'
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import random
from typing import Any, Literal

import numpy as np
import torch

from cadnet_edu import figures
from cadnet_edu.config import Config, profile

Place = Literal["colab", "kaggle", "local"]

WANTS_GPU = ("full",)  # profiles that take days without one

HINTS: dict[Place, str] = {
    "colab": "In the menu choose Runtime > Change runtime type > T4 GPU,\nthen run all cells again.",
    "kaggle": "In the side bar choose Settings > Accelerator > GPU T4,\nthen run all cells again.",
    "local": "Install a PyTorch that sees your GPU, or choose the profile quick:\n"
    "set CADNET_EDU_PROFILE=quick before you start.",
}


def where() -> Place:
    """Tell where this notebook runs.

    Returns:
        ``"colab"``, ``"kaggle"``, or ``"local"`` for everything else.
    """
    if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
        return "colab"
    return "kaggle" if "KAGGLE_KERNEL_RUN_TYPE" in os.environ else "local"


def device(wanted: str = "auto") -> torch.device:
    """Choose what to compute on.

    Args:
        wanted: ``"auto"`` takes a CUDA GPU if there is one, then an Apple GPU, then the CPU; any other value is
            passed on to ``torch.device``.

    >>> device("cpu")
    device(type='cpu')
    """
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_everything(seed: int) -> None:
    """Start the random numbers of Python, NumPy and PyTorch from `seed`, so that a second run draws the same ones."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def setup(name: str | None = None, *, seed: int | None = None, quiet: bool = False) -> Config:
    """Make a notebook ready to run and say how it will run.

    It seeds the random numbers, picks the device, sets the style of the figures, and prints one line with the profile
    that all numbers below come from. When the profile wants a GPU and none is seen, it says so loudly, before any
    training starts.

    Args:
        name: the profile; without it the environment variable ``CADNET_EDU_PROFILE`` decides, else ``quick``.
        seed: of the random numbers; without it the profile's own.
        quiet: print nothing.

    Returns:
        The settings of the running profile, with the seed that was used.

    Raises:
        ValueError: for a profile that does not exist.
    """
    config = profile(name)
    if seed is not None:
        config = dataclasses.replace(config, seed=seed)
    seed_everything(config.seed)
    figures.use_style()
    if not quiet:
        print(_report(config, where(), device(config.device)))
    return config


def _report(config: Config, place: Place, on: torch.device) -> str:
    """Return the lines that `setup` prints."""
    line = (
        f"profile {config.profile}: {config.dataset}, {config.height} x {config.width} pixels, "
        f"seed {config.seed}, on {on.type}"
    )
    if config.profile not in WANTS_GPU or on.type != "cpu":
        return line
    rule = "!" * 72
    need = f"The profile {config.profile} wants a GPU, and none is seen.\nOn a CPU it takes weeks."
    return "\n".join([line, rule, need, HINTS[place], rule])


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
