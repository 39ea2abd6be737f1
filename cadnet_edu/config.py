"""Every number of a run in one place: ``Config()`` is the paper (Sec. 4.1), a profile lists only what differs.

Where the paper gives a number the comment names its section; where it is silent the comment says "ours".
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


def number(name: str, value: Any) -> None:
    """Refuse what is no finite number.

    Raises:
        ValueError: for text, infinities, NaN and the like.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} = {value!r}: give a finite number.")


# What others call them: Lightning's names are understood, and kept as ours, so that one setting has one name.
PRECISIONS = {"32-true": "fp32", "bf16-mixed": "bf16", "16-mixed": "fp16"}


# Settings that earlier versions had, with the one value that every kept run has of them.
RETIRED: dict[str, Any] = {"recover_first": 0}


@dataclass(frozen=True)
class LossWeights:
    """The weights of eq. (6); a weight of 0 removes its term, and the network that only it would train."""

    adv_DF: float = 1.0  # lambda_adv^{D_F}, Sec. 4.1
    rec: float = 1.0  # lambda_rec, Sec. 4.1
    adv_DI: float = 1.0  # lambda_adv^{D_I}, Sec. 4.1
    cls: float = 1.0  # ours: eq. (6) has none; 0 is the last ablation of Table 3

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            number(f"lam.{name}", value)
            if value < 0:
                raise ValueError(f"lam.{name} = {value}: a loss weight must be 0 (term off) or positive.")
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True)
class Config:
    """All settings of one training run. The defaults are the paper's, or ours where the paper is silent.

    Raises:
        ValueError: for a value that cannot work, with what is needed instead.
    """

    # What is trained
    method: str = "cadnet"  # a name for tables and folders; see cadnet_edu.methods
    profile: str = "full"  # which profile these settings started from
    seed: int = 0

    # Data
    dataset: str = "market1501"  # Sec. 4.2; "walkers" is the embedded set
    root: Path | None = None  # folder of a data set on disk; the embedded set needs none
    data_seed: int = 0  # ours: which random halves (viper, caviar, own), test set (cuhk03) or people (walkers)
    boxes: Literal["detected", "labeled"] = "detected"  # of cuhk03 only; the paper does not say which
    pattern: str = "{pid}_{camera}_*"  # of one's own images only: how file names say who and where
    allow_withdrawn: bool = False  # of dukemtmc_reid only, which was withdrawn in 2019
    size: Literal["S", "M", "L"] = "L"  # of the embedded set only
    height: int = 256  # Sec. 4.1
    width: int = 128  # Sec. 4.1
    rates: tuple[float, ...] = (2, 3, 4)  # Sec. 4.4; (1,) trains on HR images alone
    identities: int = 8  # ours: the paper's batch of 32 is 8 identities x 4 images, for each resolution
    images_per_identity: int = 4  # ours: the fewest that give each anchor of eq. (5) three positives to choose from
    flip: bool = True  # ours: random left-right flips
    labelled: float = 1.0  # ours: share of the training identities that have labels
    unlabelled_images: int = 0  # ours: images without a label that join each batch, for each resolution
    crop: int = 0  # ours: random shifts of up to this many pixels

    # Networks
    backbone: Literal["resnet50", "resnet18", "slim"] = "resnet50"  # Sec. 4.1
    weights: str = "imagenet"  # Sec. 4.1: "imagenet", "none", or a local file: a backbone's weights, or a run's
    last_stride: Literal[1, 2] = 2  # ours: 2 is ResNet-50 as published; 1 doubles the size of f
    features: Literal["joint", "f", "g"] = "joint"  # Sec. 3.3: v = [f, g]; "f only" and "g only" of Table 1
    backbone_width: int = 64  # channels of the first stage; ResNet-50 has 64
    decoder_width: int = 64  # channels of G at full image size, as in Miyato & Koyama
    discriminator_width: int = 64  # first rung of the ladders of D_F (Tsai et al.) and D_I (ResNet-18)
    neck: bool = False  # ours: BatchNorm between u and C's layer
    skips: Literal["encoder", "encoder+residual", "none"] = "encoder"  # Sec. 3.2; where is ours
    subpixel: Literal[1, 2, 4] = 1  # ours: G's last doublings by a sub-pixel convolution, at a fraction of their cost
    backflow: float = 1.0  # ours: share of the gradient that flows from G back into E
    recovery: bool = True  # ours: without it F sees the input itself, the two-encoder control

    # Losses
    lam: LossWeights = field(default_factory=LossWeights)
    phi: float = 2.0  # Sec. 4.1: margin of eq. (5)
    mining: Literal["batch_hard", "batch_all"] = "batch_hard"  # ours: the choice of eq. (5)'s reference
    adversarial: Literal["non_saturating", "minimax"] = "non_saturating"  # ours: E and G's side of (1) and (3)
    reduction: Literal["mean", "sum"] = "mean"  # ours: of eq. (2) over pixels
    smooth: float = 0.0  # ours: below this difference the L1 norm of eq. (2) is rounded to a square; 0 is plain L1
    branch_heads: bool = False  # ours: L_cls on f and on g as well as on v
    judged_images: int = 0  # ours: images of each kind that D_I looks at in a step; 0 is the whole batch
    encoder_passes: Literal[1, 2] = 2  # ours: BatchNorm sees HR and LR apart (2) or together (1)

    # Optimisation
    optimiser: Literal["sgd", "adamw"] = "sgd"  # Sec. 4.1
    lr: float = 1e-3  # Sec. 4.1: E, G, F, C
    momentum: float = 0.9  # Sec. 4.1
    weight_decay: float = 5e-4  # Sec. 4.1
    lr_D: float = 1e-4  # Sec. 4.1: D_F, D_I
    steps: int = 60_000  # ours: about 150 passes over Market-1501
    warmup: int = 0  # ours: steps over which the rate grows from 0
    schedule: Literal["constant", "step", "cosine"] = "step"  # ours: x 0.1 at 1/2 and at 3/4 of the steps
    accumulate: int = 1  # ours: parts that a step takes its batch in, for less memory; see Trainer.step

    # Running
    device: str = "auto"  # "auto", "cpu", "cuda", "mps"
    devices: int | Literal["auto"] = 1  # how many that share a batch; "auto" takes all GPUs
    precision: Literal["auto", "fp32", "bf16", "fp16", "32-true", "bf16-mixed", "16-mixed"] = "auto"  # see PRECISIONS
    log_every: int = 50
    checkpoint_every: int = 1000

    def __post_init__(self) -> None:
        def need(ok: bool, what: str) -> None:
            if not ok:
                raise ValueError(what)

        self._settle()
        need(
            self.height >= 32 and self.width >= 16,
            f"an image of {self.height} x {self.width} pixels is too small: give at least height 32 and width 16.",
        )
        need(
            self.height % 16 == 0 and self.width % 16 == 0,
            f"height {self.height} and width {self.width} must be multiples of 16, "
            "because the networks halve the image four times or more.",
        )
        need(
            len(self.rates) > 0 and all(r >= 1 for r in self.rates),
            f"rates {self.rates}: give at least one down-sampling rate, each 1 or more.",
        )
        need(
            self.identities >= 2 and self.images_per_identity >= 2,
            f"{self.identities} identities x {self.images_per_identity} images: eq. (5) needs at least 2 of each.",
        )
        widths = ("backbone_width", "decoder_width", "discriminator_width")
        for name in ("steps", "log_every", "checkpoint_every", *widths):
            need(getattr(self, name) >= 1, f"{name} = {getattr(self, name)}: give at least 1.")
        for name in (
            "data_seed",
            "crop",
            "unlabelled_images",
            "judged_images",
            "smooth",
            "warmup",
            "momentum",
            "weight_decay",
        ):
            need(getattr(self, name) >= 0, f"{name} = {getattr(self, name)}: it cannot be negative.")
        need(self.lr > 0 and self.lr_D > 0, f"lr = {self.lr}, lr_D = {self.lr_D}: learning rates must be positive.")
        need(0 <= self.seed < 2**62, f"seed = {self.seed}: give a whole number from 0 to 2**62 - 1.")
        need(self.accumulate >= 1, f"accumulate = {self.accumulate}: give at least 1, the whole batch in one part.")
        need(
            self.identities >= 2 * self.accumulate and self.identities % self.accumulate == 0,
            f"identities = {self.identities} cannot be taken in accumulate = {self.accumulate} equal parts of 2 or "
            "more: eq. (5) needs two people in each.",
        )
        need(self.devices == "auto" or self.devices >= 1, f"devices = {self.devices}: give at least 1, or 'auto'.")
        need(self.phi >= 0, f"phi = {self.phi}: the margin of eq. (5) cannot be negative.")
        need(0 <= self.backflow <= 1, f"backflow = {self.backflow}: give a share from 0 to 1.")
        need(0 < self.labelled <= 1, f"labelled = {self.labelled}: give a share above 0, at most 1.")
        need(
            not self.branch_heads or self.features == "joint",
            f"branch_heads need both f and g, but features = {self.features!r}: use 'joint'.",
        )
        for name, allowed in choices().items():  # a misspelt choice must never train something else in silence
            given = getattr(self, name)
            need(given in allowed, f"{name} = {given!r}: choose one of {', '.join(map(repr, allowed))}.")

    def _settle(self) -> None:
        """Numbers become what the fields say, so that 2 and 2.0 are one setting and one run."""
        for name, hint in get_type_hints(Config).items():
            value = getattr(self, name)
            if hint is float:
                number(name, value)
                object.__setattr__(self, name, float(value))
            elif hint is bool and not isinstance(value, bool):
                raise ValueError(f"{name} = {value!r}: give True or False.")
            elif hint is int:
                if isinstance(value, bool) or not isinstance(value, Integral):
                    raise ValueError(f"{name} = {value!r}: give a whole number.")
                object.__setattr__(self, name, int(value))
        if self.devices != "auto" and (isinstance(self.devices, bool) or not isinstance(self.devices, Integral)):
            raise ValueError(f"devices = {self.devices!r}: give a whole number, or 'auto' for all GPUs.")
        object.__setattr__(self, "precision", PRECISIONS.get(self.precision, self.precision))
        if isinstance(self.rates, str) or not isinstance(self.rates, Iterable):
            raise ValueError(f"rates = {self.rates!r}: give a sequence of numbers, such as (2, 3, 4).")
        for rate in self.rates:
            number("a rate", rate)
        object.__setattr__(self, "rates", tuple(float(r) for r in self.rates))
        if self.root is not None:
            object.__setattr__(self, "root", expand(Path(self.root)))
        if isinstance(self.weights, str) and self.weights.startswith("~"):
            object.__setattr__(self, "weights", str(expand(Path(self.weights))))
        if not isinstance(self.lam, LossWeights):
            raise ValueError(f"lam = {self.lam!r}: give LossWeights(adv_DF=..., rec=..., adv_DI=...).")

    @property
    def batch_size(self) -> int:
        """Images of one resolution in a batch (Sec. 4.1: 32)."""
        return self.identities * self.images_per_identity

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, ready for JSON; ``Config.from_dict`` is the way back."""
        out = dataclasses.asdict(self)
        out["root"] = None if self.root is None else str(self.root)
        out["rates"] = list(self.rates)
        return out

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Inverse of ``to_dict``; settings that earlier versions had are understood.

        Raises:
            ValueError: for a field that does not exist, or one that has gone and had another value than its default.
        """
        for name, default in RETIRED.items():
            if values.get(name, default) != default:
                raise ValueError(f"{name} = {values[name]!r}: this version has no such setting any more.")
        values = {name: value for name, value in values.items() if name not in RETIRED}
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]!r}. Settings are: {', '.join(sorted(known))}.")
        values = dict(values)
        if isinstance(values.get("lam"), dict):
            values["lam"] = _loss_weights(values["lam"])
        return cls(**values)


