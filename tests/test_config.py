"""Config() is Sec. 4.1; a profile lists only what differs; what cannot work is refused with a reason."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from cadnet_edu.config import PRECISIONS, PROFILES, Config, LossWeights, cache_dir, choices, make_cache_folder, profile


# ---------------------------------------------------------------------------------------------------------- the paper
def test_config_is_section_4_1():
    c = Config()
    assert c.backbone == "resnet50"
    assert c.weights == "imagenet"
    assert (c.height, c.width) == (256, 128)
    assert c.batch_size == 32
    assert c.optimiser == "sgd"
    assert (c.lr, c.momentum, c.weight_decay) == (1e-3, 0.9, 5e-4)
    assert c.lr_D == 1e-4
    assert c.phi == 2
    assert (c.lam.adv_DF, c.lam.rec, c.lam.adv_DI) == (1, 1, 1)
    assert c.rates == (2, 3, 4)  # Sec. 4.4
    assert c.features == "joint"  # Sec. 3.3
    assert c.skips == "encoder"  # Sec. 3.2


def test_every_default_is_pinned():
    """A changed default changes what "the paper's configuration" means: it must be changed here as well."""
    assert Config().to_dict() == {
        "method": "cadnet", "profile": "full", "seed": 0,
        "dataset": "market1501", "root": None, "data_seed": 0, "boxes": "detected",
        "pattern": "{pid}_{camera}_*", "allow_withdrawn": False,
        "size": "L", "height": 256, "width": 128, "rates": [2.0, 3.0, 4.0],
        "identities": 8, "images_per_identity": 4, "flip": True,
        "labelled": 1.0, "unlabelled_images": 0, "crop": 0,
        "backbone": "resnet50", "weights": "imagenet", "last_stride": 2, "features": "joint", "backbone_width": 64,
        "decoder_width": 64, "discriminator_width": 64, "neck": False, "skips": "encoder", "subpixel": 1,
        "backflow": 1.0, "recovery": True, "lam": {"adv_DF": 1.0, "rec": 1.0, "adv_DI": 1.0, "cls": 1.0},
        "phi": 2.0, "mining": "batch_hard",
        "adversarial": "non_saturating", "reduction": "mean", "smooth": 0.0, "branch_heads": False,
        "judged_images": 0, "encoder_passes": 2,
        "optimiser": "sgd", "lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4, "lr_D": 1e-4, "steps": 60_000,
        "warmup": 0, "schedule": "step", "accumulate": 1,
        "device": "auto", "devices": 1, "precision": "auto", "log_every": 50, "checkpoint_every": 1000,
    }  # fmt: skip


def test_the_full_profile_is_the_paper():
    assert profile("full") == Config()


# ----------------------------------------------------------------------------------------------------------- profiles
@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_lists_only_what_differs(name):
    defaults = dataclasses.asdict(Config())
    assert [k for k, value in PROFILES[name].items() if value == defaults[k]] == []


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_can_be_built(name):
    c = profile(name)
    assert c.profile == name
    assert c.height == 2 * c.width
    given = PROFILES[name]
    assert {k: getattr(c, k) for k in given} == given


def test_profiles_grow():
    sizes = [(profile(name).height, profile(name).steps) for name in ("smoke", "quick", "reduced", "full")]
    assert sizes == sorted(sizes)
    assert [h for h, _ in sizes] == [64, 96, 96, 256]


def test_changes_come_last():
    c = profile("smoke", steps=2, height=32, width=16, lam={"adv_DI": 0})
    assert (c.steps, c.height, c.width) == (2, 32, 16)
    assert c.lam == LossWeights(adv_DI=0)
    assert c.backbone == "slim"


def test_the_environment_names_the_data_where_nobody_else_does(monkeypatch):
    monkeypatch.setenv("CADNET_EDU_ROOT", "somewhere")
    assert profile("full").root == Path("somewhere")
    assert profile("full", root="elsewhere").root == Path("elsewhere")
    assert profile("quick").root is profile("full", dataset="walkers").root is None  # drawn: there is no folder
    monkeypatch.setenv("CADNET_EDU_DATASET", "viper")
    assert (profile("smoke").dataset, profile("smoke").root) == ("viper", Path("somewhere"))
    assert profile("smoke", dataset="market1501").dataset == "market1501"


def test_the_environment_chooses_the_profile(monkeypatch):
    monkeypatch.delenv("CADNET_EDU_PROFILE", raising=False)
    assert profile().profile == "quick"
    monkeypatch.setenv("CADNET_EDU_PROFILE", "smoke")
    assert profile().profile == "smoke"
    assert profile("full").profile == "full"
    monkeypatch.setenv("CADNET_EDU_PROFILE", "")
    assert profile().profile == "quick"
    monkeypatch.setenv("CADNET_EDU_PROFILE", "tiny")
    with pytest.raises(ValueError, match=r"no profile 'tiny'. Choose one of: smoke, quick, reduced, full"):
        profile()


def test_unknown_names():
    with pytest.raises(ValueError, match=r"no profile 'fast'. Choose one of: smoke, quick, reduced, full"):
        profile("fast")
    with pytest.raises(ValueError, match=r"unknown setting 'learning_rate'. Settings are: .*lr, lr_D"):
        profile("smoke", learning_rate=1)
    with pytest.raises(ValueError, match=r"unknown setting 'lam.adv'. The weights of eq. \(6\) are: adv_DF, rec"):
        profile("smoke", lam={"adv": 1})


# ------------------------------------------------------------------------------------------------------------- JSON
@pytest.mark.parametrize("name", PROFILES)
def test_there_and_back_through_json(name):
    c = profile(name, root=Path("data") / "market", rates=(1, 2.5), lam=LossWeights(rec=0.5), seed=7)
    back = Config.from_dict(json.loads(json.dumps(c.to_dict())))
    assert back == c
    assert isinstance(back.root, Path)
    assert isinstance(back.rates, tuple)
    assert isinstance(back.lam, LossWeights)
    assert hash(back) == hash(c)


def test_equal_settings_are_written_alike():
    """2 and 2.0, a list and a tuple, NumPy's numbers and Python's: one setting, so one run and not two."""
    a = Config(rates=(2, 3), phi=1, lam=LossWeights(rec=2), root=Path("data"), seed=3, lr=0.5)
    b = Config(
        rates=[2.0, np.float32(3)], phi=1.0, lam=LossWeights(rec=2.0), root="data", seed=np.int64(3), lr=np.float32(0.5)
    )
    assert a == b
    assert json.dumps(a.to_dict()) == json.dumps(b.to_dict())


def test_from_dict_fills_in_what_is_missing_and_changes_nothing_it_was_given():
    given = {"lam": {"rec": 0}, "rates": [2]}
    c = Config.from_dict(given)
    assert c.lam == LossWeights(rec=0)
    assert c.height == 256
    assert given == {"lam": {"rec": 0}, "rates": [2]}


def test_lightning_s_names_of_precisions_are_understood():
    for theirs, ours in (("32-true", "fp32"), ("bf16-mixed", "bf16"), ("16-mixed", "fp16")):
        assert Config(precision=theirs) == Config(precision=ours)
    assert Config(devices="auto").devices == "auto"


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().lr = 1.0


# -------------------------------------------------------------------------------------------------------- wrong values
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 16}, "an image of 16 x 128 pixels is too small: give at least height 32 and width 16"),
        ({"height": 250}, "height 250 and width 128 must be multiples of 16"),
        ({"width": 100}, "multiples of 16"),
        ({"height": 256.0}, "height = 256.0: give a whole number"),
        ({"height": "256"}, "height = '256': give a whole number"),
        ({"seed": True}, "seed = True: give a whole number"),
        ({"rates": ()}, "give at least one down-sampling rate, each 1 or more"),
        ({"rates": (2, 0.5)}, "each 1 or more"),
        ({"rates": (float("inf"),)}, "a rate = inf: give a finite number"),
        ({"rates": ("2",)}, "a rate = '2': give a finite number"),
        ({"rates": 4}, r"rates = 4: give a sequence of numbers, such as \(2, 3, 4\)"),
        ({"rates": "234"}, "rates = '234': give a sequence"),
        ({"identities": 1}, r"1 identities x 4 images: eq. \(5\) needs at least 2 of each"),
        ({"images_per_identity": 1}, r"8 identities x 1 images: eq. \(5\) needs"),
        ({"steps": 0}, "steps = 0: give at least 1"),
        ({"log_every": 0}, "log_every = 0: give at least 1"),
        ({"checkpoint_every": -1}, "checkpoint_every = -1: give at least 1"),
        ({"backbone_width": 0}, "backbone_width = 0: give at least 1"),
        ({"decoder_width": 0}, "decoder_width = 0"),
        ({"discriminator_width": -4}, "discriminator_width = -4"),
        ({"data_seed": -1}, "data_seed = -1: it cannot be negative"),
        ({"allow_withdrawn": "yes"}, "allow_withdrawn = 'yes': give True or False"),
        ({"crop": -1}, "crop = -1: it cannot be negative"),
        ({"warmup": -5}, "warmup = -5: it cannot be negative"),
        ({"momentum": -0.1}, "momentum = -0.1: it cannot be negative"),
        ({"weight_decay": -1}, "weight_decay = -1.0: it cannot be negative"),
        ({"lr": 0}, "learning rates must be positive"),
        ({"lr_D": -1e-4}, "learning rates must be positive"),
        ({"lr": float("nan")}, "lr = nan: give a finite number"),
        ({"phi": -1}, r"phi = -1.0: the margin of eq. \(5\) cannot be negative"),
        ({"phi": None}, "phi = None: give a finite number"),
        ({"flip": "yes"}, "flip = 'yes': give True or False"),
        ({"features": "both"}, "features = 'both': choose one of 'joint', 'f', 'g'"),
        ({"features": "f", "branch_heads": True}, "branch_heads need both f and g, but features = 'f'"),
        ({"lam": {"rec": 1}}, "give LossWeights"),
        ({"accumulate": 0}, "accumulate = 0: give at least 1, the whole batch in one part"),
        ({"accumulate": 3}, "identities = 8 cannot be taken in accumulate = 3 equal parts of 2 or more"),
        ({"accumulate": 8}, "identities = 8 cannot be taken in accumulate = 8 equal parts of 2 or more"),
        ({"devices": 0}, "devices = 0: give at least 1, or 'auto'"),
        ({"devices": "all"}, "devices = 'all': give a whole number, or 'auto' for all GPUs"),
        ({"devices": 1.5}, "devices = 1.5: give a whole number"),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Config(**changes)


def test_every_choice_is_checked():
    assert set(choices()) == {
        "boxes", "size", "backbone", "last_stride", "features", "skips", "mining", "adversarial", "reduction",
        "encoder_passes", "optimiser", "schedule", "precision", "subpixel",
    }  # fmt: skip
    for name, allowed in choices().items():
        for value in allowed:
            assert getattr(Config(**{name: value}), name) == PRECISIONS.get(value, value)
        with pytest.raises(ValueError, match=f"{name} = 'wrong': choose one of {re.escape(repr(allowed[0]))}, "):
            Config(**{name: "wrong"})


@pytest.mark.parametrize("name", ["adv_DF", "rec", "adv_DI"])
@pytest.mark.parametrize(
    ("value", "message"),
    [(-1, "must be 0 .term off. or positive"), (float("nan"), "finite"), (float("inf"), "finite"), ("1", "finite")],
)
def test_wrong_loss_weights(name, value, message):
    with pytest.raises(ValueError, match=rf"lam\.{name} = .*{message}"):
        LossWeights(**{name: value})


# ----------------------------------------------------------------------------------------------------------- the cache
def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("CADNET_EDU_CACHE", "~/mine")
    assert cache_dir() == Path.home() / "mine"
    monkeypatch.delenv("CADNET_EDU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_dir() == Path("/somewhere/cadnet_edu")
    for unset in (lambda: monkeypatch.setenv("XDG_CACHE_HOME", ""), lambda: monkeypatch.delenv("XDG_CACHE_HOME")):
        unset()
        assert cache_dir() == Path.home() / ".cache" / "cadnet_edu"


def test_asking_for_the_cache_makes_no_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    assert not cache_dir().exists()


def test_without_a_home_the_way_out_is_named(monkeypatch, tmp_path):
    for name in ("CADNET_EDU_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(ValueError, match="set the variable CADNET_EDU_CACHE to a folder that can be written"):
        cache_dir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot be made.*The variable CADNET_EDU_CACHE names another place"):
        make_cache_folder(tmp_path / "file" / "runs")


def test_a_setting_that_has_gone_is_understood_at_its_default_only():
    old = Config().to_dict() | {"recover_first": 0}
    assert Config.from_dict(old) == Config()
    with pytest.raises(ValueError, match="recover_first = 5: this version has no such setting any more"):
        Config.from_dict(old | {"recover_first": 5})
