"""Retrieval metrics against plain loops, hand computation and full enumeration."""

import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cadnet_edu.evaluation import expected_cmc
from cadnet_edu.evaluation import retrieval as retrieval_module
from cadnet_edu.evaluation.retrieval import cmc, mean_average_precision, rank_list, retrieval, single_shot_cmc

RULES = ("open-reid", "torchreid")


# The naive versions: one query at a time, one image at a time.


def kept_images(q_pid, q_cam, g_pids, g_cams, whole_camera=False):
    kept = []
    for j in range(len(g_pids)):
        if g_pids[j] == -1:
            continue
        if g_cams[j] == q_cam and (whole_camera or g_pids[j] == q_pid):
            continue
        kept.append(j)
    return kept


def ranked(row, q_pid, g_pids, kept):
    """Right (True) or wrong (False), nearest first; wrong before right at equal distance."""
    return [g_pids[j] == q_pid for j in sorted(kept, key=lambda j: (row[j], g_pids[j] == q_pid))]


def naive_market1501(distances, q_pids, g_pids, q_cams, g_cams, topk):
    curves, precisions = [], []
    for row, pid, cam in zip(distances, q_pids, q_cams):
        answers = ranked(row, pid, g_pids, kept_images(pid, cam, g_pids, g_cams))
        if not any(answers):
            continue
        first = answers.index(True)
        curves.append([float(k > first) for k in range(1, topk + 1)])
        ranks = [rank for rank, right in enumerate(answers, start=1) if right]
        precisions.append(np.mean([(i + 1) / rank for i, rank in enumerate(ranks)]))
    return np.mean(curves, axis=0), np.mean(precisions)


def answer_of_one_draw(row, pid, g_pids, drawn, topk):
    first = ranked(row, pid, g_pids, drawn).index(True)
    return np.arange(1, topk + 1) > first


def naive_enumeration(distances, q_pids, g_pids, q_cams, g_cams, topk, whole_camera):
    """Every possible draw of one image of each person, each as likely as any other."""
    curves = []
    for row, pid, cam in zip(distances, q_pids, q_cams):
        people = {}
        for j in kept_images(pid, cam, g_pids, g_cams, whole_camera):
            people.setdefault(g_pids[j], []).append(j)
        if pid not in people:
            continue
        draws = itertools.product(*people.values())
        curves.append(np.mean([answer_of_one_draw(row, pid, g_pids, drawn, topk) for drawn in draws], axis=0))
    return np.mean(curves, axis=0)


def literal_expectation(distances, q_pids, g_pids, q_cams, g_cams, topk, whole_camera):
    """The formula of the docstring, one query, one right image and one person at a time, with nothing left out."""
    curves = []
    for row, pid, cam in zip(distances, q_pids, q_cams):
        people = {}
        for j in kept_images(pid, cam, g_pids, g_cams, whole_camera):
            people.setdefault(g_pids[j], []).append(row[j])
        positives = people.pop(pid, [])
        for t in positives:
            chances = [1.0] + [0.0] * (topk - 1)
            for images in people.values():
                a = sum(d <= t for d in images) / len(images)
                for s in reversed(range(topk)):
                    chances[s] = chances[s] * (1 - a) + (chances[s - 1] * a if s else 0.0)
            curves.append(np.cumsum(chances) / len(positives))
    scored = sum(pid in {g_pids[j] for j in kept_images(pid, cam, g_pids, g_cams)} for pid, cam in zip(q_pids, q_cams))
    return np.sum(curves, axis=0) / scored


def problem(seed, q=12, g=40, people=6, cameras=3, decimals=None):
    """Random distances in which the right images are a little nearer, with junk (-1) and distractors (0)."""
    rng = np.random.default_rng(seed)
    q_pids, g_pids = rng.integers(1, people, q), rng.integers(-1, people, g)
    distances = rng.random((q, g)) - 0.3 * (q_pids[:, None] == g_pids)
    if decimals is not None:
        distances = distances.round(decimals)
    return distances, q_pids, g_pids, rng.integers(0, cameras, q), rng.integers(0, cameras, g)


