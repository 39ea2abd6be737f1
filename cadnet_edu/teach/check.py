"""Check what you built: `same` compares it with the package; the ``check_...`` functions correct the exercises.

Every exercise check takes your function and returns a `Report`: true or false, and a sentence. They live in
``cadnet_edu/teach/exercises``, one file a chapter.

>>> from cadnet_edu.teach import check
>>> check.check_nyquist(lambda r, height: height / r)
✗ you counted one pixel a cycle; a cycle needs two (light, dark). (Found with r = 4, height = 256: wanted 32, got 64.)
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cadnet_edu.teach.exercises.ablations import (
    check_changes,
    check_false_star,
    check_interaction,
    check_weight_for_share,
)
from cadnet_edu.teach.exercises.alignment import check_best_judge, check_judge_loss, check_meet_halfway, check_pull
from cadnet_edu.teach.exercises.baseline import check_batch_hard, check_cross_entropy, check_pairwise_distance
from cadnet_edu.teach.exercises.detail import check_gain, check_lay_out, check_rounded, check_window_ssim
from cadnet_edu.teach.exercises.full_runs import check_mean_gradient, check_pooled, check_steps_for, check_trouble_at
from cadnet_edu.teach.exercises.identify import (
    check_best_reader,
    check_joint_vector,
    check_logit_gradient,
    check_slowed,
)
from cadnet_edu.teach.exercises.inside import (
    check_best_guess,
    check_deal_out,
    check_silhouettes,
    check_standardised,
)
from cadnet_edu.teach.exercises.ledger import (
    check_by_luck,
    check_holm,
    check_information,
    check_says,
    check_seeds_needed,
)
from cadnet_edu.teach.exercises.real_data import check_findable, check_mlr_roles, check_near_camera, check_read_name
from cadnet_edu.teach.exercises.realism import check_best_image_judge, check_best_L1_guess, check_right_detail
from cadnet_edu.teach.exercises.recovered import check_agreement, check_error_left, check_known_share, check_over_rates
from cadnet_edu.teach.exercises.report import Report
from cadnet_edu.teach.exercises.resolution import check_degrade, check_nyquist, check_psnr
from cadnet_edu.teach.exercises.retrieval import (
    check_average_precision,
    check_cmc,
    check_rank_of_first_match,
    check_single_shot_rank1,
)
from cadnet_edu.teach.exercises.unseen import check_expected_best, check_kink, check_saved_by_g, check_surely
from cadnet_edu.teach.exercises.whole import check_lr_factor, check_moved, check_total

__all__ = [
    "Report",
    "check_agreement",
    "check_average_precision",
    "check_batch_hard",
    "check_best_L1_guess",
    "check_best_guess",
    "check_best_image_judge",
    "check_best_judge",
    "check_best_reader",
    "check_by_luck",
    "check_changes",
    "check_cmc",
    "check_cross_entropy",
    "check_deal_out",
    "check_degrade",
    "check_error_left",
    "check_expected_best",
    "check_false_star",
    "check_findable",
    "check_gain",
    "check_holm",
    "check_information",
    "check_interaction",
    "check_joint_vector",
    "check_judge_loss",
    "check_kink",
    "check_known_share",
    "check_lay_out",
    "check_logit_gradient",
    "check_lr_factor",
    "check_mean_gradient",
    "check_meet_halfway",
    "check_mlr_roles",
    "check_moved",
    "check_near_camera",
    "check_nyquist",
    "check_over_rates",
    "check_pairwise_distance",
    "check_pooled",
    "check_psnr",
    "check_pull",
    "check_rank_of_first_match",
    "check_read_name",
    "check_right_detail",
    "check_rounded",
    "check_saved_by_g",
    "check_says",
    "check_seeds_needed",
    "check_silhouettes",
    "check_single_shot_rank1",
    "check_slowed",
    "check_standardised",
    "check_steps_for",
    "check_surely",
    "check_total",
    "check_trouble_at",
    "check_weight_for_share",
    "check_window_ssim",
    "same",
]


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
