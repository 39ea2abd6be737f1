"""Trained networks of the package: one safetensors file each, in half precision, with settings and scores."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cadnet_edu.config import Config, flatten, preset
from cadnet_edu.io import write_atomically
from cadnet_edu.methods import method
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.checkpoints import RUNNING_ONLY, Record
from cadnet_edu.training.trainer import build_network

WEIGHTS = Path(__file__).parent / "weights"
LARGEST = 10 * 2**20  # bytes in total
FORMAT = "cadnet_edu-1"
DISCRIMINATORS = ("D_F.", "D_I.")  # not exported: only training uses them


@dataclass(frozen=True)
class Pretrained:
    """A trained network in evaluation mode, with its settings and its record."""

    name: str
    net: CADNet
    config: Config
    record: dict[str, Any]  # scores as committed, budget, provenance
    history: list[Record]


def names(folder: Path | None = None) -> list[str]:
    """The names of the networks.

    Args:
        folder: of the files; by default the package's own.
    """
    return sorted(path.stem for path in (folder or WEIGHTS).glob("*.safetensors"))


def pretrained(name: str = "cadnet", folder: Path | None = None) -> Pretrained:
    """Load a trained network of the package.

    Its weights are stored in half precision and used in single precision, so scores differ from those of its run in the
    third digit at most; its record holds the scores of the stored weights.

    Args:
        name: see ``names``.
        folder: of the files; by default the package's own.

    Returns:
        the network in evaluation mode on the CPU, its settings, its record and its losses during training.

    Raises:
        ValueError: when there is no such network, or its file is damaged or of another kind.

    Choice:
        D_F and D_I are not stored: only training uses them.
    """
    from safetensors import SafetensorError, safe_open

    path = (folder or WEIGHTS) / f"{name}.safetensors"
    if not path.is_file():
        there = ", ".join(names(folder)) or "none"
        raise ValueError(f"there is no trained network {name!r} in {path.parent}. There: {there}.")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path}: damaged, its weights cannot be read ({error}). Export it again, or, for "
            "one that came with the package, install the package again."
        ) from None
    if about.get("format") != FORMAT:
        raise ValueError(f"{path}: a safetensors file, but not one that `export` of this package wrote.")
    config = Config.from_dict(json.loads(about["config"]))
    net = network(config, tensors, path)
    return Pretrained(name, net, config, json.loads(about["record"]), json.loads(about["history"]))


def network(config: Config, tensors: dict[str, Tensor], path: Path) -> CADNet:
    """The network of a configuration with these weights, without its discriminators.

    Args:
        config: all settings.
        tensors: the weights.
        path: of the file, for messages.

    Raises:
        ValueError: when the weights do not fit.
    """
    identities = len(tensors["C.fc.weight"]) if "C.fc.weight" in tensors else 0
    net = build_network(config.replace(weights="none"), identities)
    net.D_F = net.D_I = None
    try:
        net.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in tensors.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"{path}: the weights do not fit this network ({reason}). They were written by another version of this "
            "package: install that version, or export them again."
        ) from None
    net.requires_grad_(False)
    return net.to(memory_format=torch.channels_last).eval()


def halved(net: CADNet) -> dict[str, Tensor]:
    """The weights of E, G, F and C in half precision.

    Raises:
        ValueError: when a number is too large for half precision.
    """
    kept = {}
    for key, tensor in net.state_dict().items():
        if key.startswith(DISCRIMINATORS):
            continue
        half = tensor.detach().cpu().half() if tensor.is_floating_point() else tensor.detach().cpu()
        if not half.isfinite().all():
            raise ValueError(f"{key} holds a number beyond half precision (65504), or none at all; it cannot be kept.")
        kept[key] = half.contiguous()
    return kept


def export(
    net: CADNet,
    config: Config,
    record: dict[str, Any],
    history: list[Record],
    name: str,
    folder: Path | None = None,
    every: int = 1,
) -> Path:
    """Write a network as a file that ``pretrained`` reads.

    Args:
        net: the trained network.
        config: its settings.
        record: scores of the halved weights, budget, provenance.
        history: its losses during training.
        name: letters, digits, ``_`` and ``-``.
        folder: to write into; by default the package's own.
        every: only every so many-th record of the history is stored, to keep the file small.

    Returns:
        the file.

    Raises:
        ValueError: for another name, or when the files in the package's folder would exceed 10 MB in total.
    """
    from safetensors.torch import save

    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"name {name!r}: use letters, digits, _ and - only.")
    folder = folder or WEIGHTS
    settings = config.replace(root=None).to_dict()
    about = {
        "format": FORMAT,
        "config": json.dumps(settings),
        "record": json.dumps(record, allow_nan=False),
        "history": json.dumps(history[every - 1 :: every], allow_nan=False),
    }
    content = save(halved(net), about)
    path = folder / f"{name}.safetensors"
    others = sum(p.stat().st_size for p in folder.glob("*.safetensors") if p != path)
    if folder.resolve() == WEIGHTS.resolve() and others + len(content) > LARGEST:
        raise ValueError(
            f"{name}: {len(content) / 2**20:.1f} MB and {others / 2**20:.1f} MB of other networks in {folder} are more "
            f"than the {LARGEST / 2**20:.0f} MB that the package may carry. Choose another folder (--out), or train a "
            "narrower network."
        )
    return write_atomically(path, lambda file: file.write(content))


def model_card(made: list[Pretrained]) -> str:
    """The model card: data, use, settings, training cost and scores of the networks.

    Args:
        made: the networks.
    """
    photographed = sorted({one.config.data.dataset for one in made} - {"walkers"})
    lines = [CARD.format(about=PHOTOGRAPHED.format(", ".join(photographed)) if photographed else DRAWN)]
    for one in made:
        data, model, run = one.config.data, one.config.model, one.config.run
        size = f" size {data.walkers_size}" if data.dataset == "walkers" else ""
        weights = {k: v for k, v in vars(one.config.loss).items() if k.startswith("lambda_")}
        about, budget = one.record.get("provenance", {}), one.record.get("budget", {})
        lines += [
            f"## `{one.name}`",
            "",
            f"Method `{run.method}` at preset `{run.preset}`, seed {run.seed}: "
            f"{model.backbone}, images {data.height} x {data.width}, {one.config.optim.steps} steps on "
            f"`{data.dataset}`{size}, {', '.join(f'{k} {v:g}' for k, v in weights.items())}. "
            f"Trained in {budget.get('wall_seconds')} s on {about.get('device')}, code {about.get('code')}, commit "
            f"{about.get('commit')}, {about.get('date')}.",
            "",
            f"Trained again by `{training_command(one.config)}`, exported by "
            f"`cadnet-edu export FOLDER --name {one.name}`.",
            "",
            "| r | rank-1 | mAP | PSNR | SSIM | LPIPS |",
            "|---|---|---|---|---|---|",
            *(_card_row(r, v, one.record.get("floor", {})) for r, v in one.record.get("scores", {}).items()),
            "",
        ]
    return "\n".join(lines)


def training_command(config: Config) -> str:
    """The command that trains with these settings, whatever the defaults of its preset are.

    Args:
        config: all settings.

    >>> training_command(preset("quick", steps=9, flip=False))
    'cadnet-edu train --preset quick --method cadnet --no-flip --steps 9 --out FOLDER'
    """
    defaults = flatten(method(config.run.method, preset(config.run.preset, dataset=config.data.dataset)).to_dict())
    words = ["cadnet-edu train --preset", config.run.preset, "--method", config.run.method]
    for name, value in flatten(config.to_dict()).items():
        if value == defaults[name] or name in RUNNING_ONLY:
            continue
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", *map(str, value if isinstance(value, list) else [value])]
    return " ".join([*words, "--out FOLDER"])


def _card_row(r: str, scores: dict[str, Any], floor: dict[str, Any]) -> str:
    def cell(name: str, digits: int) -> str:
        below = floor.get(r, {}).get(name)
        own = "–" if scores.get(name) is None else f"{scores[name]:.{digits}f}"
        return own if below is None else f"{own} ({below:.{digits}f})"

    columns = (("rank1", 3), ("mAP", 3), ("psnr", 2), ("ssim", 3), ("lpips", 3))
    return f"| {r} | {' | '.join(cell(*column) for column in columns)} |"


DRAWN = """\
- **Data.** Walkers, the drawn pedestrians of this package. No photograph and no real person was used.
- **Use.** Teaching and experiments. They were trained on drawn people only: on photographs their output is
  meaningless, and they must not be used to identify people."""
PHOTOGRAPHED = """\
- **Data.** Photographs of people ({}), on whose terms their use depends; those of `walkers` are drawn.
- **Use.** Teaching and experiments. They must not be used to identify people."""
CARD = """# Trained networks that come with `cadnet_edu`

Small networks for the chapters of the book and for Colab, so that a reader meets a trained network at once. Written by
`cadnet_edu.pretrained.export`, read by `cadnet_edu.pretrained.pretrained(name)`. `walkers`, a plain network trained on
sharp images of people who are in no other set, is also where E and F start from with the setting `weights="walkers"`.

{about}
- **Licence.** MIT, as the package.
- **Format.** safetensors, float16; settings, record and losses in the file's metadata. D_F and D_I are left out.

The scores are of these files, halved weights used in float32, on the test identities of the same data set. In brackets:
of the blurred images themselves, enlarged bilinearly.
"""