@st.composite
def tiny_problems(draw):
    """Up to 4 queries and 10 images of 4 people, with few different distances: ties, junk and missing answers."""
    q, g = draw(st.integers(1, 4)), draw(st.integers(1, 10))

    def ids(n, low, high):
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))

    distances = ids(q * g, 0, 6).reshape(q, g) / 2
    task = distances, ids(q, -1, 3), ids(g, -1, 3), ids(q, 0, 2), ids(g, 0, 2)
    pids, cams = (task[1][:, None], task[2]), (task[3][:, None], task[4])
    assume(((pids[0] == pids[1]) & (cams[0] != cams[1]) & (pids[1] != -1)).any())
    return task


# By hand. Gallery: five images of the people 1, 2, 3, 1 and a distractor; the fourth is from camera 0.
HAND = (
    np.array(
        [
            [0.1, 0.2, 0.3, 0.05, 0.4],  # person 1, camera 0: the nearest is removed, then right at rank 1
            [0.1, 0.2, 0.3, 0.40, 0.5],  # person 2, camera 0: right at rank 2
            [0.1, 0.2, 0.3, 0.40, 0.5],  # person 3, camera 0: right at rank 3
            [0.4, 0.1, 0.2, 0.30, 0.5],  # person 1, camera 2: right at ranks 3 and 4
            [0.3, 0.3, 0.3, 0.10, 0.2],  # person 3, camera 2: two are nearer, two as near: rank 5
        ]
    ),
    [1, 2, 3, 1, 3],
    [1, 2, 3, 1, 0],
    [0, 0, 0, 2, 2],
    [1, 1, 1, 0, 1],
)


def test_cmc_and_map_by_hand():
    np.testing.assert_allclose(cmc(*HAND, topk=5), [1 / 5, 2 / 5, 4 / 5, 4 / 5, 1], atol=1e-15)
    by_hand = np.mean([1, 1 / 2, 1 / 3, (1 / 3 + 2 / 4) / 2, 1 / 5])
    assert mean_average_precision(*HAND) == pytest.approx(by_hand, abs=1e-15)


def test_single_shot_by_hand():
    # The last query: person 1 (both images), person 2 (as near) and the distractor are ahead whatever is drawn.
    np.testing.assert_allclose(single_shot_cmc(*HAND, topk=5), [1 / 5, 2 / 5, 4 / 5, 1, 1], atol=1e-15)
    # Three people with 2, 2 and 1 images around one right answer at 0.5: ahead with 1/2, 1 and 0.
    task = np.array([[0.5, 0.4, 0.6, 0.1, 0.2, 0.9]]), [9], [9, 1, 1, 2, 2, 3], [0], [1] * 6
    np.testing.assert_allclose(single_shot_cmc(*task, topk=4), [0, 0.5, 1, 1], atol=1e-15)


@settings(max_examples=150, deadline=None)
@given(tiny_problems())
def test_everything_equals_plain_loops_on_tiny_galleries(task):
    curve, mAP = naive_market1501(*task, topk=6)
    np.testing.assert_allclose(cmc(*task, topk=6), curve, atol=1e-12)
    assert mean_average_precision(*task) == pytest.approx(mAP, abs=1e-12)
    for rule in ("open-reid", "cuhk03", "torchreid", "dil"):
        every_draw = naive_enumeration(*task, topk=6, whole_camera=rule in ("open-reid", "cuhk03"))
        np.testing.assert_allclose(single_shot_cmc(*task, topk=6, camera_rule=rule), every_draw, atol=1e-12)


MODELS = {"bad": 0.02, "middling": 0.15, "good": 0.5}  # how much nearer the right images are


def crowd(model, decimals=None, q=10, g=2000, people=160):
    """Many people, so that most right images of a bad model have dozens of them ahead."""
    rng = np.random.default_rng(12)
    q_pids, g_pids = rng.integers(1, people, q), rng.integers(-1, people, g)
    distances = rng.random((q, g)) - MODELS[model] * (q_pids[:, None] == g_pids)
    distances = distances if decimals is None else distances.round(decimals)
    return distances, q_pids, g_pids, rng.integers(0, 4, q), rng.integers(0, 4, g)


