"""The methods that the tables compare: each turns the settings of a profile into its own.

All see the same number of images a step (``baseline_long`` takes more steps, as it says).
"""

from __future__ import annotations

from collections.abc import Callable

from cadnet_edu.config import Config
from cadnet_edu.methods.ablations import f_only, g_only, without_adv_DF, without_adv_DI, without_cls, without_rec
from cadnet_edu.methods.baseline import baseline_hr, baseline_mlr
from cadnet_edu.methods.cadnet import cadnet
from cadnet_edu.methods.controls import baseline_long, two_encoders

METHODS: dict[str, Callable[[Config], Config]] = {
    "cadnet": cadnet,
    "baseline_hr": baseline_hr,
    "baseline_mlr": baseline_mlr,
    "baseline_long": baseline_long,
    "two_encoders": two_encoders,
    "f_only": f_only,
    "g_only": g_only,
    "without_adv_DI": without_adv_DI,
    "without_adv_DF": without_adv_DF,
    "without_rec": without_rec,
    "without_cls": without_cls,
}


def method(name: str, config: Config) -> Config:
    """The settings of a method, by the name used on the command line.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in METHODS:
        raise ValueError(f"there is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    return METHODS[name](config)
