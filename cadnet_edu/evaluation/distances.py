"""Distances between queries and gallery: one matrix, or a few rows at a time if it is too large."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

Array = np.ndarray | torch.Tensor

CHUNK = 1 << 24  # distances computed at once, 64 MiB of float32: bounds the memory
TILE = 1 << 22  # float64 numbers of the gallery, or of a product with it, at once: 32 MiB


class Distances:
    """The matrix of all distances, computed a few rows at a time and never stored as a whole.

    ``|a - b|^2 = |a|^2 + |b|^2 - 2 a.b`` needs one matrix product instead of ``(q, g, d)`` differences, but
    subtracts large numbers: the product is computed in float64, so that nearly equal vectors keep their order, and
    negative values from rounding are set to zero.

    The functions of ``cadnet_edu.evaluation.retrieval`` accept it in place of a matrix, with the same scores, and need
    ``4 * chunk`` bytes for each gallery image.

    Args:
        q, g: vectors of the queries ``(q, d)`` and of the gallery ``(g, d)``; NumPy or torch, also memory-mapped.
        chunk: queries at a time; by default as many as make 2^24 distances.
        rule: a model's own distances, ``(n, d)`` and ``(g, d)`` -> ``(n, g)``; by default Euclidean.

    Raises:
        ValueError: when the lengths of the vectors differ, or for a chunk below 1.

    >>> Distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))[0:1]
    array([[5., 1.]], dtype=float32)
    """

    def __init__(
        self,
        q: Array,
        g: Array,
        chunk: int | None = None,
        rule: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.q, self.g, self.rule = _tensor(q), _tensor(g), rule
        if self.q.ndim != 2 or self.g.ndim != 2 or self.q.shape[1] != self.g.shape[1]:
            raise ValueError(
                f"Two sets of vectors of one length are needed, (q, d) and (g, d); given {tuple(self.q.shape)} and "
                f"{tuple(self.g.shape)}. Flatten the features, one row an image."
            )
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk = {chunk}: at least one query at a time.")
        self.shape = (len(self.q), len(self.g))
        self.dtype = np.dtype(np.float32)
        self.chunk = chunk or max(1, CHUNK // max(1, len(self.g)))
        norms = [] if rule is not None else [self.g[tile].double().square().sum(1) for tile in self._tiles(1)]
        self.g_norm = torch.cat(norms) if norms else self.g.new_zeros(0, dtype=torch.float64)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The distances of some queries to the whole gallery, ``(n, g)`` float32."""
        if self.rule is not None:
            return self._by_rule(self.q[rows], self.rule)
        x = self.q[rows].double()
        x_norm = x.square().sum(1, keepdim=True)
        out = np.empty((len(x), self.shape[1]), dtype=np.float32)
        for tile in self._tiles(len(x)):
            squared = torch.addmm(self.g_norm[tile], x, self.g[tile].double().T, alpha=-2).add_(x_norm)
            out[:, tile] = squared.clamp_(min=0).sqrt_().cpu().numpy()
        return out

    def _by_rule(self, q: torch.Tensor, rule: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> np.ndarray:
        found = rule(q, self.g)
        if found.shape != (len(q), len(self.g)):
            raise ValueError(
                f"a model's distances of {len(q)} queries to {len(self.g)} gallery images have shape "
                f"{tuple(found.shape)}; needed {(len(q), len(self.g))}: one row a query, one column a gallery image."
            )
        return found.detach().float().cpu().numpy()

    def chunks(self) -> Iterator[slice]:
        """Slices of queries that are computed together."""
        for start in range(0, self.shape[0], self.chunk):
            yield slice(start, min(start + self.chunk, self.shape[0]))

    def _tiles(self, rows: int) -> Iterator[slice]:
        """Slices of the gallery, small enough for float64, also their products with some rows."""
        size = max(1, TILE // max(1, rows, self.g.shape[1]))
        for start in range(0, len(self.g), size):
            yield slice(start, min(start + size, len(self.g)))


def euclidean(a: Array, b: Array, chunk: int | None = None) -> np.ndarray:
    """Distances between all vectors of two sets, as one matrix; see :class:`Distances` for how.

    Args:
        a, b: ``(q, d)`` and ``(g, d)``.
        chunk: rows of ``a`` at a time.

    Returns:
        float32 array ``(q, g)``.

    Raises:
        ValueError: when the lengths of the vectors differ.

    Example:
        >>> euclidean(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
        array([[5., 1.]], dtype=float32)
    """
    distances = Distances(a, b, chunk)
    out = np.empty(distances.shape, dtype=np.float32)
    for rows in distances.chunks():
        out[rows] = distances[rows]
    return out


def to_array(values: Any) -> np.ndarray:
    """A tensor, list or array as a NumPy array, without a copy where possible."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)


def _tensor(values: Array) -> torch.Tensor:
    """A float tensor on its device, or on the CPU if that has no float64."""
    if not isinstance(values, torch.Tensor):
        return torch.from_numpy(np.require(values, requirements=["C", "W"]))
    values = values.detach()
    return values.cpu() if values.device.type == "mps" else values