def _loss_weights(values: dict[str, Any]) -> LossWeights:
    known = [f.name for f in dataclasses.fields(LossWeights)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"unknown setting 'lam.{unknown[0]}'. The weights of eq. (6) are: {', '.join(known)}.")
    return LossWeights(**values)


@cache
def choices() -> dict[str, tuple[Any, ...]]:
    """The fields of ``Config`` that take one of a few values, and which.

    >>> choices()["optimiser"]
    ('sgd', 'adamw')
    """
    hints = get_type_hints(Config)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


# A network that starts from nothing, not from ImageNet, and has minutes, not days. Each of these is ours.
FROM_NOTHING: dict[str, Any] = dict(
    dataset="walkers",
    weights="none",
    last_stride=1,
    optimiser="adamw",
    weight_decay=0.02,
    schedule="cosine",
    neck=True,  # without it a baseline needs more than twice the steps
    branch_heads=True,  # with one classifier on v = [f, g], the branch that learns faster starves the other
    encoder_passes=1,  # a BatchNorm that sees HR and LR apart hides from G which of them it has before it
    skips="encoder+residual",  # a narrow G cannot carry every pixel of a sharp image through f
    smooth=0.02,  # a G that starts perfect on HR images is held there by plain L1
    lam=LossWeights(adv_DF=0.05, rec=1000, adv_DI=0.005),  # L_rec is a mean over pixels: less, and L_cls drowns it
    backflow=0.05,  # an f that serves G has to know the resolution that D_F wants it to forget
)
SLIM: dict[str, Any] = dict(FROM_NOTHING, backbone="slim", lr=3e-3, lr_D=2e-4, subpixel=4, judged_images=8)
SMALL: dict[str, Any] = dict(SLIM, size="M", height=96, width=48, backbone_width=24, decoder_width=8,
                             discriminator_width=8, crop=3, warmup=40)  # fmt: skip
