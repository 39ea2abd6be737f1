"""Distances: exact where vectors nearly coincide, a few queries at a time, and a model's own where it has some."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cadnet_edu.evaluation import distances as distances_module
from cadnet_edu.evaluation.distances import Distances, euclidean
from cadnet_edu.evaluation.retrieval import cmc, mean_average_precision, rank_list, retrieval, single_shot_cmc

ROOT = Path(__file__).parents[2]
RULES = ("open-reid", "torchreid")


def vectors(seed, q=23, g=190, d=5):
    """Vectors with near and with equal distances, and the ids of a problem of that size."""
    rng = np.random.default_rng(seed)
    q_pids, g_pids = rng.integers(1, 9, q), rng.integers(-1, 9, g)
    centres = rng.normal(size=(10, d))
    a, b = (centres[pids] + rng.normal(size=(len(pids), d)).round(1) for pids in (q_pids, g_pids))
    return a.astype(np.float32), b.astype(np.float32), (q_pids, g_pids, rng.integers(0, 3, q), rng.integers(0, 3, g))


@pytest.mark.parametrize(("chunk", "tile"), [(1, 1 << 22), (4, 300), (23, 1), (None, 1 << 22)])
def test_vectors_give_the_scores_of_their_matrix(monkeypatch, chunk, tile):
    monkeypatch.setattr(distances_module, "TILE", tile)
    q, g, ids = vectors(0)
    q, g = q.round(), g.round()  # whole numbers: exact in any order of adding
    matrix = np.sqrt(((q[:, None].astype(float) - g) ** 2).sum(2)).astype(np.float32)
    distances = Distances(torch.from_numpy(q), g, chunk)
    for protocol in ("market1501", "single_shot"):
        for rule in RULES:
            assert retrieval(distances, *ids, protocol, rule) == retrieval(matrix, *ids, protocol, rule)
    assert cmc(distances, *ids, topk=7).tolist() == cmc(matrix, *ids, topk=7).tolist()
    assert single_shot_cmc(distances, *ids).tolist() == single_shot_cmc(matrix, *ids).tolist()
    assert mean_average_precision(distances, *ids) == mean_average_precision(matrix, *ids)
    for k in (3, 250):
        for got, wanted in zip(rank_list(distances, *ids, k=k), rank_list(matrix, *ids, k=k)):
            np.testing.assert_array_equal(got, wanted)


def test_only_some_queries_meet_the_gallery_at_a_time():
    q, g, ids = vectors(1)
    seen = []
    retrieval(Distances(q, g, 10, rule=lambda a, b: seen.append(len(a)) or torch.cdist(a, b)), *ids)
    assert seen == [10, 10, 3]  # and once only, for both kinds of scores


def test_bad_vectors_are_a_sentence():
    q, g, ids = vectors(2)
    with pytest.raises(ValueError, match=re.escape("given (23, 5) and (190, 4)")):
        Distances(q, g[:, :4])
    with pytest.raises(ValueError, match="at least one query"):
        Distances(q, g, chunk=0)
    with pytest.raises(ValueError, match=r"23 x 190, that is 190 gallery images, but g_pids has 23"):
        retrieval(Distances(q, g), ids[0], ids[0], ids[2], ids[2])
    with pytest.raises(ValueError, match="neither empty"):
        retrieval(Distances(q, g[:0]), *ids)
    q[20, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        retrieval(Distances(q, g, chunk=4), *ids)


MILLION = """
import resource
import numpy as np, torch
from cadnet_edu.evaluation.retrieval import Distances, retrieval
def mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
torch.set_num_threads(1)
rng = np.random.default_rng(0)
q_pids, g_pids = rng.integers(1, 1500, 100), rng.integers(0, 50_000, 1_000_000)
centres = rng.standard_normal((50_000, 16), dtype=np.float32)
q, g = (centres[p] + 0.1 * rng.standard_normal((len(p), 16), dtype=np.float32) for p in (q_pids, g_pids))
ids = q_pids, g_pids, np.zeros(100, int), rng.integers(0, 6, 1_000_000)
retrieval(Distances(q[:2], q[:2]), [1, 2], [1, 2], [0, 0], [1, 1], "market1501")  # libraries load what they load late
before = mib()
scores = retrieval(Distances(q, g), *ids, "market1501")
assert scores["queries"] == 100 and scores["rank1"] > 0.5, scores
print(mib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
def test_a_million_gallery_images_fit_into_little_memory():
    """The matrix alone would take 381 MiB."""
    run = subprocess.run([sys.executable, "-c", MILLION], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 300


def test_euclidean_equals_the_sum_of_squares_even_for_vectors_that_nearly_coincide():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(50, 256, generator=generator) * 3 + 5
    noise = torch.randn(50, 256, generator=generator)
    for closeness in (1.0, 1e-2, 1e-4):
        b = a + closeness * noise  # at 1e-4 a float32 product is off by more than the distance
        exact = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
        got = euclidean(a, b, chunk=7)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, exact.numpy(), rtol=1e-5)


def test_euclidean_of_a_vector_with_itself_is_nearly_zero_and_never_nan():
    a = np.random.default_rng(0).normal(size=(30, 128)).astype(np.float32) * 100
    itself = np.diag(euclidean(a, a))
    assert (itself >= 0).all()
    assert itself.max() < 1e-7 * np.linalg.norm(a, axis=1).max() * 10


def test_euclidean_takes_half_precision_and_refuses_other_shapes():
    a = torch.tensor([[3.0, 4.0]], requires_grad=True)
    np.testing.assert_allclose(euclidean(a.half(), np.zeros((2, 2))), [[5, 5]])
    with pytest.raises(ValueError, match=re.escape("given (1, 2) and (1, 3)")):
        euclidean(a, torch.zeros(1, 3))
    with pytest.raises(ValueError, match="one row an image"):
        euclidean(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("chunk", [1, 7, None])
def test_a_rule_of_the_models_own_is_scored_as_its_matrix(chunk):
    q, g, ids = vectors(3)
    matrix = np.abs(q[:, None] - g).sum(2)
    rule = lambda a, b: torch.cdist(a, b, p=1)  # noqa: E731
    for protocol in ("market1501", "single_shot"):
        got = retrieval(Distances(q, g, chunk, rule), *ids, protocol)
        assert got == pytest.approx(retrieval(matrix, *ids, protocol))
    with pytest.raises(ValueError, match=re.escape("have shape (190, 23); needed (23, 190): one row a query")):
        retrieval(Distances(q, g, rule=lambda a, b: rule(b, a)), *ids)
