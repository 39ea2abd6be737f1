"""Checks for chapter 14: names of files, queries that can be found, which camera is near, who is asked for."""

from collections.abc import Callable

import numpy as np

from cadnet_edu.teach.exercises.report import answer, expect, reports

__all__ = ["check_findable", "check_mlr_roles", "check_near_camera", "check_read_name"]


@reports("who and where, junk and strange endings included.")
def check_read_name(student: Callable) -> None:
    """Check ``read_name(name)``: the identity and the camera that a file name of Market-1501 tells.

    The result is a pair of whole numbers. Identity -1 stays -1, 0000 is 0.
    """
    mistakes = {
        "that is camera and sequence read as one: in c3s2 the camera is 3, and s begins the sequence.": [42, 32],
        "that is the sequence (s2); the camera stands behind the c.": [42, 2],
        "exchanged: give the identity first, then the camera.": [3, 42],
        "that is the frame number; the camera stands behind the c.": [42, 151],
    }
    expect(answer(student, "0042_c3s2_000151_01.jpg"), [42, 3], "0042_c3s2_000151_01.jpg", mistakes)
    lost = {"the minus sign is lost: -1 marks junk, and person 1 is somebody.": [1, 5]}
    expect(answer(student, "-1_c5s1_000401_03.jpg"), [-1, 5], "-1_c5s1_000401_03.jpg, which is junk", lost)
    expect(answer(student, "0000_c6s3_077419_03.jpg"), [0, 6], "0000_c6s3_077419_03.jpg, which is a distractor")
    one = {"only one digit of the camera was read.": [7, 1], "only the last digit of the camera was read.": [7, 2]}
    expect(answer(student, "0007_c12s1_000001_01.jpg"), [7, 12], "a set with twelve cameras", one)
    expect(answer(student, "1501_c1s6_016621_02.jpg.jpg"), [1501, 1], "a query whose name ends in .jpg.jpg")


@reports("the same person, from another camera, at least once.")
def check_findable(student: Callable) -> None:
    """Check ``findable(q_pids, q_cams, g_pids, g_cams)``: for each query, whether it has any right answer.

    All four are arrays; the result is ``(q,)``, true or false. Images of the same person from the query's own camera
    do not count, because the evaluation leaves them out.
    """
    q_pids, q_cams = np.array([1, 1, 2, 3, 4, 7]), np.array([0, 1, 0, 0, 2, 0])
    g_pids, g_cams = np.array([1, 1, 2, 3, 9, 4, 4]), np.array([0, 0, 1, 0, 1, 2, 1])
    mistakes = {
        "you looked at who alone; a picture from the query's own camera does not count.": [1, 1, 1, 1, 1, 0],
        "turned round: the picture has to come from another camera, not from the same one.": [1, 0, 0, 1, 1, 0],
        "you found another camera, but of anybody; person and camera have to fit in one picture.": [1, 1, 1, 1, 1, 1],
        "one picture from the query's own camera does not spoil the others: one right answer is enough.": [
            0, 1, 1, 0, 0, 0,
        ],
        "these are counts; say whether there is any.": [0, 2, 1, 0, 1, 0],
        "these are the queries that can NOT be found; turn it round.": [1, 0, 0, 1, 0, 1],
        "this is their share; give an answer for each query.": 0.5,
    }  # fmt: skip
    got = answer(student, q_pids, q_cams, g_pids, g_cams)
    expect(got, [0, 1, 1, 0, 1, 0], "six queries in a gallery of seven", mistakes)
    nobody = answer(student, np.array([1, 2]), np.array([0, 0]), np.array([1, 2]), np.array([0, 0]))
    expect(nobody, [0, 0], "a folder in which every picture says camera 0")


@reports("by the median of the areas, whichever ten came first.")
def check_near_camera(student: Callable) -> None:
    """Check ``near_camera(sizes_a, sizes_b)``: which camera is the near one, 0 for the first and 1 for the second.

    Each is an array ``(n, 2)``: height and width of every image of one person from that camera.
    """
    cases = [
        ([[40, 20]] * 3, [[100, 40]] * 3),
        ([[100, 40]] * 3, [[40, 20]] * 3),
        ([[40, 20], [42, 20], [41, 20], [140, 70]], [[60, 30], [62, 30], [61, 30], [60, 30]]),  # somebody came close
        ([[60, 15]] * 3, [[50, 30]] * 3),
        ([[50, 30]] * 3, [[60, 15]] * 3),
        ([[90, 20]] * 3, [[40, 30]] * 3),
    ]
    got = np.concatenate([np.atleast_1d(answer(student, np.array(a), np.array(b))) for a, b in cases])
    mistakes = {
        "you always say the first; nobody promises that order, so measure.": [0] * 6,
        "you always say the second; nobody promises that order, so measure.": [1] * 6,
        "you named the far camera: larger images are nearer.": [0, 1, 0, 0, 1, 1],
        "one large image turned your verdict: take the median, not the mean or the maximum.": [1, 0, 0, 1, 0, 0],
        "you compared heights; area is height times width.": [1, 0, 1, 0, 1, 0],
        "you compared widths; area is height times width.": [1, 0, 1, 1, 0, 1],
    }
    expect(got, [1, 0, 1, 1, 0, 0], "six people", mistakes)


@reports("queries from the LR camera of those who are asked for; strangers stay in the gallery.")
def check_mlr_roles(student: Callable) -> None:
    """Check ``mlr_roles(pids, cameras, wanted, lr_camera)``: the part that each test image of an MLR set goes to.

    ``pids`` and ``cameras`` are arrays ``(n,)``, ``wanted`` the identities that are asked for, ``lr_camera`` the LR
    camera of each identity, as a dict. The result is ``(n,)``: 1 for a query, 2 for the gallery, 0 for left out.
    """
    pids, cameras = np.array([5, 5, 5, 8, 8, 0, 0]), np.array([1, 2, 1, 1, 3, 1, 2])
    mistakes = {
        "distractors (0) became queries; nobody can be found for them, so they stay in the gallery.": [
            1, 2, 1, 2, 1, 1, 2,
        ],
        "a distractor was left out; with a camera for each identity, strangers stay in the gallery.": [
            1, 2, 1, 2, 1, 0, 2,
        ],
        "all distractors were left out; they make the search as hard as it is.": [1, 2, 1, 2, 1, 0, 0],
        "turned round: LR images are the queries, HR images the gallery.": [2, 1, 2, 1, 2, 2, 2],
        "one LR camera was used for everybody; each identity has its own.": [1, 2, 1, 1, 2, 2, 2],
        "the queries are in the gallery as well, or nothing is a query.": [2] * 7,
    }  # fmt: skip
    got = answer(student, pids, cameras, {5, 8}, {5: 1, 8: 3, 0: 1})
    expect(got, [1, 2, 1, 2, 1, 2, 2], "two people and a distractor", mistakes)
    got = answer(student, np.array([4, 3, 4]), np.array([2, 2, 6]), {3, 4}, {3: 2, 4: 6})
    expect(got, [2, 1, 1], "two people, another order")
