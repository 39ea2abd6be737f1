"""Convert the inputs of analyses and figures to NumPy."""

from typing import Any

import numpy as np


def to_array(values: Any) -> np.ndarray:
    """A tensor, list or array as a NumPy array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)
