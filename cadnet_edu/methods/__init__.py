"""The methods of the tables: each a ``Method`` with settings, ``fit`` and ``load``."""

from cadnet_edu.config import Config
from cadnet_edu.methods import cadnet, colour_histogram, two_stage
from cadnet_edu.methods.interface import Method, Progress

METHODS: dict[str, Method] = {**cadnet.METHODS, **two_stage.METHODS, "colour_histogram": colour_histogram.METHOD}

__all__ = ["METHODS", "Method", "Progress", "method", "method_of"]


def method(name: str, config: Config) -> Config:
    """The settings of a method, by the name used on the command line.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in METHODS:
        raise ValueError(f"there is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    return METHODS[name].settings(config)


def method_of(config: Config) -> Method:
    """The method of these settings; CAD-Net's ``fit`` for a name that is not in ``METHODS``."""
    return METHODS.get(config.run.method, METHODS["cadnet"])