@pytest.mark.parametrize("decimals", [None, 2])
@pytest.mark.parametrize("topk", [1, 10, 30])
@pytest.mark.parametrize("model", MODELS)
def test_what_is_left_out_of_a_crowd_changes_nothing(model, topk, decimals):
    task = crowd(model, decimals)
    for rule in RULES:
        wanted = literal_expectation(*task, topk=topk, whole_camera=rule == "open-reid")
        np.testing.assert_allclose(single_shot_cmc(*task, topk=topk, camera_rule=rule), wanted, rtol=0, atol=1e-13)


def test_queries_without_an_answer_are_left_out_and_counted():
    distances = np.array([[0.1, 0.2, 0], [0.2, 0.1, 0], [0.1, 0.2, 0], [0.1, 0.2, 0]])
    # The second sees its answer only in its own camera; the last, and an image of the gallery, are junk.
    task = distances, [1, 2, 5, -1], [1, 2, -1], [0, 1, 0, 0], [1, 1, 1]
    for protocol in ("single_shot", "market1501"):
        scores = retrieval(*task, protocol=protocol)
        assert (scores["queries"], scores["unmatched"]) == (1, 3)
        assert scores["rank1"] == scores["mAP"] == 1
        assert retrieval_module.unmatched_note({"1": scores}).startswith("3 of 4 queries are left out: ")
    assert retrieval_module.unmatched_note({"1": {"rank1": 1.0, "queries": 32, "unmatched": 0}}) == ""
    assert retrieval_module.unmatched_note({"1": {"rank1": 1.0}}) == ""  # a row that was kept before it said so


@pytest.mark.parametrize("protocol", ["single_shot", "market1501"])
def test_retrieval_gives_the_single_functions_at_once(protocol):
    task = problem(8)
    scores = retrieval(*task, protocol=protocol, camera_rule="torchreid")
    curve = cmc(*task) if protocol == "market1501" else single_shot_cmc(*task, camera_rule="torchreid")
    assert [scores["rank1"], scores["rank5"], scores["rank10"]] == [curve[0], curve[4], curve[9]]
    assert scores["mAP"] == mean_average_precision(*task)
    assert scores["queries"] + scores["unmatched"] == len(task[1])
    assert all(isinstance(value, float | int) for value in scores.values())  # can be written as JSON


@pytest.mark.parametrize("size", [1, 97])
def test_the_size_of_the_blocks_changes_nothing(monkeypatch, size):
    task = problem(9, decimals=1)
    whole = [cmc(*task), single_shot_cmc(*task), mean_average_precision(*task), *rank_list(*task)]
    monkeypatch.setattr(retrieval_module, "BLOCK", size)
    monkeypatch.setattr(expected_cmc, "TOGETHER", size)
    parts = [cmc(*task), single_shot_cmc(*task), mean_average_precision(*task), *rank_list(*task)]
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(one, other, atol=1e-13)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int32])
def test_torch_and_numpy_of_any_kind_give_the_same(kind, tmp_path, recwarn):
    distances, *ids = problem(5)
    distances = torch.from_numpy(distances * 100).round().to(kind)  # whole numbers up to 100: exact in every kind
    plain = retrieval(distances.double().numpy(), *ids)
    assert retrieval(distances, *[torch.from_numpy(i) for i in ids]) == plain
    if kind == torch.float32:  # as a file that is read in place
        np.save(tmp_path / "distances.npy", distances.numpy())
        assert retrieval(np.load(tmp_path / "distances.npy", mmap_mode="r"), *ids) == plain
        assert not recwarn.list
    assert retrieval(distances.requires_grad_(kind.is_floating_point), *[i.tolist() for i in ids]) == plain


