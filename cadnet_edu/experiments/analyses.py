"""The analyses beyond the paper's tables, made for every record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cadnet_edu.experiments.asking import Asked, Vectors
from cadnet_edu.runs import Run

NAMES: tuple[str, ...] = ()


def rates_to_see(rates: Iterable[float]) -> list[float]:
    """The rates at which the queries are embedded."""
    return sorted(rates)


def analyses(asked: Asked, run: Run, at: dict[str, Vectors], gallery: Vectors) -> dict[str, Any]:
    """name -> numbers."""
    return {}
