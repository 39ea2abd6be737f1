"""The people that ``weights="walkers"`` was trained on are in no set that anything else is trained or tested on."""

import dataclasses

import pytest

from cadnet_edu.config import PRESETS, preset
from cadnet_edu.data.walkers import PRETRAINING_SEED, SIZES, walkers
from cadnet_edu.pretrained import pretrained
from cadnet_edu.walkers.people import Person, person


def looks(one: Person) -> tuple[object, ...]:
    """All of a person but the numbers that identify it."""
    return tuple(v for k, v in dataclasses.asdict(one).items() if k not in ("identity", "group"))


def test_the_shipped_start_names_its_people():
    data = pretrained("walkers").config.data
    assert (data.walkers_size, data.data_seed) == ("XL", PRETRAINING_SEED)
    assert data.rates == (1.0,), "it has seen sharp images alone"
    assert SIZES["XL"].train >= 1000


def test_none_of_them_is_in_the_sets_of_the_presets():
    seen = {looks(person(i, PRETRAINING_SEED)) for i in range(SIZES["XL"].train + SIZES["XL"].test)}
    sizes = {preset(name).data.walkers_size for name in PRESETS} | {"S", "M", "L"}
    largest = max(SIZES[size].train + SIZES[size].test for size in sizes)
    for seed in range(5):
        assert not seen & {looks(person(i, seed)) for i in range(largest)}
    assert all(preset(name).data.data_seed != PRETRAINING_SEED for name in PRESETS)


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_the_other_sizes_refuse_their_seed(size):
    with pytest.raises(ValueError, match=r"weights='walkers' was trained on.*Choose another seed"):
        walkers(size, 32, 16, seed=PRETRAINING_SEED)
    assert len(walkers("XL", 32, 16, seed=PRETRAINING_SEED, identities=(2, 1), cameras=2, shots=1).train) == 4


def test_without_the_training_part_the_rest_is_the_same():
    whole, tested = walkers("S", 32, 16), walkers("S", 32, 16, train=False)
    assert not tested.train
    for role in ("query", "gallery"):
        pairs = zip(getattr(whole, role), getattr(tested, role), strict=True)
        assert all((a.name, a.load().tobytes()) == (b.name, b.load().tobytes()) for a, b in pairs)
