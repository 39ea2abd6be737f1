"""Checks for chapter 12: silhouettes, folds of people, honest standardising, and what guessing gives."""

from collections.abc import Callable

import numpy as np

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_best_guess", "check_deal_out", "check_silhouettes", "check_standardised"]


def _line(*places: float) -> np.ndarray:
    """Distances of all pairs of points on a line."""
    x = np.array(places)
    return np.abs(x[:, None] - x[None])


@reports("own group without oneself, nearest other group, and the larger of the two below the line.")
def check_silhouettes(student: Callable) -> None:
    """Check ``silhouettes(distances, labels)``: ``(b - a) / max(a, b)`` for each point.

    ``distances`` is ``(n, n)``, ``labels`` are n whole numbers, both NumPy arrays. A point alone in its group gets 0.
    """
    where = "points at 0, 1, 5, 6 and 8 in the groups 0, 0, 1, 1 and 2"
    got = answer(student, _line(0, 1, 5, 6, 8), np.array([0, 0, 1, 1, 2]))
    require(
        got.shape != () and got.shape != (1,),
        "one number came back; one for each point is wanted. Their mean is the silhouette of the whole.",
    )
    require(
        got.shape != (5,) or bool(np.isfinite(got[-1])),
        "the last point is alone in its group: it has no a, and the mean of nothing is NaN. Such a point gets 0.",
    )
    a, b = np.array([1.0, 1, 1, 1]), np.array([5.5, 4.5, 3, 2])
    others, nearest = np.array([19, 16, 12, 13]) / 3, np.array([5.0, 4, 3, 2])

    def all_five(s: np.ndarray, alone: float = 0.0) -> np.ndarray:
        return np.append(s, alone)

    by_all, by_nearest = (all_five((of - a) / of) for of in (others, nearest))
    mistakes = {
        "the point itself, at distance 0, is in the mean a: leave it out.": all_five((b - a / 2) / b, 1),
        "the point itself, at distance 0, is in the mean a: leave it out. ": all_five((b - a / 2) / b),
        "b is taken over all strangers; take the mean for each other group, and the smallest of these.": by_all,
        "b is the nearest single stranger; it is the smallest of the *mean* distances to a group.": by_nearest,
        "the sign is turned: (b - a), so that a point deep in its own group is near +1.": all_five((a - b) / b),
        "divide by the larger of a and b, so that the result stays between -1 and 1.": all_five(b - a),
        "divided by the sum; it is the larger of a and b.": all_five((b - a) / (a + b)),
    }
    expect(got, all_five((b - a) / b), where, mistakes)
    s = 1.5 / 6.5
    mistakes = {
        "always divided by b; where a is larger, divide by a.": np.array([s, -1, -1, s]),
        "always divided by a; where b is larger, divide by b.": np.array([0.3, -0.5, -0.5, 0.3]),
    }
    got = answer(student, _line(0, 4, 5, 9), np.array([0, 1, 0, 1]))
    expect(got, [s, -0.5, -0.5, s], "points at 0, 4, 5 and 9 in the groups 0, 1, 0 and 1", mistakes)


@reports("whole people, evenly dealt out.")
def check_deal_out(student: Callable) -> None:
    """Check ``deal_out(pids, folds)``: a fold from 0 to folds - 1 for each image, each person in one fold only.

    ``pids`` is a NumPy array. The folds hold equally many people, give or take one; any such dealing is right.
    """
    for pids, folds in (
        (np.array([7, 3, 9, 7, 5, 3, 12, 5, 9, 3, 5, 7]), 3),
        (np.array([40, 40, 40, 40, 40, 40, 8, 16, 24, 32]), 5),
    ):
        got = answer(student, pids, folds)
        where = f"(Found with pids = {pids.tolist()}, folds = {folds}.)"
        require(got.shape == pids.shape, f"shape {got.shape}: one fold for each of {len(pids)} images. {where}")
        split = [p for p in np.unique(pids) if len(np.unique(got[pids == p])) > 1]
        require(
            not split,
            f"person {split[0] if split else ''} is in more than one fold: the images were dealt out, not the people. "
            f"A classifier would be asked about people it knows. {where}",
        )
        allowed = np.isin(got, np.arange(folds)).all()
        require(bool(allowed), f"folds are the whole numbers from 0 to {folds - 1}; you gave {_some(got)}. {where}")
        held = [len(np.unique(pids[got == k])) for k in range(folds)]
        require(
            max(held) - min(held) <= 1,
            f"the folds hold {', '.join(map(str, held))} people: deal them out evenly. Identities have gaps, so their "
            f"remainder is no even dealing, and people have unequal numbers of images. {where}",
        )


