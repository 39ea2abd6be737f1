"""The interface of a fitted method: images to vectors and, for some methods, to recovered images."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Cost:
    """The cost of a model."""

    steps: int = 0  # training steps; 0 for a closed form
    images: int = 0  # of all steps together, or rows that a closed form was fitted to
    wall_seconds: float | None = None  # elapsed, and of all cores; None if not recorded
    cpu_seconds: float | None = None
    parameters: int = 0  # of the networks used in testing
    training_parameters: int = 0  # of networks used in training only, such as discriminators


@dataclass(frozen=True)
class Model:
    """A fitted method, as evaluation, tables, figures and claims use it.

    Args:
        embed: images ``(b, 3, H, W)`` in [0, 1] and their down-sampling rates ``(b,)`` -> vectors u ``(b, n)``.
        recover: the same images and rates -> recovered images ``(b, 3, H, W)`` in [0, 1]; None without recovery.
        distances: vectors of queries ``(q, n)`` and of the gallery ``(g, n)`` -> ``(q, g)``; None is Euclidean.
        views: parts of u that can be scored on their own, by name, such as CAD-Net's f and g.
        parts: its networks and arrays, by name.
        cost: of fitting it.

    Example:
        >>> mean_colour = Model(embed=lambda x, r: x.mean((2, 3)))
        >>> mean_colour.embed(torch.ones(2, 3, 4, 4), torch.ones(2)).shape
        torch.Size([2, 3])
    """

    embed: Callable[[Tensor, Tensor], Tensor]
    recover: Callable[[Tensor, Tensor], Tensor] | None = None
    distances: Callable[[Tensor, Tensor], Tensor] | None = None
    views: Mapping[str, slice] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost = Cost()

    @property
    def networks(self) -> list[nn.Module]:
        """Those of its parts that are modules."""
        return [part for part in self.parts.values() if isinstance(part, nn.Module)]

    @property
    def device(self) -> torch.device:
        """The device of its parameters; the CPU without any."""
        return next((p.device for network in self.networks for p in network.parameters()), torch.device("cpu"))

    def to(self, device: torch.device | str) -> Self:
        """Move its networks to a device, in place."""
        for network in self.networks:
            network.to(device)
        return self


def as_model(model: Model | Callable[[Tensor], Tensor]) -> Model:
    """Wrap a function from images to vectors as a model that ignores the rate; a model is returned as it is.

    Of a module, or a method of one, the module becomes its part.
    """
    if isinstance(model, Model):
        return model
    owner = getattr(model, "__self__", model)
    return Model(lambda x, r: model(x), parts={"network": owner} if isinstance(owner, nn.Module) else {})


@contextmanager
def eval_mode(model: Model | None) -> Iterator[None]:
    """Put a model's networks into evaluation mode, in which BatchNorm uses its running statistics, for the block."""
    modes = [(m, m.training) for network in (model.networks if model else []) for m in network.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
