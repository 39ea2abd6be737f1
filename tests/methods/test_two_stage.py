"""Two stages: which networks the second one keeps, and that a stopped run goes on where it was."""

import json

import pytest
import torch
from people import noise_split, tiny

from cadnet_edu.config import Config
from cadnet_edu.methods import METHODS, Progress, cadnet, method, two_stage
from cadnet_edu.training.trainer import Trainer

SPLIT = noise_split()


def first_of(config: Config):
    """The network of the first stage, trained on its own."""
    trainer = Trainer(two_stage.first_stage(config), SPLIT)
    trainer.fit(bar=False)
    return trainer.net


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Equal parameters and BatchNorm statistics."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("name", sorted(two_stage.METHODS))
def test_the_networks_of_the_first_stage_stay_as_they_are(name):
    config = method(name, tiny())
    net = METHODS[name].fit(SPLIT, config).parts["net"]
    first = first_of(config)
    fresh = Trainer(config, SPLIT).net
    if name == "sr_first":
        assert same(net.E, first.E)
        assert same(net.G, first.G)
        assert not same(net.F, fresh.F)
        assert not same(net.C, fresh.C)
        assert net.D_F is None
        assert net.D_I is None
    else:
        assert same(net.F, first.E)
        assert same(net.C, first.C)
        assert first.F is None, "the fixed network saw HR images alone"
        assert not same(net.E, fresh.E)
        assert not same(net.G, fresh.G)


def test_super_resolution_first_is_trained_by_L_rec_alone():
    loss = two_stage.first_stage(method("sr_first", tiny())).loss
    assert (loss.lambda_cls, loss.lambda_adv_DF, loss.lambda_adv_DI) == (0, 0, 0)
    assert loss.lambda_rec > 0


def test_the_fixed_network_is_the_one_of_baseline_hr():
    first = two_stage.first_stage(method("fixed_cadnet", tiny()))
    assert first == cadnet.baseline_hr(first)
    assert first.data.rates == (1.0,)


@pytest.mark.parametrize("stopped_at", [2, None])
def test_a_stopped_run_goes_on_without_its_first_stage(tmp_path, stopped_at):
    config = method("fixed_cadnet", tiny())
    whole = METHODS["fixed_cadnet"].fit(SPLIT, config, Progress(tmp_path / "a"))

    def stop(record):
        if record["step"] == stopped_at:
            raise KeyboardInterrupt

    if stopped_at:
        with pytest.raises(KeyboardInterrupt):
            METHODS["fixed_cadnet"].fit(SPLIT, config, Progress(tmp_path / "b", callback=stop))
    again = METHODS["fixed_cadnet"].fit(SPLIT, config, Progress(tmp_path / "b"))
    assert same(whole.parts["net"], again.parts["net"])
    history = (tmp_path / "b" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in history] == [1, 2, 3, 4]
    assert (tmp_path / "b" / two_stage.FIRST_STAGE / "checkpoint.pt").exists()
