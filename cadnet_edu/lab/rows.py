"""The runs of each table and figure, as data: rows, regimes, seeds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from cadnet_edu.config import Config
from cadnet_edu.methods import method

Target = Literal["table1", "table2", "table3", "figure3", "figure4", "beyond", "claims", "regimes"]


@dataclass(frozen=True)
class Row:
    """One row of a table: a method with all its settings. Each seed is one run."""

    name: str
    label: str
    config: Config
    regime: str = "all"

    @property
    def trained(self) -> bool:
        """False for bilinear and bicubic up-sampling, which have no parameters."""
        return self.name not in FLOORS

    @property
    def main(self) -> bool:
        """Whether ``--main-seeds`` applies to it: CAD-Net and its strongest baselines."""
        return self.name in MAIN_ROWS

    def runs(self, seeds: Iterable[int]) -> list[Config]:
        """The configuration of each run; a row without training has one."""
        return [self.config.replace(seed=k) for k in seeds] if self.trained else [self.config.replace(seed=0)]


@dataclass(frozen=True)
class Regime:
    """What is labelled, and what is trained."""

    label: str
    changes: dict[str, Any] = field(default_factory=dict)  # of the preset, before the method makes its own
    fixed: bool = False  # whether F and C stay as a first stage trained them, see methods/two_stage.py

    def settings(self, base: Config) -> Config:
        """Settings of the preset in this regime."""
        return base.replace(**self.changes)


FLOORS = {"bilinear": "bilinear up-sampling", "bicubic": "bicubic up-sampling"}
LABELS = {
    **FLOORS,
    "baseline_hr": "baseline, HR images only",
    "baseline_mlr": "baseline, HR and LR images",
    "baseline_mlr_long": "baseline, HR and LR images, CAD-Net's CPU time",
    "baseline_hr_long": "baseline, HR images only, CAD-Net's CPU time",
    "two_encoders": "two encoders, no recovery",
    "two_encoders_long": "two encoders, CAD-Net's CPU time",
    "sr_first": "super-resolution first",
    "super_resolution": "super-resolution by L_rec alone",
    "cadnet": "CAD-Net",
    "cadnet_plus": "CAD-Net++ (our reading)",
    "cadnet_mean": "CAD-Net, eq. (2) as a mean",
    "baseline_mlr_from_nothing": "baseline, HR and LR images, from nothing",
    "two_encoders_from_nothing": "two encoders, from nothing",
    "cadnet_from_nothing": "CAD-Net, from nothing",
    "f_only": "CAD-Net, f only",
    "g_only": "CAD-Net, g only",
    "without_adv_DI": "CAD-Net w/o L_adv^{D_I}",
    "without_adv_DF": "CAD-Net w/o L_adv^{D_F}",
    "without_rec": "CAD-Net w/o L_rec",
    "without_cls": "CAD-Net w/o L_cls",
    "colour_histogram": "colour histogram",
}
# The terms of eq. (6) in a fixed order, with their weights. Rows of the regime "fixed" train with some of them alone.
TERMS = {"L_adv^{D_F}": "lambda_adv_DF", "L_rec": "lambda_rec", "L_adv^{D_I}": "lambda_adv_DI", "L_cls": "lambda_cls"}
WITH_ALL_TERMS = frozenset(TERMS)
CORNERS: dict[frozenset[str], str] = {  # of the cube of all subsets of the terms -> its row
    # G starts as the identity: without a term on images it stays that, and F sees the blurred images
    frozenset(): "baseline_hr",
    frozenset({"L_adv^{D_F}"}): "baseline_hr",
    frozenset({"L_rec"}): "super_resolution",
    WITH_ALL_TERMS: "cadnet",
    **{WITH_ALL_TERMS - {term}: f"without_{weight.removeprefix('lambda_')}" for term, weight in TERMS.items()},
}
for _size in (1, 2):
    for _kept in combinations(TERMS, _size):
        if frozenset(_kept) not in CORNERS:
            CORNERS[frozenset(_kept)] = "only_" + "_".join(TERMS[term].removeprefix("lambda_") for term in _kept)
ONLY = {name: kept for kept, name in CORNERS.items() if name.startswith("only_")}
LABELS |= {name: f"CAD-Net, {' and '.join(t for t in TERMS if t in kept)} alone" for name, kept in ONLY.items()}
FEW = {"label_fraction": 0.2, "unlabelled_batch_size": 16}
REGIMES = {
    "all": Regime("labels for all training identities"),
    "few": Regime("labels for a fifth of them", FEW),
    "hr_labels": Regime("labels for HR images only", {"lr_labels": False}),
    "fixed": Regime("re-identification network fixed", fixed=True),
}
METHODS_COMPARED = ("baseline_hr", "baseline_mlr", "baseline_mlr_long", "two_encoders", "two_encoders_long", "f_only",
                    "g_only", "cadnet")  # fmt: skip
ABLATIONS = ("without_adv_DI", "without_adv_DF", "without_rec", "without_cls")
RANDOM_START = ("baseline_mlr_from_nothing", "two_encoders_from_nothing", "cadnet_from_nothing")
REGIME_ROWS: dict[str, tuple[str, ...]] = {  # of the target "regimes"
    "all": ("baseline_hr", "baseline_mlr", "baseline_mlr_long", "two_encoders", "two_encoders_long", "sr_first",
            "f_only", "g_only", "cadnet", *ABLATIONS, "cadnet_plus", "cadnet_mean", *RANDOM_START),
    "hr_labels": ("baseline_hr", "baseline_hr_long", "two_encoders", "two_encoders_long", "f_only", "g_only", "cadnet",
                  "without_adv_DI", "without_adv_DF", "without_rec", "cadnet_plus", "cadnet_mean"),
    "fixed": ("baseline_hr", "super_resolution", "cadnet", *ABLATIONS, "cadnet_plus", "cadnet_mean", *ONLY),
}  # fmt: skip
REGIME_ROWS["few"] = tuple(name for name in REGIME_ROWS["all"] if name not in RANDOM_START)
ROWS: dict[str, tuple[str, ...]] = {
    "table1": METHODS_COMPARED,
    "table2": ("bilinear", "bicubic", "baseline_hr", "baseline_mlr", "without_cls", "cadnet"),
    "table3": ("bilinear", "baseline_hr", "cadnet", *ABLATIONS),
    "figure3": ("bilinear", "bicubic", "without_adv_DI", "without_cls", "cadnet"),
    "figure4": ("without_adv_DF", "cadnet"),
    "beyond": ("bilinear", *METHODS_COMPARED, "without_adv_DF", "without_rec"),
    "claims": (*FLOORS, *METHODS_COMPARED, *ABLATIONS),
    "regimes": tuple(dict.fromkeys(name for names in REGIME_ROWS.values() for name in names)),
}
DEFAULT_REGIMES: dict[str, tuple[str, ...]] = {
    "table1": ("all", "few"), "table2": ("all",), "table3": ("all",), "figure3": ("all",),
    "figure4": ("all",), "beyond": ("all", "few"), "claims": ("all", "few"),
    "regimes": ("all", "few", "hr_labels", "fixed"),
}  # fmt: skip
MAIN_ROWS = ("baseline_mlr", "baseline_mlr_long", "two_encoders", "two_encoders_long", "cadnet")


def row(name: str, base: Config, regime: str = "all") -> Row:
    """A row at a preset, in a regime.

    Args:
        name: one of ``LABELS``.
        base: the preset's settings.
        regime: one of ``REGIMES``.

    Raises:
        ValueError: for a row or a regime that does not exist.
    """
    for kind, given, known in (("row", name, LABELS), ("regime", regime, REGIMES)):
        if given not in known:
            raise ValueError(f"there is no {kind} {given!r}. Choose one of: {', '.join(known)}.")
    if name in FLOORS:
        return Row(name, LABELS[name], base.replace(method=name), regime)
    settings = REGIMES[regime].settings(base)
    if name in ONLY:
        off = {weight: 0 for term, weight in TERMS.items() if term not in ONLY[name]}
        return Row(name, LABELS[name], method("fixed_cadnet", settings).replace(**off), regime)
    fixed = REGIMES[regime].fixed and name != "baseline_hr"  # which is the fixed network itself
    return Row(name, LABELS[name], method(f"fixed_{name}" if fixed else name, settings), regime)


def rows(names: Iterable[str], base: Config, regimes: Iterable[str] = ("all",), whole: bool = False) -> list[Row]:
    """Several rows in several regimes.

    Args:
        names: of rows, see ``LABELS``.
        base: the preset's settings.
        regimes: see ``REGIMES``.
        whole: every regime has all its rows; otherwise, beside "all", the floors and the main rows only.
    """
    names, regimes = tuple(names), tuple(regimes)
    chosen = []
    for regime in regimes:
        if whole:
            here = [name for name in REGIME_ROWS[regime] if name in names]
        elif regime == "all" or "all" not in regimes:
            here = list(names)
        else:
            here = [name for name in names if name in (*FLOORS, *MAIN_ROWS)]
        chosen += [row(name, base, regime) for name in here]
    return chosen
