"""Finished runs: fitted once, and cached under a key of settings, data and training code."""

import contextlib
import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from cadnet_edu.config import Config, cache_dir, make_cache_folder
from cadnet_edu.data import open_split
from cadnet_edu.data.fingerprint import data_fingerprint, describe, split_fingerprint
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.evaluate import evaluate
from cadnet_edu.evaluation.model import Model
from cadnet_edu.io import READ_ONLY, read_json, write_json
from cadnet_edu.locks import locked
from cadnet_edu.methods import Progress, method_of
from cadnet_edu.methods.interface import cpu_seconds
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.checkpoints import (
    HEAD,
    Record,
    check_same_config,
    check_same_data,
    identity,
    load_checkpoint,
    read_history,
)
from cadnet_edu.training.code_version import code_version
from cadnet_edu.training.devices import choose_device, choose_precision
from cadnet_edu.training.distributed import init_distributed


@dataclass(frozen=True)
class Run:
    """A finished run: its settings, fitted model, history and provenance."""

    folder: Path
    config: Config
    model: Model
    history: list[Record]
    provenance: dict[str, Any]

    @property
    def net(self) -> CADNet:
        """The network, for CAD-Net, its baselines, controls and ablations.

        Raises:
            ValueError: when the method has no such network.
        """
        if "net" not in self.model.parts:
            raise ValueError(f"a {self.config.run.method} run has no CADNet: use its `model`, which has `embed`.")
        return self.model.parts["net"]

    def split(self) -> Split:
        """The data that it was fitted to."""
        return open_split(self.config)

    def evaluate(self, rates: tuple[float, ...] = (1, 2, 3, 4, 8), **more: Any) -> dict[str, dict[str, Any]]:
        """Scores by rate, see ``cadnet_edu.evaluation.evaluate``; cached in the run's folder."""
        precision = choose_precision(self.config.run.precision, self.model.device, instead=True)
        question = [list(rates), sorted((k, _named(v)) for k, v in more.items())]
        split = self.split()
        data = None if self.config.data.dataset == "walkers" else split_fingerprint(split)
        state = [weights_version(self.model), data, precision, code_version(None)]
        path = self.folder / f"evaluation-{hashlib.sha256(json.dumps([question, state]).encode()).hexdigest()[:8]}.json"
        keep = "<own>" not in str(question)
        if keep and path.exists():
            return read_json(path)
        size = self.config.data.size
        results = evaluate(self.model, split, rates, size, device=self.model.device, precision=precision, **more)
        if keep:
            try:
                write_json(path, results)
            except OSError as error:  # nothing is cached in a read-only folder
                if error.errno not in READ_ONLY:
                    raise
        return results


def _named(value: Any) -> str:
    """A key of an argument, the same in every process: functions of the package by name, others as ``<own>``.

    Two functions of a notebook can have the same name, so results that depend on one are not cached.
    """
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_named(v)}" for k, v in sorted(value.items()))
    if not callable(value):
        return repr(value)
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '<own>')}"
    return name if name.startswith("cadnet_edu.") and "<" not in name else "<own>"


