"""Config() is Sec. 4.1; a preset lists only what differs; what cannot work is refused with a reason."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from cadnet_edu.config import (
    PRECISIONS,
    PRESETS,
    RENAMED,
    Config,
    LossConfig,
    cache_dir,
    choices,
    flatten,
    group_of,
    make_cache_folder,
    preset,
)


def test_every_default_is_pinned():
    """A changed default changes what "the paper's configuration" means: it must be changed here as well."""
    assert flatten(Config().to_dict()) == {
        "dataset": "market1501", "root": None, "data_seed": 0, "bbox": "detected", "allow_withdrawn": False,
        "filename_pattern": "{pid}_{camera}_*", "walkers_size": "L", "height": 256, "width": 128, "flip": True,
        "rates": [2.0, 3.0, 4.0], "num_identities": 8, "num_instances": 4, "max_shift": 0, "label_fraction": 1.0,
        "unlabelled_batch_size": 0,
        "backbone": "resnet50", "weights": "imagenet", "last_stride": 2, "features": "joint", "backbone_width": 64,
        "decoder_width": 64, "discriminator_width": 64, "bnneck": False, "auxiliary_heads": False, "use_decoder": True,
        "joint_batchnorm": False, "skips": "encoder", "pixel_shuffle": 1, "decoder_grad_scale": 1.0,
        "lambda_adv_DF": 1.0, "lambda_rec": 1.0, "lambda_adv_DI": 1.0, "lambda_cls": 1.0, "lambda_con": 0.0,
        "lr_labels": True, "margin": 2.0,
        "mining": "batch_hard", "gan_loss": "non_saturating", "reduction": "mean", "smooth_l1_beta": 0.0,
        "d_batch_size": 0, "optimizer": "sgd", "lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4, "lr_D": 1e-4,
        "steps": 60_000, "warmup_steps": 0, "lr_schedule": "step", "accumulate_grad_batches": 1,
        "method": "cadnet", "preset": "full", "seed": 0, "device": "auto", "devices": 1, "precision": "auto",
        "log_every": 50, "checkpoint_every": 1000,
    }  # fmt: skip


def test_no_two_settings_have_the_same_name():
    names = [name for group in Config().to_dict().values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) == set(group_of())


# Each setting of 0.1.0 that has another name now, with a value that is not its default, and what it has become.
OLD = {
    "profile": ("quick", "preset", "quick"), "size": ("M", "walkers_size", "M"),
    "boxes": ("labeled", "bbox", "labeled"),
    "pattern": ("{pid}_*", "filename_pattern", "{pid}_*"), "identities": (4, "num_identities", 4),
    "images_per_identity": (2, "num_instances", 2), "crop": (3, "max_shift", 3),
    "labelled": (0.2, "label_fraction", 0.2),
    "unlabelled_images": (16, "unlabelled_batch_size", 16), "neck": (True, "bnneck", True),
    "branch_heads": (True, "auxiliary_heads", True), "encoder_passes": (1, "joint_batchnorm", True),
    "subpixel": (4, "pixel_shuffle", 4), "backflow": (0.05, "decoder_grad_scale", 0.05),
    "recovery": (False, "use_decoder", False), "phi": (1.0, "margin", 1.0), "smooth": (0.02, "smooth_l1_beta", 0.02),
    "adversarial": ("minimax", "gan_loss", "minimax"), "judged_images": (8, "d_batch_size", 8),
    "optimiser": ("adamw", "optimizer", "adamw"), "warmup": (40, "warmup_steps", 40),
    "schedule": ("cosine", "lr_schedule", "cosine"), "accumulate": (2, "accumulate_grad_batches", 2),
}  # fmt: skip


def test_settings_of_version_0_1_are_understood():
    assert {*OLD, *(f"lam.{name}" for name in ("adv_DF", "rec", "adv_DI", "cls"))} == set(RENAMED)
    for old, (given, new, value) in OLD.items():
        assert Config.from_dict({old: given}) == Config().replace(**{new: value}), old
        assert value != flatten(Config().to_dict())[new], old
    assert Config.from_dict({"encoder_passes": 2}) == Config()
    old = {"lam": {"adv_DF": 0.5, "rec": 0.25, "adv_DI": 2, "cls": 0}, "lr": 0.5}
    new = Config().replace(lambda_adv_DF=0.5, lambda_rec=0.25, lambda_adv_DI=2, lambda_cls=0, lr=0.5)
    assert Config.from_dict(old) == Config.from_dict(old | {"recover_first": 0}) == new
    with pytest.raises(ValueError, match="recover_first = 5: this version has no such setting any more"):
        Config.from_dict(old | {"recover_first": 5})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_it_lists_and_lists_only_what_differs(name):
    c, defaults = preset(name), flatten(Config().to_dict())
    assert c.run.preset == name
    assert {k: getattr(getattr(c, group_of()[k]), k) for k in PRESETS[name]} == PRESETS[name]
    assert [k for k, value in PRESETS[name].items() if value == defaults[k]] == []
    assert (c == Config()) == (name == "full")  # the paper's configuration


def test_the_environment_names_the_data_where_nobody_else_does(monkeypatch):
    monkeypatch.setenv("CADNET_EDU_ROOT", "somewhere")
    assert preset("full").data.root == Path("somewhere")
    assert preset("full", root="elsewhere").data.root == Path("elsewhere")
    assert preset("quick").data.root is preset("full", dataset="walkers").data.root is None  # drawn: there is no folder
    monkeypatch.setenv("CADNET_EDU_DATASET", "viper")
    assert (preset("smoke").data.dataset, preset("smoke").data.root) == ("viper", Path("somewhere"))
    assert preset("smoke", dataset="market1501").data.dataset == "market1501"


def test_the_environment_chooses_the_preset(monkeypatch):
    monkeypatch.delenv("CADNET_EDU_PRESET", raising=False)
    assert preset().run.preset == "quick"
    for value, chosen in (("", "quick"), ("smoke", "smoke")):
        monkeypatch.setenv("CADNET_EDU_PRESET", value)
        assert preset().run.preset == chosen
    assert preset("full").run.preset == "full"
    monkeypatch.setenv("CADNET_EDU_PRESET", "tiny")
    with pytest.raises(ValueError, match=r"no preset 'tiny'. Choose one of: smoke, quick, reduced, full"):
        preset()


def test_unknown_names():
    with pytest.raises(ValueError, match=r"unknown setting 'learning_rate'. Settings are: .*lr, lr_D"):
        preset("smoke", learning_rate=1)
    with pytest.raises(ValueError, match=r"unknown setting 'phi', which is now called 'margin'"):
        preset("smoke", phi=1)
    for values in ({"lam": {"adv": 1}}, {"loss": {"lambda_adv": 1}}):
        with pytest.raises(ValueError, match=r"unknown setting 'lam(\.|bda_)adv'. Settings are: .*lambda_adv_DF"):
            Config.from_dict(values)


@pytest.mark.parametrize("name", PRESETS)
def test_there_and_back_through_json(name):
    c = preset(name, root=Path("data") / "market", rates=(1, 2.5), lambda_rec=0.5, seed=7)
    back = Config.from_dict(json.loads(json.dumps(c.to_dict())))
    assert back == c
    assert isinstance(back.data.root, Path)
    assert isinstance(back.data.rates, tuple)
    assert hash(back) == hash(c)


def test_equal_settings_are_written_alike():
    """2 and 2.0, a list and a tuple, NumPy's numbers and Python's: one setting, so one run and not two."""
    a = Config().replace(rates=(2, 3), margin=1, lambda_rec=2, root=Path("data"), seed=3, lr=0.5)
    b = Config().replace(
        rates=[2.0, np.float32(3)], margin=1.0, lambda_rec=2.0, root="data", seed=np.int64(3), lr=np.float32(0.5)
    )
    assert a == b
    assert json.dumps(a.to_dict()) == json.dumps(b.to_dict())


def test_from_dict_fills_in_what_is_missing_and_changes_nothing_it_was_given():
    given = {"loss": {"lambda_rec": 0}, "rates": [2]}
    c = Config.from_dict(given)
    assert c.loss == LossConfig(lambda_rec=0)
    assert c.data.height == 256
    assert given == {"loss": {"lambda_rec": 0}, "rates": [2]}


LAMBDAS = ("lambda_adv_DF", "lambda_rec", "lambda_adv_DI", "lambda_cls")
WIDTHS = ("backbone_width", "decoder_width", "discriminator_width")
NOT_NEGATIVE = ("data_seed", "max_shift", "warmup_steps", "momentum", "weight_decay")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 16}, "an image of 16 x 128 pixels is too small: give at least height 32 and width 16"),
        ({"height": 250}, "height 250 and width 128 must be multiples of 16"),
        ({"height": 256.0}, "height = 256.0: give a whole number"),
        ({"seed": True}, "seed = True: give a whole number"),
        ({"rates": ()}, "give at least one down-sampling rate, each 1 or more"),
        ({"rates": (2, 0.5)}, "each 1 or more"),
        ({"rates": ("2",)}, "a rate = '2': give a finite number"),
        ({"rates": "234"}, r"rates = '234': give a sequence of numbers, such as \(2, 3, 4\)"),
        ({"num_identities": 1}, r"1 identities x 4 images: eq. \(5\) needs at least 2 of each"),
        ({"num_instances": 1}, r"8 identities x 1 images: eq. \(5\) needs"),
        *(({name: 0}, f"{name} = 0: give at least 1") for name in ("steps", "log_every", "checkpoint_every", *WIDTHS)),
        *(({name: -1}, f"{name} = -1(.0)?: it cannot be negative") for name in NOT_NEGATIVE),
        ({"allow_withdrawn": "yes"}, "allow_withdrawn = 'yes': give True or False"),
        ({"lr": 0}, "learning rates must be positive"),
        ({"lr_D": -1e-4}, "learning rates must be positive"),
        ({"lr": float("nan")}, "lr = nan: give a finite number"),
        ({"margin": -1}, r"margin = -1.0: the margin of eq. \(5\) cannot be negative"),
        ({"margin": None}, "margin = None: give a finite number"),
        ({"flip": "yes"}, "flip = 'yes': give True or False"),
        ({"features": "both"}, "features = 'both': choose one of 'joint', 'f', 'g'"),
        ({"features": "f", "auxiliary_heads": True}, "auxiliary_heads need both f and g, but features = 'f'"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches = 0: give at least 1, the whole batch in one part"),
        ({"accumulate_grad_batches": 3}, "num_identities = 8 .* accumulate_grad_batches = 3 equal parts of 2 or more"),
        ({"accumulate_grad_batches": 8}, "num_identities = 8 .* accumulate_grad_batches = 8 equal parts of 2 or more"),
        *(({name: -1}, f"{name} = -1.0: .* must be 0 .term off. or positive") for name in LAMBDAS),
        *(({name: "1"}, f"{name} = '1': give a finite number") for name in LAMBDAS),
        ({"lambda_rec": float("inf")}, "lambda_rec = inf: give a finite number"),
        ({"devices": 0}, "devices = 0: give at least 1, or 'auto'"),
        ({"devices": "all"}, "devices = 'all': give a whole number, or 'auto' for all GPUs"),
        ({"devices": 1.5}, "devices = 1.5: give a whole number"),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Config().replace(**changes)


def test_every_choice_is_checked():
    assert set(choices()) == {
        "bbox", "walkers_size", "backbone", "last_stride", "features", "skips", "mining", "gan_loss", "reduction",
        "optimizer", "lr_schedule", "precision", "pixel_shuffle",
    }  # fmt: skip
    for name, allowed in choices().items():
        for value in allowed:
            assert flatten(Config().replace(**{name: value}).to_dict())[name] == PRECISIONS.get(value, value)
        with pytest.raises(ValueError, match=f"{name} = 'wrong': choose one of {re.escape(repr(allowed[0]))}, "):
            Config().replace(**{name: "wrong"})


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("CADNET_EDU_CACHE", "~/mine")
    assert cache_dir() == Path.home() / "mine"
    monkeypatch.delenv("CADNET_EDU_CACHE")
    for value, folder in (("/somewhere", Path("/somewhere/cadnet_edu")), ("", Path.home() / ".cache" / "cadnet_edu")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_dir() == folder
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "cadnet_edu"


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
