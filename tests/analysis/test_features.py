"""Analyses of feature vectors, against data with known answers and counts by hand."""

import numpy as np
import pytest

from cadnet_edu.analysis import confusions, margins, nearest, resolution_probe, separation
from cadnet_edu.evaluation.distances import Distances
from cadnet_edu.evaluation.retrieval import euclidean, rank_list

RNG = np.random.default_rng(0)
PIDS = np.repeat(np.arange(20), 4)
CAMS = np.tile(np.arange(4), 20)
FEATURES = RNG.normal(size=(20, 8))[PIDS] + 0.8 * RNG.normal(size=(80, 8))
WHO = (PIDS[CAMS == 0], PIDS[CAMS > 0], CAMS[CAMS == 0], CAMS[CAMS > 0])
Q, G = FEATURES[CAMS == 0], FEATURES[CAMS > 0]


# ---------------------------------------------------------------------------------------------------- the probe


def test_the_probe_guesses_where_nothing_tells_the_rate() -> None:
    w = {r: RNG.normal(size=(200, 6)) for r in (1.0, 2.0, 3.0, 4.0)}
    found = resolution_probe(w, np.repeat(np.arange(50), 4))
    assert found["chance"] == 0.25
    assert found["accuracy"] == pytest.approx(0.25, abs=0.06)
    assert np.sum(found["confusion"], axis=1) == pytest.approx(np.ones(4))


def test_the_probe_reads_a_rate_that_is_there() -> None:
    w = {r: np.c_[RNG.normal(size=(80, 5)), r + 0.2 * RNG.normal(size=80)] for r in (1.0, 2.0, 4.0)}
    found = resolution_probe(w, PIDS)
    assert found["accuracy"] > 0.9
    assert found["low"] <= found["accuracy"] <= found["high"]
    assert np.argmax(found["confusion"], axis=1).tolist() == [0, 1, 2]


def test_the_probe_is_tested_on_people_it_has_never_seen() -> None:
    """The rate is written in a direction of each person's own: known people would be read, strangers cannot be."""
    w = {r: np.eye(20)[PIDS] * sign * 5 + 0.01 * RNG.normal(size=(80, 20)) for r, sign in ((1.0, 1), (8.0, -1))}
    signs = RNG.choice([-1, 1], 20)[PIDS, None]
    w = {r: x * signs for r, x in w.items()}
    assert resolution_probe(w, PIDS)["accuracy"] == pytest.approx(0.5, abs=0.2)
    as_if_all_were_strangers = np.arange(80)  # now each person is in training and in test
    assert resolution_probe(w, as_if_all_were_strangers)["accuracy"] > 0.95


def test_the_probe_draws_from_many_images_and_refuses_too_little() -> None:
    w = {r: RNG.normal(size=(80, 3)) for r in (1.0, 2.0)}
    assert resolution_probe(w, PIDS, most=30)["images"] == 30
    assert resolution_probe(w, PIDS) == resolution_probe(w, PIDS)
    with pytest.raises(ValueError, match="1 rates and 20 people"):
        resolution_probe({1.0: w[1.0]}, PIDS)


def test_separation_tells_grouping_by_person_from_grouping_by_rate() -> None:
    people, rates = 9 * RNG.normal(size=(20, 8))[PIDS], {1.0: 0.0, 8.0: 50.0}
    by_person = separation({r: people + 0.1 * RNG.normal(size=(80, 8)) for r in rates}, PIDS)
    by_rate = separation({r: shift + RNG.normal(size=(80, 8)) for r, shift in rates.items()}, PIDS)
    assert by_person["identity"] > 0.8 > 0.1 > by_person["rate"]
    assert by_rate["rate"] > 0.8 > 0.1 > by_rate["identity"]


# ---------------------------------------------------------------------------------------------------- right and wrong


def by_hand() -> list[tuple[int, int]]:
    """Nearest right and nearest wrong image of each query, by loops."""
    found = []
    for q in range(len(Q)):
        best = {True: (np.inf, -1), False: (np.inf, -1)}
        for g in range(len(G)):
            if WHO[2][q] != WHO[3][g]:
                right = bool(WHO[0][q] == WHO[1][g])
                best[right] = min(best[right], (float(np.linalg.norm(Q[q] - G[g])), g))
        found.append((best[True][1], best[False][1]))
    return found


@pytest.mark.parametrize("distances", [euclidean(Q, G), Distances(Q, G, chunk=3)], ids=["matrix", "chunks"])
def test_nearest_is_that_of_loops(distances) -> None:
    near = nearest(distances, *WHO)
    assert list(zip(near.right.tolist(), near.wrong.tolist())) == by_hand()
    assert near.d_right == pytest.approx(np.linalg.norm(Q - G[near.right], axis=1), rel=1e-5)


def test_nearest_says_where_there_is_none() -> None:
    near = nearest(np.array([[0.5]]), [1], [1], [0], [1])
    assert (near.right.tolist(), near.wrong.tolist(), near.d_wrong.tolist()) == ([0], [-1], [np.inf])


def test_the_margin_is_the_sum_of_its_parts() -> None:
    found = margins(Q, G, *WHO)
    for (p, n), q, f, g in zip(by_hand(), Q, found.f, found.g):
        assert f + g == pytest.approx(((q - G[n]) ** 2).sum() - ((q - G[p]) ** 2).sum())
        assert f == pytest.approx(((q - G[n])[:4] ** 2).sum() - ((q - G[p])[:4] ** 2).sum())
    right = rank_list(euclidean(Q, G), *WHO, k=1, protocol="single_shot").right[:, 0]
    assert (found.f + found.g > 0).tolist() == right.tolist()
    told = found.summary()
    assert told["right"] == pytest.approx(right.mean())
    assert told["right"] == pytest.approx(told["right_by_both"] + told["saved_by_f"] + told["saved_by_g"])


def test_a_half_that_is_constant_contributes_nothing() -> None:
    told = margins(np.c_[Q, np.zeros_like(Q)], np.c_[G, np.zeros_like(G)], *WHO).summary()
    with pytest.raises(ValueError, match="no two halves"):
        margins(Q[:, :7], G[:, :7], *WHO)
    with pytest.raises(ValueError, match="nothing can be split"):
        margins(Q[:1], G[:1], [3], [3], [0], [1])
    assert told["share_g"] == told["margin_g"] == told["saved_by_g"] == 0
    assert told["saved_by_f"] == told["right"]


def test_confusions_count_the_wrong_answers() -> None:
    truth, answers = WHO[0], rank_list(euclidean(Q, G), *WHO, k=1, protocol="single_shot")
    wrong = ~answers.right[:, 0]
    found = confusions(Distances(Q, G), *WHO, top=100, group=lambda pid: pid // 4)
    assert found["wrong"] == pytest.approx(wrong.mean())
    assert sum(times for _, _, times, _ in found["pairs"]) == wrong.sum() > 0
    said = WHO[1][answers.gallery[wrong, 0]]
    assert found["alike"] == pytest.approx(np.mean(truth[wrong] // 4 == said // 4))
    assert found["alike_by_chance"] == pytest.approx(3 / 19)
    assert [pair[2] for pair in found["pairs"]] == sorted((pair[2] for pair in found["pairs"]), reverse=True)
    assert len(confusions(euclidean(Q, Q + 100), WHO[0], WHO[0], WHO[2], WHO[2] + 1, top=2)["pairs"]) <= 2
    perfect = confusions(euclidean(Q, Q), WHO[0], WHO[0], WHO[2], WHO[2] + 1, group=lambda pid: pid)
    assert (perfect["wrong"], perfect["pairs"], perfect["alike"]) == (0, [], None)