def _some(values: np.ndarray) -> str:
    return ", ".join(f"{v:g}" for v in np.unique(values)[:6])


@reports("moved and scaled by what was known before the test.")
def check_standardised(student: Callable) -> None:
    """Check ``standardised(train, test)``: the test features, by mean and spread of the training ones.

    Both are NumPy arrays ``(n, d)``. The spread is divided by n. A feature that does not vary in training is only
    moved.
    """
    train = np.array([[1.0, 10.0], [3.0, 20.0], [2.0, 60.0], [2.0, 30.0]])
    test = np.array([[4.0, 30.0], [2.0, 50.0]])
    both = np.concatenate([train, test])
    mean, spread = train.mean(0), train.std(0)
    by_all, by_one = (test - both.mean(0)) / both.std(0), (test - train.mean()) / train.std()
    mistakes = {
        "mean and spread are those of the test: what is common to the test images vanishes, and that may be just what "
        "you look for.": (test - test.mean(0)) / test.std(0),
        "mean and spread are those of all: the test has told the training something.": by_all,
        "the mean is the training's, the spread the test's; take both from the training.": (test - mean) / test.std(0),
        "divided by the variance; the spread is its root.": (test - mean) / spread**2,
        "the mean was not taken away.": test / spread,
        "the spread was not divided out.": test - mean,
        "one mean and one spread for all features; each feature has its own (axis 0).": by_one,
        "divided by n - 1; here, as in StandardScaler, it is n.": (test - mean) / train.std(0, ddof=1),
        "these are the training features; the test ones are asked for.": (train - mean) / spread,
    }
    expect(answer(student, train, test), (test - mean) / spread, "four training and two test images", mistakes)
    still = np.array([[5.0, 0.0], [5.0, 2.0]])
    got = answer(student, still, np.array([[7.0, 3.0]]))
    require(
        np.isfinite(got).all(),
        "the first feature does not vary in training, and you divided by its spread of 0. Only move such a feature.",
    )
    mistakes = {
        "a feature that does not vary was set to 0; only move it: a change at test time is worth seeing.": [[0.0, 2.0]]
    }
    expect(got, [[2.0, 2.0]], "a feature that does not vary in training", mistakes)


@reports("whoever always says the most frequent label needs no features.")
def check_best_guess(student: Callable) -> None:
    """Check ``best_guess(labels)``: the best accuracy that can be had without looking at a feature.

    ``labels`` is a NumPy array of whole numbers.
    """
    labels = np.array([1] * 5 + [2] * 2 + [4] * 2 + [8])
    p = np.array([0.5, 0.2, 0.2, 0.1])
    mistakes = {
        "this is one over the number of labels: right only where each comes equally often.": 0.25,
        "this is what guessing *in proportion* gives. Always the most frequent is right more often.": (p**2).sum(),
        "this is the share of the rarest label; guess the most frequent.": 0.1,
        "this is how often the most frequent label comes; as a share of all, please.": 5.0,
        "this is the label to say; asked for is how often it is right.": 1.0,
    }
    expect(answer(student, labels), 0.5, "labels 1 (five times), 2 and 4 (twice), 8 (once)", mistakes)
    expect(answer(student, np.repeat([3, 9], [2, 4])), 2 / 3, "two labels, twice and four times")
