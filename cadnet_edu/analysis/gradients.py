"""Compare the gradients of the losses of eq. (6)."""

from collections.abc import Mapping, Sequence

import numpy as np

from cadnet_edu.evaluation.distances import Array


def gradient_shares(gradients: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """The norm of each term's gradient, also as a fraction of the sum of all norms.

    Args:
        gradients: name of a term -> its gradient at some parameters, such as E's, as one vector ``(n,)``.

    Returns:
        name -> ``norm``, ``share`` (of the sum of the norms) and ``cosine`` (with the sum of the gradients).

    Example:
        >>> found = gradient_shares({"a": np.array([3.0, 0.0]), "b": np.array([0.0, 4.0])})
        >>> [found[name]["norm"] for name in ("a", "b")], round(found["b"]["cosine"], 3)
        ([3.0, 4.0], 0.8)
    """
    rows = {name: np.asarray(gradient, dtype=np.float64) for name, gradient in gradients.items()}
    norms = {name: float(np.linalg.norm(row)) for name, row in rows.items()}
    total = np.sum(list(rows.values()), axis=0)
    whole, length = sum(norms.values()), float(np.linalg.norm(total))
    return {
        name: {
            "norm": norms[name],
            "share": norms[name] / whole if whole else 0.0,
            "cosine": float(row @ total) / (norms[name] * length) if norms[name] * length else 0.0,
        }
        for name, row in rows.items()
    }


def mean_shares(batches: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Means of ``gradient_shares`` over several batches.

    >>> mean_shares([{"a": {"norm": 1.0}}, {"a": {"norm": 3.0}}])
    {'a': {'norm': 2.0}}
    """
    return {
        name: {what: sum(batch[name][what] for batch in batches) / len(batches) for what in numbers}
        for name, numbers in batches[0].items()
    }
