"""All settings of a run: ``Config()`` is the paper (Sec. 4.1), a preset lists only what differs.

A comment names the section of the paper that gives the number; "ours" marks those that the paper leaves open.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints


def expand(path: Path) -> Path:
    """A path, with a leading ``~`` or ``~user`` replaced by that home folder. A ``~name`` of no user stays.

    Raises:
        ValueError: for ``~`` where no home folder is known.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        if path.parts[0] != "~":
            return path
        raise ValueError(f"{path}: there is no home folder here for ~ to stand for. Give the whole path.") from None


def check_finite(name: str, value: Any) -> None:
    """Refuse a value that is no finite number.

    Raises:
        ValueError: for text, infinities, NaN and the like.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} = {value!r}: give a finite number.")


def require(ok: bool, message: str) -> None:
    """Raise ``ValueError`` with this message unless a condition holds."""
    if not ok:
        raise ValueError(message)


# Names of the precisions in Lightning, which are accepted as well -> ours.
PRECISIONS = {"32-true": "fp32", "bf16-mixed": "bf16", "16-mixed": "fp16"}


class _Group:
    """Base of the five groups: numbers are converted to the type of their field, so that 2 and 2.0 are one setting."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if hint is float:
                check_finite(name, value)
                object.__setattr__(self, name, float(value))
            elif hint is int:
                require(isinstance(value, Integral) and not isinstance(value, bool),
                        f"{name} = {value!r}: give a whole number.")  # fmt: skip
                object.__setattr__(self, name, int(value))
            elif hint is bool:
                require(isinstance(value, bool), f"{name} = {value!r}: give True or False.")
            elif get_origin(hint) is Literal:  # a misspelt choice must never train something else in silence
                allowed = get_args(hint)
                require(value in allowed, f"{name} = {value!r}: choose one of {', '.join(map(repr, allowed))}.")

    def _at_least(self, least: int, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            require(value >= least, f"{name} = {value}: give at least {least}." if least else
                    f"{name} = {value}: it cannot be negative.")  # fmt: skip


@dataclass(frozen=True)
class DataConfig(_Group):
    """The data set, its images, and how batches are drawn from them."""

    dataset: str = "market1501"  # Sec. 4.2; "walkers" is the embedded set
    root: Path | None = None  # folder of a data set on disk; the embedded set needs none
    data_seed: int = 0  # ours: which random halves (viper, caviar, own), test set (cuhk03) or people (walkers)
    bbox: Literal["detected", "labeled"] = "detected"  # of cuhk03 only; the paper does not specify it
    filename_pattern: str = "{pid}_{camera}_*"  # of own images only: where identity and camera stand in file names
    allow_withdrawn: bool = False  # of dukemtmc_reid only, which was withdrawn in 2019
    walkers_size: Literal["S", "M", "L", "XL"] = "L"  # of the embedded set only
    height: int = 256  # Sec. 4.1
    width: int = 128  # Sec. 4.1
    rates: tuple[float, ...] = (2, 3, 4)  # Sec. 4.4; (1,) trains on HR images alone
    num_identities: int = 8  # ours: the paper's batch of 32 is 8 identities x 4 images, for each resolution
    num_instances: int = 4  # ours: the fewest that give each anchor of eq. (5) three positives to choose from
    flip: bool = True  # ours: random left-right flips
    max_shift: int = 0  # ours: random shifts of up to this many pixels
    label_fraction: float = 1.0  # ours: share of the training identities that have labels
    unlabelled_batch_size: int = 0  # ours: images without a label that join each batch, for each resolution

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.height >= 32 and self.width >= 16,
            f"an image of {self.height} x {self.width} pixels is too small: give at least height 32 and width 16.",
        )
        require(
            self.height % 16 == 0 and self.width % 16 == 0,
            f"height {self.height} and width {self.width} must be multiples of 16, "
            "because the networks halve the image four times or more.",
        )
        if isinstance(self.rates, str) or not isinstance(self.rates, Iterable):
            raise ValueError(f"rates = {self.rates!r}: give a sequence of numbers, such as (2, 3, 4).")
        for rate in self.rates:
            check_finite("a rate", rate)
        object.__setattr__(self, "rates", tuple(float(r) for r in self.rates))
        require(
            len(self.rates) > 0 and all(r >= 1 for r in self.rates),
            f"rates {self.rates}: give at least one down-sampling rate, each 1 or more.",
        )
        require(
            self.num_identities >= 2 and self.num_instances >= 2,
            f"{self.num_identities} identities x {self.num_instances} images: eq. (5) needs at least 2 of each.",
        )
        self._at_least(0, "data_seed", "max_shift", "unlabelled_batch_size")
        require(
            0 < self.label_fraction <= 1, f"label_fraction = {self.label_fraction}: give a share above 0, at most 1."
        )
        if self.root is not None:
            object.__setattr__(self, "root", expand(Path(self.root)))

    @property
    def batch_size(self) -> int:
        """Images of one resolution in a batch (Sec. 4.1: 32)."""
        return self.num_identities * self.num_instances

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` of every image."""
        return self.height, self.width


@dataclass(frozen=True)
class ModelConfig(_Group):
    """The networks E, G, F, C, D_F and D_I."""

    backbone: Literal["resnet50", "resnet18", "slim"] = "resnet50"  # Sec. 4.1
    weights: str = "imagenet"  # Sec. 4.1; "walkers", "none", or a local file: a backbone's weights, or a run's
    last_stride: Literal[1, 2] = 2  # ours: 2 is ResNet-50 as published; 1 doubles the size of f
    features: Literal["joint", "f", "g"] = "joint"  # Sec. 3.3: v = [f, g]; "f only" and "g only" of Table 1
    backbone_width: int = 64  # channels of the first stage; ResNet-50 has 64
    decoder_width: int = 64  # channels of G at full image size, as in Miyato & Koyama
    discriminator_width: int = 64  # channels of the first layer of D_F (Tsai et al.) and of D_I (ResNet-18)
    bnneck: bool = False  # ours: BatchNorm between u and C's layer
    auxiliary_heads: bool = False  # ours: L_cls on f and on g as well as on v
    joint_batchnorm: bool = False  # ours: E's BatchNorm sees HR and LR images together, not in two passes
    skips: Literal["encoder", "encoder+residual", "none"] = "encoder"  # Sec. 3.2; where is ours
    pixel_shuffle: Literal[1, 2, 4] = 1  # ours: G's last doublings by a sub-pixel convolution, for less computation
    decoder_grad_scale: float = 1.0  # ours: share of the gradient that flows from G back into E
    use_decoder: bool = True  # ours: without it F sees the input itself, the two-encoder control

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least(1, "backbone_width", "decoder_width", "discriminator_width")
        require(
            0 <= self.decoder_grad_scale <= 1,
            f"decoder_grad_scale = {self.decoder_grad_scale}: give a share from 0 to 1.",
        )
        require(
            not self.auxiliary_heads or self.features == "joint",
            f"auxiliary_heads need both f and g, but features = {self.features!r}: use 'joint'.",
        )
        if isinstance(self.weights, str) and self.weights.startswith("~"):
            object.__setattr__(self, "weights", str(expand(Path(self.weights))))


@dataclass(frozen=True)
class LossConfig(_Group):
    """Eq. (1) to (6). A lambda of 0 removes its term, and the network that only it would train."""

    lambda_adv_DF: float = 1.0  # Sec. 4.1
    lambda_rec: float = 1.0  # Sec. 4.1
    lambda_adv_DI: float = 1.0  # Sec. 4.1
    lambda_cls: float = 1.0  # ours: eq. (6) has none; 0 is the last ablation of Table 3
    lambda_con: float = 0.0  # ours: CAD-Net++ has a feature-consistency loss; see L_con
    lr_labels: bool = True  # ours: L_cls sees LR images too; False is for LR images without labels
    margin: float = 2.0  # Sec. 4.1: phi of eq. (5)
    mining: Literal["batch_hard", "batch_all"] = "batch_hard"  # ours: the choice of eq. (5)'s reference
    gan_loss: Literal["non_saturating", "minimax"] = "non_saturating"  # ours: E and G's side of (1) and (3)
    reduction: Literal["mean", "sum"] = "mean"  # ours: of eq. (2) over pixels
    smooth_l1_beta: float = 0.0  # ours: below this difference eq. (2)'s L1 norm is rounded to a square; 0 is plain L1
    d_batch_size: int = 0  # ours: images of each kind that D_I sees in a step; 0 is the whole batch

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in dataclasses.asdict(self).items():
            require(
                not name.startswith("lambda_") or value >= 0,
                f"{name} = {value}: a loss weight must be 0 (term off) or positive.",
            )
        require(self.margin >= 0, f"margin = {self.margin}: the margin of eq. (5) cannot be negative.")
        self._at_least(0, "smooth_l1_beta", "d_batch_size")


@dataclass(frozen=True)
class OptimConfig(_Group):
    """The optimizers of both sides and their learning rates."""

    optimizer: Literal["sgd", "adamw"] = "sgd"  # Sec. 4.1
    lr: float = 1e-3  # Sec. 4.1: E, G, F, C
    momentum: float = 0.9  # Sec. 4.1
    weight_decay: float = 5e-4  # Sec. 4.1
    lr_D: float = 1e-4  # Sec. 4.1: D_F, D_I
    steps: int = 60_000  # ours: about 150 passes over Market-1501
    warmup_steps: int = 0  # ours: steps over which the rate grows from 0
    lr_schedule: Literal["constant", "step", "cosine"] = "step"  # ours: x 0.1 at 1/2 and at 3/4 of the steps
    accumulate_grad_batches: int = 1  # ours: micro-batches per step, for less memory; see Trainer.step

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least(1, "steps")
        self._at_least(0, "warmup_steps", "momentum", "weight_decay")
        require(self.lr > 0 and self.lr_D > 0, f"lr = {self.lr}, lr_D = {self.lr_D}: learning rates must be positive.")
        require(
            self.accumulate_grad_batches >= 1,
            f"accumulate_grad_batches = {self.accumulate_grad_batches}: give at least 1, the whole batch in one part.",
        )


@dataclass(frozen=True)
class RunConfig(_Group):
    """The method, the seed, the device and its precision, and how often to log and save."""

    method: str = "cadnet"  # one of cadnet_edu.methods.METHODS; it sets the defaults of its settings
    preset: str = "full"  # smoke, quick, reduced or full: it sets the defaults of all other settings
    seed: int = 0  # of weights and batches
    device: str = "auto"  # "auto", "cpu", "cuda", "mps"
    devices: int | Literal["auto"] = 1  # number of devices that share a batch; "auto" takes all GPUs
    precision: Literal["auto", "fp32", "bf16", "fp16", "32-true", "bf16-mixed", "16-mixed"] = "auto"  # auto: by device
    log_every: int = 50  # steps
    checkpoint_every: int = 1000  # steps

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.seed < 2**62, f"seed = {self.seed}: give a whole number from 0 to 2**62 - 1.")
        self._at_least(1, "log_every", "checkpoint_every")
        if self.devices != "auto":
            require(
                isinstance(self.devices, Integral) and not isinstance(self.devices, bool),
                f"devices = {self.devices!r}: give a whole number, or 'auto' for all GPUs.",
            )
            require(self.devices >= 1, f"devices = {self.devices}: give at least 1, or 'auto'.")
        object.__setattr__(self, "precision", PRECISIONS.get(self.precision, self.precision))


OF_G = ("decoder_width", "skips", "pixel_shuffle", "decoder_grad_scale", "reduction", "smooth_l1_beta")
OF_DISCRIMINATORS = ("discriminator_width", "gan_loss", "lr_D")


@dataclass(frozen=True)
class Config:
    """All settings of one training run, in five groups. The defaults are the paper's, or ours where it gives none.

    No two settings have the same name, so that a setting can be given without its group: ``Config().replace(lr=0.1)``,
    ``preset("quick", lr=0.1)``, ``--lr 0.1``.

    Raises:
        ValueError: for an invalid value, with the valid ones.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        people, parts = self.data.num_identities, self.optim.accumulate_grad_batches
        require(
            people >= 2 * parts and people % parts == 0,
            f"num_identities = {people} cannot be taken in accumulate_grad_batches = {parts} equal parts of 2 or "
            "more: eq. (5) needs two people in each.",
        )

    @property
    def has_decoder(self) -> bool:
        """Whether G is built: "f only" without a loss on recovered images has none."""
        on_images = self.loss.lambda_rec > 0 or self.loss.lambda_adv_DI > 0
        return self.model.use_decoder and (self.model.features != "f" or on_images)

    def unused(self) -> tuple[str, ...]:
        """The settings of G and of the discriminators, where they are not built: their values change nothing."""
        D_F, D_I = self.loss.lambda_adv_DF > 0, self.loss.lambda_adv_DI > 0
        return (
            *(() if self.has_decoder else OF_G),
            *(() if D_F or D_I else OF_DISCRIMINATORS),
            *(() if D_I else ("d_batch_size",)),
        )

    def replace(self, **changes: Any) -> Config:
        """The same settings with some changed, each by its own name.

        Raises:
            ValueError: for a setting that does not exist.

        >>> Config().replace(steps=9, margin=1).optim.steps
        9
        """
        groups = group_of()
        unknown = sorted(set(changes) - set(groups))
        if unknown:
            now = f", which is now called {RENAMED[unknown[0]]!r}" if unknown[0] in RENAMED else ""
            raise ValueError(f"unknown setting {unknown[0]!r}{now}. Settings are: {', '.join(sorted(groups))}.")
        of: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            of.setdefault(groups[name], {})[name] = value
        return dataclasses.replace(self, **{g: dataclasses.replace(getattr(self, g), **c) for g, c in of.items()})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Group -> setting -> plain value, ready for JSON; ``Config.from_dict`` is the inverse."""
        out = dataclasses.asdict(self)
        out["data"] |= {"root": None if self.data.root is None else str(self.data.root), "rates": [*self.data.rates]}
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Inverse of ``to_dict``; missing settings have their defaults, names of earlier versions are understood.

        Raises:
            ValueError: for an unknown setting, or a removed one with another value than its default.
        """
        return cls().replace(**flatten(values))


@cache
def group_of() -> dict[str, str]:
    """Setting -> the group of ``Config`` that it belongs to.

    >>> group_of()["lr"]
    'optim'
    """
    groups = {group.name: group.default_factory for group in dataclasses.fields(Config)}
    return {each.name: name for name, kind in groups.items() for each in dataclasses.fields(kind)}  # type: ignore[arg-type]


@cache
def choices() -> dict[str, tuple[Any, ...]]:
    """Setting -> its possible values, for those that have a list of them.

    >>> choices()["optimizer"]
    ('sgd', 'adamw')
    """
    hints = {k: hint for group in get_type_hints(Config).values() for k, hint in get_type_hints(group).items()}
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


# ------------------------------------------------------------------------------------ settings of earlier versions

RENAMED = {
    "profile": "preset", "size": "walkers_size", "boxes": "bbox", "pattern": "filename_pattern",
    "identities": "num_identities", "images_per_identity": "num_instances", "crop": "max_shift",
    "labelled": "label_fraction", "unlabelled_images": "unlabelled_batch_size", "neck": "bnneck",
    "branch_heads": "auxiliary_heads", "encoder_passes": "joint_batchnorm", "subpixel": "pixel_shuffle",
    "backflow": "decoder_grad_scale", "recovery": "use_decoder", "lam.adv_DF": "lambda_adv_DF",
    "lam.rec": "lambda_rec", "lam.adv_DI": "lambda_adv_DI", "lam.cls": "lambda_cls", "phi": "margin",
    "adversarial": "gan_loss", "smooth": "smooth_l1_beta", "judged_images": "d_batch_size", "optimiser": "optimizer",
    "warmup": "warmup_steps", "schedule": "lr_schedule", "accumulate": "accumulate_grad_batches",
}  # fmt: skip
RETIRED: dict[str, Any] = {"recover_first": 0}  # with the value that all records have


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in groups or flat, under present or earlier names -> setting -> value.

    Raises:
        ValueError: for a removed setting with another value than its default.

    >>> flatten({"optim": {"lr": 0.1}, "encoder_passes": 1, "lam": {"rec": 2.0}})
    {'lr': 0.1, 'joint_batchnorm': True, 'lambda_rec': 2.0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "lam" and isinstance(value, Mapping):
            found |= {RENAMED.get(f"lam.{k}", f"lam.{k}"): v for k, v in value.items()}
        elif isinstance(value, Mapping):
            found |= flatten(value)
        elif name in RETIRED:
            require(value == RETIRED[name], f"{name} = {value!r}: this version has no such setting any more.")
        else:
            found[RENAMED.get(name, name)] = value == 1 if name == "encoder_passes" else value
    return found


# --------------------------------------------------------------------------------------------------------- presets

# For small networks, trained in minutes, not days. Each of these is ours.
SLIM: dict[str, Any] = dict(
    dataset="walkers", backbone="slim", last_stride=1,
    optimizer="adamw", weight_decay=0.02, lr_schedule="cosine",
    bnneck=True,  # otherwise a baseline needs more than twice the steps
    auxiliary_heads=True,  # with one classifier on v = [f, g], the slower branch gets hardly any gradient
    joint_batchnorm=True,  # separate BatchNorm statistics hide from G whether f is of an HR or an LR image
    skips="encoder+residual",  # a narrow G cannot reconstruct every pixel of a sharp image from f
    reduction="sum",  # as eq. (2) is written; the mean with a weight of 1 leaves the training of G to L_cls
    smooth_l1_beta=0.02,  # plain L1 would keep G at the identity on HR images
    decoder_grad_scale=0.3,  # G needs the resolution in f, which D_F removes: with all of it, f is G's alone
    pixel_shuffle=2,
)  # fmt: skip
# What two cores train in minutes: E and F start as trained on other drawn people, where the paper's start from
# ImageNet, so that D_F can have the paper's weight. A person at r = 4 is 16 x 8 pixels of 64 x 32; the paper's 64 x 32.
SMALL: dict[str, Any] = dict(
    SLIM, walkers_size="M", height=64, width=32, weights="walkers", backbone_width=16, decoder_width=8,
    discriminator_width=8, d_batch_size=4, lr_D=1e-3, max_shift=3, warmup_steps=40, steps=300,
)  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {
    # Does it run? Seconds, for tests; from nothing, with a weaker D_F and a larger rate, as that wants.
    "smoke": dict(SLIM, walkers_size="S", height=64, width=32, weights="none", backbone_width=8, decoder_width=4,
                  discriminator_width=8, d_batch_size=8, lambda_adv_DF=0.05, lr=3e-3, lr_D=2e-4, num_identities=4,
                  steps=30, warmup_steps=5, log_every=5, checkpoint_every=10),
    # Trends, in minutes on two cores: what `make book` runs.
    "quick": dict(SMALL, log_every=10, checkpoint_every=100),
    # Orderings: the same networks and steps, for the committed tables with their seeds and rows; hours on two cores.
    "reduced": dict(SMALL, log_every=20, checkpoint_every=250),
    # The paper (Sec. 4.1): Config() itself.
    "full": {},
}  # fmt: skip


def preset(name: str | None = None, **changes: Any) -> Config:
    """The settings of a preset, with some of them changed.

    Args:
        name: ``smoke``, ``quick``, ``reduced`` or ``full``; without it the environment variable
            ``CADNET_EDU_PRESET`` decides, and ``quick`` when that is unset.
        changes: any setting of ``Config`` by its name. Where they give no ``dataset`` and no ``root``, the environment
            variables ``CADNET_EDU_DATASET`` and ``CADNET_EDU_ROOT`` do, so that a notebook runs on another set as it
            is.

    Raises:
        ValueError: for an unknown preset or setting, and for the earlier variable ``CADNET_EDU_PROFILE``.

    >>> preset("full").data.batch_size
    32
    >>> preset("smoke", steps=2).optim.steps
    2
    """
    name = name or os.environ.get("CADNET_EDU_PRESET")
    if not name and os.environ.get("CADNET_EDU_PROFILE"):
        old = os.environ["CADNET_EDU_PROFILE"]
        raise ValueError(f"CADNET_EDU_PROFILE is now called CADNET_EDU_PRESET: set CADNET_EDU_PRESET={old} instead.")
    name = name or "quick"
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}. Choose one of: {', '.join(PRESETS)}.")
    return Config().replace(**{"preset": name, **PRESETS[name], **data_named(PRESETS[name], changes), **changes})


def data_named(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The data set and its folder from the environment, where they are not given; the embedded set has no folder.

    Args:
        settings: of the preset.
        changes: that a caller gives.
    """
    found = {}
    if "dataset" not in changes and os.environ.get("CADNET_EDU_DATASET"):
        found["dataset"] = os.environ["CADNET_EDU_DATASET"]
    dataset = {"dataset": DataConfig.dataset, **settings, **found, **changes}["dataset"]
    if "root" not in changes and dataset != "walkers" and os.environ.get("CADNET_EDU_ROOT"):
        found["root"] = os.environ["CADNET_EDU_ROOT"]
    return found


def cache_dir() -> Path:
    """The folder of rendered images, trained runs and downloaded weights.

    The environment variable ``CADNET_EDU_CACHE`` decides; without it ``~/.cache/cadnet_edu`` (or
    ``$XDG_CACHE_HOME/cadnet_edu``). The folder need not exist.

    Raises:
        ValueError: without either variable and without a home folder.
    """
    given = os.environ.get("CADNET_EDU_CACHE")
    try:
        if given:
            return Path(given).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cadnet_edu"
    except RuntimeError:  # a container's user without a home
        raise ValueError(
            "there is no home folder in which drawn images and trained runs could be kept: set the variable "
            "CADNET_EDU_CACHE to a folder that can be written."
        ) from None


def make_cache_folder(folder: Path) -> Path:
    """Create a folder below ``cache_dir()``.

    Raises:
        OSError: when it cannot be created, with the variable that chooses another place.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"{folder} cannot be made ({error.strerror}). The variable CADNET_EDU_CACHE names another place"
        raise OSError(error.errno, why) from None
    return folder
