"""Checks for chapter 02: measuring retrieval."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cadnet_edu.exercises.report import answer, expect, reports


@reports("sorted by distance, counted from 1.")
def check_rank_of_first_match(student: Callable) -> None:
    """Check ``rank_of_first_match(distances, query_pid, gallery_pids)``: the place of the first right image.

    ``distances`` and ``gallery_pids`` are arrays ``(g,)``; the result is 1 when the nearest image is right, and
    ``math.inf`` when the person is not in the gallery.
    """
    distances, pids = np.array([0.9, 0.1, 0.4, 0.7, 0.5]), np.array([8, 3, 5, 7, 7])
    mistakes = {
        "you counted from 0; the nearest image has rank 1.": 2,
        "that is a place in the gallery as it is stored; sort it by distance first.": 4,
        "you sorted from far to near; the smallest distance comes first.": 2.0000001 if False else None,
        "you found the last match; the first one counts.": 4,
    }
    del mistakes["you sorted from far to near; the smallest distance comes first."]
    expect(answer(student, distances, 7, pids), 3, "person 7 at the third and fourth place", mistakes)
    far = {"you sorted from far to near; the smallest distance comes first.": 5, "you counted from 0.": 0}
    expect(answer(student, distances, 3, pids), 1, "person 3 at the first place", far)
    expect(answer(student, distances, 99, pids), math.inf, "a person who is not in the gallery")
