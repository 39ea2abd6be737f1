"""Which gallery images count for a query: removal, right and wrong, and the checks of what was given.

The rules of :mod:`cadnet_edu.evaluation.retrieval`, which does the counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from cadnet_edu.evaluation.distances import Array, Distances

Ids = Array | list[int] | tuple[int, ...]
Meaning = Literal["cuhk03", "open-reid", "torchreid", "dil"]
Protocol = Literal["market1501", "single_shot"]

JUNK = -1  # the identity Market-1501 gives to boxes that hold no whole person
BLOCK = 1 << 21  # numbers looked at together: bounds the memory, whatever the size of the gallery
NUMBERING = (
    "Number the identities (or cameras) first, from 0 or 1, query and gallery alike: more than 2^63 - 1 has no room "
    "in 64 bits, and as text '7' and '007' are two people, 7 is one."
)
WHOLE_CAMERA = {"cuhk03": True, "open-reid": True, "torchreid": False, "dil": False}


class Task(NamedTuple):
    """Checked input: distances ``(q, g)``, ids and cameras as ``int64`` vectors."""

    distances: np.ndarray | Distances
    q_pids: np.ndarray
    g_pids: np.ndarray
    q_cams: np.ndarray
    g_cams: np.ndarray


class Block(NamedTuple):
    """Some queries against the whole gallery, all ``(c, g)``: distances, the right images, the wrong images."""

    rows: slice
    distances: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def parts(task: Task) -> Iterator[Task]:
    """The task some queries at a time, with their distances as an array; at once where they are one already."""
    if isinstance(task.distances, np.ndarray):
        yield task
        return
    for rows in task.distances.chunks():
        d = _finite(task.distances[rows])
        yield task._replace(distances=d, q_pids=task.q_pids[rows], q_cams=task.q_cams[rows])


def blocks(task: Task, whole_camera: bool, cells: int) -> Iterator[Block]:
    """Queries of a part by the handful, ``cells`` numbers each; an image neither right nor wrong is removed."""
    assert isinstance(task.distances, np.ndarray)
    size = max(1, BLOCK // cells)
    known = task.g_pids != JUNK
    narrow = task.distances.dtype.kind == "f" and task.distances.dtype.itemsize <= 4
    for start in range(0, len(task.q_pids), size):
        rows = slice(start, start + size)
        same_person = task.q_pids[rows, None] == task.g_pids
        other_camera = task.q_cams[rows, None] != task.g_cams
        wrong = ~same_person & known & (other_camera | (not whole_camera))
        d = np.array(task.distances[rows], dtype=np.float32 if narrow else np.float64, order="C")
        yield Block(rows, d, same_person & other_camera & known, wrong)


def removes_camera(protocol: str, meaning: str) -> bool:
    """Whether all gallery images of the query's camera leave, not only those of the same person."""
    if protocol not in ("single_shot", "market1501"):
        raise ValueError(f"There is no protocol {protocol!r}. Give 'single_shot' or 'market1501'.")
    if meaning not in WHOLE_CAMERA:
        raise ValueError(f"There is no meaning {meaning!r} of single-shot. Give one of {', '.join(WHOLE_CAMERA)}.")
    return protocol == "single_shot" and WHOLE_CAMERA[meaning]


def check(distances: Array | Distances, q_pids: Ids, g_pids: Ids, q_cams: Ids, g_cams: Ids, topk: int = 1) -> Task:
    """The input as NumPy arrays that fit together."""
    if not isinstance(topk, int | np.integer) or topk < 1:
        raise ValueError(f"The number of ranks must be a whole number >= 1; given {topk!r}.")
    d = distances if isinstance(distances, Distances) else _numpy(distances)
    if len(d.shape) != 2 or 0 in d.shape or d.dtype.kind not in "fiu":
        raise ValueError(
            f"The distances must be a matrix of numbers, one row a query and one column a gallery image, neither "
            f"empty; given {d.dtype} of shape {d.shape}."
        )
    given = {"q_pids": q_pids, "g_pids": g_pids, "q_cams": q_cams, "g_cams": g_cams}
    ids = {name: _integers(values, name) for name, values in given.items()}
    for name, values in ids.items():
        side, n = ("queries", d.shape[0]) if name.startswith("q") else ("gallery images", d.shape[1])
        if len(values) != n:
            raise ValueError(
                f"The distances are {d.shape[0]} x {d.shape[1]}, that is {n} {side}, but {name} has {len(values)} "
                "entries. Rows are queries and columns are gallery images; is the matrix transposed?"
            )
    return Task(_finite(d) if isinstance(d, np.ndarray) else d, **ids)


def _finite(distances: np.ndarray) -> np.ndarray:
    """The distances themselves, when they can be ranked."""
    if not (np.isfinite(distances.min()) and np.isfinite(distances.max())):
        raise ValueError(
            "The distances hold NaN or infinity, so nothing can be ranked. Usual causes: training that diverged, or "
            "a feature vector of length zero that was normalised."
        )
    return distances


def _integers(values: Ids, name: str) -> np.ndarray:
    """Identities or cameras as an int64 vector."""
    array = _numpy(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        example = f", for example {array.ravel()[:1].tolist()[0]!r}" if array.size else ""
        raise ValueError(
            f"{name} must be a list of whole numbers; given {array.dtype} of shape {array.shape}{example}. "
            f"{_cure(array)}"
        )
    if array.size and array.max() > np.iinfo(np.int64).max:  # would become negative, 2^64 - 1 even junk
        raise ValueError(f"{name} holds {array.max()}, more than 2^63 - 1. {NUMBERING}")
    return array.astype(np.int64)


def _cure(array: np.ndarray) -> str:
    """What to do about ids that are no integers."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        return f"{np.isnan(array).sum()} of them NaN: leave images without identity out, or give them {JUNK}, junk."
    if array.dtype.kind == "f" and (np.abs(array) < 2**53).all():  # beyond, whole numbers share a float
        return "Give integers: .astype('int64') in NumPy, .long() in torch."
    return NUMBERING


def require_matches(task: Task, scored: int) -> None:
    """Stop when there is nothing to average."""
    if scored == 0:
        raise ValueError(
            f"None of the {len(task.q_pids)} queries has a right answer in the gallery: an image of the same identity "
            f"from another camera. Cameras seen: query {np.unique(task.q_cams)[:6].tolist()}, gallery "
            f"{np.unique(task.g_cams)[:6].tolist()}; identities in both: "
            f"{len(np.intersect1d(task.q_pids, task.g_pids))}. Usual causes: every image carries the same camera "
            "number; identities were numbered anew for the gallery, or read from names differently; query and "
            "gallery come from different splits."
        )


def _numpy(values: Any) -> np.ndarray:
    """Any array-like as a NumPy array, without a copy where possible."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)
