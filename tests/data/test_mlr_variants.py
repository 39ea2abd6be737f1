"""Other groups' MLR constructions are settings of the one builder, and each does what its sentence says."""

from collections import Counter

import pytest
from fixtures import write_caviar, write_cuhk03, write_market1501, write_viper

from cadnet_edu.data.mlr_variants import CONSTRUCTIONS, construct
from cadnet_edu.data.readers import caviar, cuhk03, market1501, viper
from cadnet_edu.data.resolution import mlr


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return market1501(write_market1501(tmp_path_factory.mktemp("market"), train=20, test=20, cameras=3))


def lr_cameras(samples) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for s in samples:
        if s.rate > 1:
            found.setdefault(s.pid, set()).add(s.camera)
    return found


def test_each_says_how_it_differs_and_works(market):
    for name, construction in CONSTRUCTIONS.items():
        assert construction.of
        assert construction.differs.endswith(".")
        built = construct(market, name, seed=2)
        assert built == construct(market, name, seed=2)
        assert built != construct(market, name, seed=3)
        assert any(s.rate > 1 for s in built.query)
        assert built.name.endswith(f"-{name}-seed2")


def test_the_papers_is_the_default_of_mlr(market):
    built, plain = construct(market, seed=4), mlr(market, seed=4)
    assert (built.train, built.query, built.gallery) == (plain.train, plain.query, plain.gallery)


def test_vpfa_cuhk03(tmp_path):
    split = cuhk03(write_cuhk03(tmp_path, pairs=(8, 4, 3, 2, 2), held_out=9))
    built = construct(split, "vpfa-cuhk03", seed=1)
    assert built.train == split.train
    assert Counter(s.pid for s in built.gallery) == dict.fromkeys({s.pid for s in split.query}, 1)
    assert all(s.rate == 1 for s in built.gallery)
    assert {c % 2 for cams in lr_cameras(built.query).values() for c in cams} == {0, 1}  # either camera of a pair


def test_vpfa_viper(market):
    built = construct(market, "vpfa-viper", seed=1)
    for part in (built.train, built.query):
        rates: dict[int, set[float]] = {}
        for s in part:
            if s.rate > 1:
                rates.setdefault(s.pid, set()).add(s.rate)
        assert all(len(own) == 1 for own in rates.values())
        assert len(set().union(*rates.values())) == 3


def test_vpfa_market1501(market):
    built = construct(market, "vpfa-market1501", seed=1)
    for part, before in zip((built.train, built.query, built.gallery), (market.train, market.query, market.gallery)):
        assert [s.name for s in part] == [s.name for s in before]
        assert {pid: len(cams) for pid, cams in lr_cameras(part).items()} == dict.fromkeys({s.pid for s in part}, 1)
    assert lr_cameras(built.query) != {p: c for p, c in lr_cameras(built.gallery).items() if p}  # drawn apart


@pytest.mark.parametrize("name", ["prpr", "rlim"])
def test_camera_one_for_everybody(market, name):
    built = construct(market, name, seed=1)
    assert {s.camera for s in built.query} == {1}
    assert all(s.rate > 1 for s in built.query)
    assert {s.camera for s in built.gallery} == {2, 3}
    assert set().union(*lr_cameras(built.train).values()) == {1}


def test_csr_gan(tmp_path):
    built = construct(viper(write_viper(tmp_path, people=60, size=(4, 2))), "csr-gan")
    assert {s.rate for s in built.query} == {2, 4, 8}
    assert {s.camera for s in built.query} == {1}
    assert {s.camera for s in built.gallery} == {0}


def test_caviar_is_real_and_unknown_names(market, tmp_path):
    with pytest.raises(ValueError, match="low resolution is real"):
        construct(caviar(write_caviar(tmp_path)))
    with pytest.raises(ValueError, match=r"no construction 'sing'. Choose one of: paper, vpfa-cuhk03"):
        construct(market, "sing")
