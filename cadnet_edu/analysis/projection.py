"""Project features to two dimensions (t-SNE), and measure clusters (silhouette)."""

from typing import Any

import numpy as np

from cadnet_edu.evaluation.distances import to_array


def tsne(w: Any, seed: int = 0, perplexity: float | None = None) -> np.ndarray:
    """Project features to two dimensions by t-SNE.

    Args:
        w: features ``(n, d)``, at least 5 of them.
        seed: of scikit-learn; the map starts from PCA, so another seed hardly changes it.
        perplexity: by default 30, or a third of the points when they are few.

    Returns:
        points ``(n, 2)``; only neighbourhoods have a meaning.

    Raises:
        ValueError: for fewer than 5 points, or features that are not finite.
    """
    from sklearn.manifold import TSNE

    w = to_array(w).astype(np.float64)
    if w.ndim != 2 or len(w) < 5:
        raise ValueError(f"features of shape {w.shape} were given; t-SNE needs (n, d) with n of 5 or more.")
    if not np.isfinite(w).all():
        raise ValueError("the features hold NaN or infinity: the network has diverged. Look at its loss curves.")
    perplexity = min(perplexity or 30.0, (len(w) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(w)


def silhouette(w: Any, labels: Any) -> float:
    """The mean silhouette: 1 for clusters far apart, 0 for mixed ones, negative when neighbours have other labels.

    Args:
        w: features ``(n, d)``.
        labels: ``(n,)``.

    Returns:
        the mean silhouette, or NaN when every point has its own label or all share one.

    >>> round(silhouette([[0.0], [0.1], [9.0], [9.1]], [0, 0, 1, 1]), 2)
    0.99
    """
    from sklearn.metrics import silhouette_score

    labels = to_array(labels)
    if not 1 < len(np.unique(labels)) < len(labels):
        return float("nan")
    return float(silhouette_score(to_array(w), labels))