PROFILES: dict[str, dict[str, Any]] = {
    # Does it run? Seconds, for tests.
    "smoke": dict(
        SLIM,
        size="S",
        height=64,
        width=32,
        backbone_width=8,
        decoder_width=4,
        discriminator_width=8,
        identities=4,
        steps=30,
        warmup=5,
        log_every=5,
        checkpoint_every=10,
    ),
    # Trends, in minutes on two cores: what `make book` runs.
    "quick": dict(SMALL, decoder_width=4, judged_images=4, steps=400, log_every=10, checkpoint_every=100),
    # Orderings, with seeds, on two cores in an hour or two: the committed tables.
    "reduced": dict(SMALL, steps=500, log_every=20, checkpoint_every=250),
    # The paper (Sec. 4.1): Config() itself.
    "full": {},
}


def profile(name: str | None = None, **changes: Any) -> Config:
    """The settings of a profile, with some of them changed.

    Args:
        name: ``smoke``, ``quick``, ``reduced`` or ``full``; without it the environment variable
            ``CADNET_EDU_PROFILE`` decides, and ``quick`` when that is unset.
        changes: any field of ``Config``. Where they tell no ``dataset`` and no ``root``, the environment variables
            ``CADNET_EDU_DATASET`` and ``CADNET_EDU_ROOT`` do, so that a notebook runs on another set as it is.

    Raises:
        ValueError: for an unknown profile or field.

    >>> profile("full").batch_size
    32
    >>> profile("smoke", steps=2).steps
    2
    """
    name = name or os.environ.get("CADNET_EDU_PROFILE") or "quick"
    if name not in PROFILES:
        raise ValueError(f"there is no profile {name!r}. Choose one of: {', '.join(PROFILES)}.")
    return Config.from_dict({"profile": name, **PROFILES[name], **data_named(PROFILES[name], changes), **changes})


def data_named(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The data set and its folder that the environment names, where nobody else does; the embedded set has no folder.

    Args:
        settings: of the profile.
        changes: what a caller asked for.
    """
    found = {}
    if "dataset" not in changes and os.environ.get("CADNET_EDU_DATASET"):
        found["dataset"] = os.environ["CADNET_EDU_DATASET"]
    dataset = {"dataset": Config.dataset, **settings, **found, **changes}["dataset"]
    if "root" not in changes and dataset != "walkers" and os.environ.get("CADNET_EDU_ROOT"):
        found["root"] = os.environ["CADNET_EDU_ROOT"]
    return found


def cache_dir() -> Path:
    """Where rendered images, trained runs and fetched weights are kept.

    The environment variable ``CADNET_EDU_CACHE`` decides; without it ``~/.cache/cadnet_edu`` (or
    ``$XDG_CACHE_HOME/cadnet_edu``). The folder need not exist.

    Raises:
        ValueError: when neither is set and there is no home folder.
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
    """Make a folder below ``cache_dir()``.

    Raises:
        OSError: when it cannot be made; the message names the variable that points to another place.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"{folder} cannot be made ({error.strerror}). The variable CADNET_EDU_CACHE names another place"
        raise OSError(error.errno, why) from None
    return folder
