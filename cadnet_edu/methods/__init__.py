"""The methods that the tables compare: each turns the settings of a profile into its own.

All see the same number of images a step, so a row's budget is the same by construction.
"""

from __future__ import annotations

from collections.abc import Callable

from cadnet_edu.config import Config
from cadnet_edu.methods.baseline import baseline_hr, baseline_mlr
from cadnet_edu.methods.cadnet import cadnet

METHODS: dict[str, Callable[[Config], Config]] = {
    "cadnet": cadnet,
    "baseline_hr": baseline_hr,
    "baseline_mlr": baseline_mlr,
}


def method(name: str, config: Config) -> Config:
    """The settings of a method, by the name used on the command line.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in METHODS:
        raise ValueError(f"there is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    return METHODS[name](config)