def weights_version(model: Model) -> str:
    """A short hash of a model's weights."""
    digest = hashlib.sha256()
    for part in model.networks:
        for name, tensor in sorted(part.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def provenance(
    config: Config,
    seconds: float | None = None,
    devices: int = 1,
    codes: Sequence[str] = (),
    data: str | None = None,
) -> dict[str, Any]:
    """The provenance of a run: settings, seed, code, libraries, hardware, time. Ready for JSON.

    Args:
        config: all settings.
        seconds: of training.
        devices: number of devices.
        codes: the versions of the training code, in order; by default the present one.
        data: the fingerprint of the data set on disk; None for the embedded one.
    """
    try:
        package = version("cadnet-edu")
    except PackageNotFoundError:
        package = "not installed"
    device = choose_device(config.run.device)
    return {
        "config": config.to_dict(),
        "seed": config.run.seed,
        "data": data,
        "package": package,
        "code": ", then ".join(codes) or code_version(),
        "commit": git_commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "devices": devices,
        "threads": torch.get_num_threads(),
        "precision": choose_precision(config.run.precision, device, instead=True),
        "training_seconds": None if seconds is None else round(seconds, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def git_commit() -> str | None:
    """The commit of a source checkout, with a plus sign when files differ from it; None for an installed package."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return None
    try:
        line = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(line, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """The processor's name and number of cores, if known."""
    info = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    name = info.get("cpu_name") or platform.processor() or platform.machine()
    return f"{name}, {info.get('num_physical_cores') or '?'} cores"


def run_key(config: Config, data: str | None = None) -> str:
    """The cache key of a run: its method, its preset, and a hash of settings, data fingerprint and training code."""
    settings = identity(config)
    if config.run.precision != "auto":  # chosen explicitly, it is part of the settings
        settings["precision"] = config.run.precision
    text = json.dumps([settings, code_version(), data or data_fingerprint(config)], sort_keys=True)
    return f"{config.run.method}-{config.run.preset}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def train_or_load(
    config: Config,
    callback: Callable[[Record], None] | None = None,
    bar: bool = False,
    folder: Path | str | None = None,
) -> Run:
    """Fit a method, or load it if it was fitted before with the same settings, data and code.

    A killed run is resumed from its last checkpoint. Of two processes that need the same run, one trains it.

    Args:
        config: all settings, including the method.
        callback: called with each logged record while training.
        bar: show a progress bar.
        folder: of the run; by default below ``cache_dir()/runs``.

    Returns:
        the finished ``Run``.

    Raises:
        ValueError: when the folder given holds a run of another configuration, or of other data.
    """
    own = folder is not None  # a folder named by run_key cannot hold other data
    folder = Path(folder).expanduser() if folder else cache_dir() / "runs" / run_key(config)
    ranks = init_distributed(config.run.device, config.run.devices)
    ranks.on_rank_zero(lambda: make_cache_folder(folder) if not own else folder.mkdir(parents=True, exist_ok=True))
    with contextlib.ExitStack() as held:  # rank 0 holds the lock
        ranks.on_rank_zero(lambda: held.enter_context(locked(folder / ".lock", "trains this run")))
        if not ranks.broadcast_from_zero(is_finished(folder, config)):
            model = method_of(config).fit(open_split(config), config, Progress(folder, callback, bar, ranks))
            codes = load_checkpoint(folder / "checkpoint.pt", parts=HEAD).get("codes", ())
            metadata = provenance(config, model.cost.wall_seconds, ranks.world, codes, data_fingerprint(config))
            ranks.on_rank_zero(lambda: write_json(folder / "run.json", metadata))
        elif own and config.data.dataset != "walkers":
            checkpoint = load_checkpoint(folder / "checkpoint.pt", parts=HEAD)
            check_same_data(checkpoint, describe(open_split(config).train))
    return load_run(folder, config.data.root)


def is_finished(folder: Path, config: Config) -> bool:
    """Whether a folder holds the finished run of this configuration."""
    if not (folder / "run.json").exists() or not (folder / "checkpoint.pt").exists():
        return False
    state = load_checkpoint(folder / "checkpoint.pt", parts=HEAD)
    check_same_config(state, config)
    return state["step"] >= config.optim.steps


def load_run(folder: Path | str, root: Path | None = None) -> Run:
    """Load the run in a folder.

    Args:
        folder: of the run.
        root: folder of its data, if that has moved.

    Raises:
        ValueError: when there is none, or its checkpoint is damaged.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder. Give the --out folder of a training run.")
    device = choose_device("auto")  # not the device of the training, which this machine may lack
    checkpoint = load_checkpoint(folder / "checkpoint.pt", device, HEAD)
    config = Config.from_dict(json.loads(checkpoint["config"]))
    model = method_of(config).load(checkpoint, config, device)
    done = folder / "run.json"
    if done.exists():
        metadata = read_json(done)
    else:  # unfinished: where and when it was trained is unknown
        unknown = ("code", "commit", "torch", "python", "device", "devices", "threads", "precision", "date")
        metadata = provenance(config.replace(device=str(device))) | dict.fromkeys(unknown)
    seconds = metadata["training_seconds"]
    model = replace(model, cost=replace(model.cost, wall_seconds=seconds, cpu_seconds=cpu_seconds(folder)))
    return Run(folder, config.replace(root=root or config.data.root), model, read_history(folder), metadata)
