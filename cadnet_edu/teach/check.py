"""Check what you built: `same` compares it with the package; the ``check_...`` functions correct the exercises.

Every exercise check takes your function and returns a `Report`: true or false, and a sentence. They live in
``cadnet_edu/teach/exercises``, one file a chapter.

>>> from cadnet_edu.teach import check
>>> check.check_nyquist(lambda r, height: height / r)
✗ you counted one pixel a cycle; a cycle needs two (light, dark). (Found with r = 4, height = 256: wanted 32, got 64.)
"""

# ruff: noqa: F403
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cadnet_edu.teach.exercises.ch01 import *
from cadnet_edu.teach.exercises.ch02 import *
from cadnet_edu.teach.exercises.ch03 import *
from cadnet_edu.teach.exercises.ch04 import *
from cadnet_edu.teach.exercises.ch05 import *
from cadnet_edu.teach.exercises.ch06 import *
from cadnet_edu.teach.exercises.ch07 import *
from cadnet_edu.teach.exercises.ch08 import *
from cadnet_edu.teach.exercises.ch09 import *
from cadnet_edu.teach.exercises.ch10 import *
from cadnet_edu.teach.exercises.ch11 import *
from cadnet_edu.teach.exercises.ch12 import *
from cadnet_edu.teach.exercises.ch13 import *
from cadnet_edu.teach.exercises.ch14 import *
from cadnet_edu.teach.exercises.ch15 import *
from cadnet_edu.teach.exercises.report import Report

__all__ = ["Report", "same", *sorted(name for name in globals() if name.startswith("check_"))]


def same(mine: Callable, package: Callable, *examples: Any, atol: float = 1e-6, rtol: float = 1e-5) -> None:
    """Prove that two functions, or two networks, do the same: same values, and same gradients where there are any.

    Both are called on copies of every example, with the same random seed. The gradients compared are those of a
    fixed weighted sum of all outputs, with respect to every floating-point input tensor, and to the weights when
    both are ``nn.Module``; then a copy of ``mine`` first receives the weights of ``package``.

    Args:
        mine: what you built.
        package: what it is compared with.
        examples: each one is what a call takes: a tuple of arguments, or a single argument that is not a tuple.
        atol, rtol: numbers a and b agree when ``|a - b| <= atol + rtol |b|``.

    Raises:
        AssertionError: at the first difference, with its place.
        ValueError: without any example.

    >>> same(lambda x: x * x, torch.square, torch.tensor([1.0, 2.0]), torch.zeros(3))
    ✓ same values, same gradients: largest difference 0 over 2 inputs
    """
    if not examples:
        raise ValueError("same() needs at least one example: same(mine, package, x), or (x, y) for two arguments.")
    if isinstance(mine, nn.Module) and isinstance(package, nn.Module):
        mine, package = _with_equal_weights(mine, package)
    largest, gradients = 0.0, False
    for number, example in enumerate(examples, start=1):
        arguments = example if isinstance(example, tuple) else (example,)
        a, b = _run(mine, arguments, "your version"), _run(package, arguments, "the package's version")
        where = f"input {number} of {len(examples)}"
        if a.keys() != b.keys():
            only = sorted(a.keys() ^ b.keys())
            raise AssertionError(f"{where}: {', '.join(only)} is given by one version only (yours: {', '.join(a)}).")
        for place in b:
            largest = max(largest, _compare(a[place], b[place], f"{where}, {place}", atol, rtol))
            gradients = gradients or place.startswith("gradient")
    what = "same values, same gradients" if gradients else "same values (there is no gradient to compare)"
    print(f"✓ {what}: largest difference {largest:.2g} over {len(examples)} input{'s' * (len(examples) > 1)}")


def _with_equal_weights(mine: nn.Module, package: nn.Module) -> tuple[nn.Module, nn.Module]:
    mine, package = copy.deepcopy(mine), copy.deepcopy(package)
    try:
        mine.load_state_dict(package.state_dict())
    except RuntimeError as error:
        raise AssertionError(f"the two networks have different weights: {error}") from None
    return mine, package


def _run(function: Callable, arguments: tuple, who: str) -> dict[str, np.ndarray]:
    """Outputs and gradients of one call, by the name of their place."""
    arguments = tuple(_leaf(argument) for argument in arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # so that dropout and noise agree
        try:
            result = function(*arguments)
        except TypeError as error:
            raise AssertionError(
                f"{who} stopped with {error}. It was called with {len(arguments)} argument(s); "
                "the arguments of one call go into a tuple: same(mine, package, (x, y))."
            ) from error
    outputs = dict(_leaves(result, "value"))
    found = {place: _array(value) for place, value in outputs.items()}
    loss = sum(_weighted_sum(v) for v in outputs.values() if isinstance(v, Tensor) and v.requires_grad)
    if isinstance(loss, Tensor) and loss.requires_grad:
        sources = {f"argument {i}": x for i, x in enumerate(arguments, 1) if isinstance(x, Tensor) and x.requires_grad}
        if isinstance(function, nn.Module):
            sources |= {name: weight for name, weight in function.named_parameters() if weight.requires_grad}
        if sources:
            slopes = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
            for (name, source), slope in zip(sources.items(), slopes):
                found[f"gradient for {name}"] = _array(torch.zeros_like(source) if slope is None else slope)
    return found


def _leaf(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        argument = argument.detach().clone()
        return argument.requires_grad_() if argument.is_floating_point() else argument
    return copy.deepcopy(argument)


def _leaves(result: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every number or tensor inside tuples, lists, dicts and dataclasses, with its place."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        result = dict(zip(result._fields, result))
    if isinstance(result, Mapping):
        for key, value in result.items():
            yield from _leaves(value, f"{name}.{key}")
    elif isinstance(result, (list, tuple)):
        for i, value in enumerate(result):
            yield from _leaves(value, f"{name}[{i}]")
    elif result is not None:
        yield name, result


def _weighted_sum(value: Tensor) -> Tensor:
    """A sum in which no two places weigh the same, so that exchanged gradients are seen."""
    weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype, device=value.device).view(value.shape)
    return (value * weights).sum()


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().double().cpu() if isinstance(value, Tensor) else value, dtype=float)


def _compare(a: np.ndarray, b: np.ndarray, place: str, atol: float, rtol: float) -> float:
    """The largest difference, or an AssertionError that names the first place where it is too large."""
    if a.shape != b.shape:
        raise AssertionError(f"{place}: your shape is {a.shape}, the package's is {b.shape}.")
    wrong = ~np.isclose(a, b, atol=atol, rtol=rtol, equal_nan=True)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = f"[{', '.join(map(str, first))}]" if first else ""
        raise AssertionError(
            f"{place}{at}: yours is {a[first]:.6g}, the package's is {b[first]:.6g} "
            f"({int(wrong.sum())} of {wrong.size} numbers differ)."
        )
    finite = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0))
