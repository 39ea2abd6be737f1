"""Checks for chapter 02: measuring retrieval."""

import math
from collections.abc import Callable

import numpy as np

from cadnet_edu.teach.exercises.report import answer, expect, reports

__all__ = ["check_average_precision", "check_cmc", "check_rank_of_first_match", "check_single_shot_rank1"]


@reports("sorted by distance, counted from 1.")
def check_rank_of_first_match(student: Callable) -> None:
    """Check ``rank_of_first_match(distances, query_pid, gallery_pids)``: the place of the first right image.

    ``distances`` and ``gallery_pids`` are arrays ``(g,)``; the result is 1 when the nearest image is right, and
    ``math.inf`` when the person is not in the gallery.
    """
    nearest_first = np.array([3, 2, 5, 7, 4, 7, 8, 1, 6, 9, 10, 11])  # person 7 at places 4 and 6
    stored = np.array([6, 5, 0, 1, 2, 3, 4, 7, 8, 9, 10, 11])  # the gallery is not stored in that order
    distances, pids = 0.1 * (stored + 1), nearest_first[stored]
    mistakes = {
        "you counted from 0; the nearest image has rank 1.": 3,
        "that is a place in the gallery as it is stored; sort it by distance first.": 2,
        "that is an index into the gallery as it is stored; sort it by distance first, and count from 1.": 1,
        "you sorted from far to near; the smallest distance comes first.": 7,
        "you found the last match; the first one counts.": 6,
    }
    expect(answer(student, distances, 7, pids), 4, "a person whose nearest images are fourth and sixth", mistakes)
    zero = {"you counted from 0; the nearest image has rank 1.": 0}
    expect(answer(student, distances, 3, pids), 1, "a person whose image is the nearest", zero)
    expect(answer(student, distances, 99, pids), math.inf, "a person who is not in the gallery")


@reports("junk left out, first match counted once, cumulated: a CMC curve.")
def check_cmc(student: Callable) -> None:
    """Check ``cmc_by_hand(distances, q_pids, g_pids, q_cams, g_cams, topk)``, the Market-1501 meaning.

    ``distances`` is ``(q, g)``, the labels are arrays ``(q,)`` and ``(g,)``; the result has shape ``(topk,)``:
    entry k - 1 is the share of queries whose first right image is among the k nearest. For each query, gallery
    images of the same person from the same camera are left out.
    """
    # Gallery: person/camera 1/0, 2/1, 1/1, 3/0, 1/2. Below, each row of places says how near each image is.
    g_pids, g_cams = np.array([1, 2, 1, 3, 1]), np.array([0, 1, 1, 0, 2])
    q_pids, q_cams = np.array([1, 2, 3]), np.array([0, 0, 1])
    places = np.array([[1, 2, 3, 4, 5], [1, 3, 2, 4, 5], [4, 2, 5, 1, 3]])
    # By hand: query 1 skips its own camera's image and finds the second kept one; query 2 the third; query 3 the first.
    mistakes = {
        "you forgot to drop gallery images of the same person from the same camera as the query.": [2 / 3, 2 / 3, 1, 1],
        "you dropped every image of the query's camera; only those of the same person go.": [1 / 3, 1, 1, 1],
        "you counted every match; a query counts once, from its first match on.": [1 / 3, 2 / 3, 1, 4 / 3],
        "you counted every match at its own rank; find the first match, then cumulate.": [1 / 3, 1 / 3, 1 / 3, 1 / 3],
        "this is the share of queries whose first match is exactly at rank k; cumulate it.": [1 / 3, 1 / 3, 1 / 3, 0],
        "shifted by one: the first entry is rank 1.": [0, 1 / 3, 2 / 3, 1],
        "these are per cent; give fractions between 0 and 1.": [100 / 3, 200 / 3, 100, 100],
        "these are counts; divide by the number of queries.": [1, 2, 3, 3],
    }
    got = answer(student, 0.1 * places, q_pids, g_pids, q_cams, g_cams, 4)
    expect(got, [1 / 3, 2 / 3, 1, 1], "three queries in a gallery of five", mistakes)


@reports("the mean of the precision at each right image.")
def check_average_precision(student: Callable) -> None:
    """Check ``average_precision(correct)``: one query's average precision.

    ``correct`` is a boolean array ``(g,)``: whether the image at each rank is right, nearest first.
    """
    correct = np.array([True, False, False, True, False, True, False, False])
    # Right images at ranks 1, 4, 6; precision there 1/1, 2/4, 3/6; their mean 2/3.
    precision = np.cumsum(correct) / np.arange(1, 9)
    later = (1 / 3 + 1 / 2) / 2 + (2 / 5 + 1 / 2) / 2  # the trapezoids at ranks 4 and 6
    mistakes = {
        "divided by the gallery size: divide by the number of matches.": 2 / 8,
        "trapezoid: some evaluation scripts average neighbouring precisions; here, take that at each match.": (
            1 + later
        )
        / 3,
        "trapezoid under the curve, without its first step: take the precision at each match instead.": later / 3,
        "you averaged the precision over all ranks; only ranks with a match count.": precision.mean(),
        "you stopped at the first match; all of them count.": 1.0,
        "this is a sum; divide by the number of matches.": 2.0,
        "this is the share of right images in the list; their order must matter.": 3 / 8,
    }
    expect(answer(student, correct), 2 / 3, "matches at ranks 1, 4 and 6 of 8", mistakes)
    expect(answer(student, np.array([False, True])), 1 / 2, "a single match at rank 2 of 2")
    expect(answer(student, np.array([True, True, False])), 1.0, "all matches in front")


@reports("an expectation over which image is drawn, with no drawing needed.")
def check_single_shot_rank1(student: Callable) -> None:
    """Check ``single_shot_rank1(distances, query_pid, gallery_pids)``: the chance that the nearest image is right.

    The gallery keeps one image of each identity, drawn at random. ``distances`` and ``gallery_pids`` are arrays
    ``(g,)`` for one query; no image needs to be left out.
    """
    pids = np.array([1, 1, 2, 2, 2, 3, 3])
    distances = np.array([0.2, 0.6, 0.1, 0.5, 0.9, 0.4, 0.7])
    # Image at 0.2: beaten by 1 of the 3 images of person 2, by none of person 3: 2/3 * 1.
    # Image at 0.6: beaten by 2 of 3, and by 1 of 2: 1/3 * 1/2. Each is drawn half of the time.
    mistakes = {
        "this is multi-shot: with all images in the gallery. One image an identity is kept.": 0.0,
        "you took only the nearest image of the person; each of theirs is drawn equally often, so average.": 2 / 3,
        "you summed over the person's images; average, for each is drawn with chance 1/n.": 5 / 6,
        "you drew an image from the whole rest; draw one of each other identity, and multiply the chances.": 0.6,
        "you multiplied over the person's images; only one of them is drawn, so average over them.": 1 / 9,
    }
    expect(answer(student, distances, 1, pids), 5 / 12, "two images of the person among three people", mistakes)
    nearest = np.array([0.1, 0.15, 0.3, 0.5, 0.9, 0.4, 0.7])
    expect(answer(student, nearest, 1, pids), 1.0, "a person whose images are all nearest")
