"""What every exercise check is made of: a report, and three small tools that produce one.

A check is a function that takes the reader's function and gives back a `Report`. Its body is a list of
`expect` lines; the first that does not hold ends the check, and its text is what the reader sees. Wanted
values are worked out by hand for tiny inputs, so that a check never contains a solution.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Report:
    """The outcome of one check.

    >>> Report(True, "that is it.")
    ✓ that is it.
    >>> bool(Report(False, "not yet."))
    False
    """

    passed: bool  # whether the answer is right
    message: str  # what was found, in a sentence; on failure, what to look at

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.message}"


class CheckFailed(Exception):
    """Raised inside a check when the answer is not right; its text becomes the report's message."""


def reports(praise: str) -> Callable[[Callable[[Callable], None]], Callable[[Callable], Report]]:
    """Turn a list of expectations into a check that gives a `Report` and never raises."""

    def decorate(body: Callable[[Callable], None]) -> Callable[[Callable], Report]:
        @wraps(body)
        def check(student: Callable) -> Report:
            if not callable(student):
                return Report(False, f"give the function itself, without calling it: {body.__name__}(my_function).")
            try:
                body(student)
            except CheckFailed as found:
                return Report(False, str(found))
            except Exception as error:
                stopped = f"the check stopped with {type(error).__name__}: {error}"
                return Report(False, f"the answer could not be checked: {stopped}.")
            return Report(True, praise)

        check.__annotations__["return"] = Report
        return check

    return decorate


def answer(student: Callable, *given: Any, **named: Any) -> np.ndarray:
    """Call the reader's function on copies of the inputs; whatever it gives comes back as an array.

    Raises:
        CheckFailed: when it is unwritten, raises, returns nothing, returns no numbers, or changes its input.
    """
    mine, name = copy.deepcopy(given), getattr(student, "__name__", "your function")
    result = _call(student, name, *mine, **named)
    if result is None:
        raise CheckFailed(f"{name} returned nothing. Does it end with a return line?")
    if any(not _equal(a, b) for a, b in zip(mine, given)):
        raise CheckFailed(f"{name} changed its input in place: the caller's data is spoilt. Work on a copy.")
    return as_array(result, name)


def _call(student: Callable, name: str, *given: Any, **named: Any) -> Any:
    try:
        return student(*given, **named)
    except NotImplementedError:
        raise CheckFailed(
            f"{name} is not written yet. Replace the line that raises NotImplementedError, then check again."
        ) from None
    except (Exception, SystemExit) as error:
        raise CheckFailed(f"{name} stopped with {type(error).__name__}: {error}") from error


def as_array(result: Any, name: str = "your function") -> np.ndarray:
    """A tensor, number or list as a float array."""
    try:
        if isinstance(result, torch.Tensor):
            result = result.detach().cpu().double().numpy()
        elif isinstance(result, (list, tuple)):
            result = [as_array(one, name) if isinstance(one, (torch.Tensor, list, tuple)) else one for one in result]
        return np.asarray(result, dtype=float)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise CheckFailed(f"{name} returned {type(result).__name__}; an array of numbers is needed.") from None


def gradient(student: Callable, x: torch.Tensor, *given: Any) -> np.ndarray:
    """The gradient of the sum of the reader's answer with respect to ``x``, same shape as ``x``.

    Raises:
        CheckFailed: when no gradient arrives: the graph was cut, by ``.item()``, ``.detach()``, ``.data`` or NumPy.
    """
    x = x.clone().requires_grad_()
    result = _call(student, getattr(student, "__name__", "your function"), x, *given)
    if not isinstance(result, torch.Tensor) or not result.requires_grad:
        raise CheckFailed("no gradient comes back: stay with torch, without .item(), .detach() or NumPy on the way.")
    return torch.autograd.grad(result.sum(), x)[0].numpy()


def expect(
    got: np.ndarray, want: Any, where: str, mistakes: Mapping[str, Any] | None = None, atol: float = 1e-4
) -> None:
    """Go on if the answer is the wanted one; else say which known mistake gives this answer, or show both.

    Args:
        got: the reader's answer; a shape ``(1,)`` counts as a number.
        want: the right answer.
        where: which input this was, to end the sentence "wrong for ...".
        mistakes: message -> the answer one gets through that mistake.
        atol: allowed difference, absolute, and relative to the wanted value.

    Raises:
        CheckFailed: when the answer differs.
    """
    if _close(got, want, atol):
        return
    for message, value in (mistakes or {}).items():
        if _close(got, value, atol):
            raise CheckFailed(f"{message} (Found with {where}: wanted {show(want)}, got {show(got)}.)")
    if np.size(got) == np.size(want) and np.isnan(got).any() and not np.isnan(np.asarray(want, dtype=float)).any():
        raise CheckFailed(
            f"the answer holds NaN for {where}: look for 0/0, the log of 0 or the root of a negative number."
        )
    if np.squeeze(got).shape != np.squeeze(want).shape:
        raise CheckFailed(f"wrong shape for {where}: wanted {np.shape(want)}, got {np.shape(got)}.")
    raise CheckFailed(f"wrong for {where}: wanted {show(want)}, got {show(got)}.")


def require(holds: bool | np.bool_, message: str) -> None:
    """Go on if a property of the answer holds."""
    if not holds:
        raise CheckFailed(message)


def show(value: Any) -> str:
    """A value short enough to be read inside a sentence.

    >>> show(0.123456), show([1, 0.5])
    ('0.1235', '[1, 0.5]')
    """
    array = np.asarray(value, dtype=float)
    if array.size > 12:
        return f"an array of shape {array.shape}"
    numbers = [f"{number:.4g}" for number in array.ravel()]
    return numbers[0] if array.size == 1 else f"[{', '.join(numbers)}]"


def _close(got: Any, want: Any, atol: float) -> bool:
    a, b = np.squeeze(np.asarray(got, dtype=float)), np.squeeze(np.asarray(want, dtype=float))
    return a.shape == b.shape and bool(np.allclose(a, b, atol=atol, rtol=atol))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, (torch.Tensor, np.ndarray)):
        return a.shape == b.shape and bool((a == b).all())
    return True