def test_rank_list_shows_what_the_naive_sort_shows():
    task = problem(2, decimals=1)
    distances, q_pids, g_pids, q_cams, g_cams = task
    for protocol, whole_camera in (("market1501", False), ("single_shot", True)):
        gallery, right = rank_list(*task, k=10, protocol=protocol)
        assert gallery.shape == right.shape == (len(q_pids), 10)
        for i, (row, pid, cam) in enumerate(zip(distances, q_pids, q_cams)):
            kept = kept_images(pid, cam, g_pids, g_cams, whole_camera)
            order = sorted(kept, key=lambda j: (row[j], g_pids[j] == pid, j))[:10]
            assert gallery[i].tolist() == order
            assert right[i].tolist() == [g_pids[j] == pid for j in order]
    gallery, right = rank_list(np.array([[0.1, 0.2, 0.3]]), [1], [1, -1, 2], [0], [1, 1, 1], k=5)  # filled up
    assert (gallery.tolist(), right.tolist()) == ([[0, 2, -1, -1, -1]], [[True, False, False, False, False]])


GOOD = dict(distances=np.array([[0.1, 0.2], [0.3, 0.4]]), q_pids=[1, 2], g_pids=[1, 2], q_cams=[0, 0], g_cams=[1, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"q_pids": ["a", "b"]}, "q_pids must be a list of whole numbers; given <U1"),
        ({"g_pids": [1.0, 2.0]}, "g_pids must be a list of whole numbers; given float64"),
        ({"g_cams": [[1], [1]]}, "g_cams must be a list of whole numbers"),
        ({"g_pids": torch.tensor([1.0, 2.0])}, "for example 1.0. Give integers: .astype('int64') in NumPy, .long()"),
        ({"g_pids": [1, float("nan")]}, "1 of them NaN: leave images without identity out, or give them -1"),
        ({"g_pids": [1, 2**70]}, "given object of shape (2,), for example 1. Number the identities"),
        ({"g_pids": [2**63, 1]}, "more than 2^63 - 1 has no room"),
        ({"g_pids": np.array([1, 2**64 - 1], dtype=np.uint64)}, "g_pids holds 18446744073709551615, more than 2^63"),
        ({"q_cams": torch.from_numpy(np.array([1, 2**63], dtype=np.uint64))}, "q_cams holds 9223372036854775808"),
        ({"g_pids": [True, False]}, "given bool of shape (2,), for example True"),
        ({"q_pids": [1, 2, 3]}, "2 x 2, that is 2 queries, but q_pids has 3"),
        ({"g_cams": [1]}, "that is 2 gallery images, but g_cams has 1"),
        ({"distances": np.array([[0.1, np.nan], [0.3, 0.4]])}, "NaN or infinity"),
        ({"distances": np.array([0.1, 0.2])}, "must be a matrix"),
        ({"distances": np.empty((0, 2)), "q_pids": [], "q_cams": []}, "neither empty"),
        ({"distances": np.array([["a", "b"], ["c", "d"]])}, "matrix of numbers"),
        ({"g_cams": [0, 0]}, "every image carries the same camera"),
        ({"g_pids": [7, 8]}, "identities in both: 0"),
    ],
)
def test_bad_input_is_named(change, words):
    task = {**GOOD, **change}
    for score in (cmc, single_shot_cmc, mean_average_precision, retrieval):
        with pytest.raises(ValueError, match=re.escape(words)):
            score(**task)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint16, np.int64, np.uint64])
def test_ids_of_every_integer_type_are_compared_exactly(kind):
    task = {**GOOD, "q_pids": np.array([1, 2], dtype=kind), "g_pids": np.array([1, 2], dtype=kind)}
    assert retrieval(**task) == retrieval(**GOOD)
    top = np.iinfo(np.int64).max
    large = np.array([top - 1, top], dtype=np.uint64)  # as floats they would be one person
    assert retrieval(**{**GOOD, "q_pids": large, "g_pids": large.astype(np.int64)}) == retrieval(**GOOD)


def test_bad_names_and_lengths_are_named():
    assert retrieval(**GOOD)["queries"] == 2
    with pytest.raises(ValueError, match=r"no protocol 'multi'.*'single_shot'"):
        retrieval(**GOOD, protocol="multi")
    with pytest.raises(ValueError, match=r"no camera_rule 'mine'.*torchreid"):
        single_shot_cmc(**GOOD, camera_rule="mine")
    for bad in (0, -1, 2.5, "5"):
        with pytest.raises(ValueError, match="whole number >= 1"):
            cmc(**GOOD, topk=bad)
