"""Finished runs: trained once, kept under a key made of settings, data and code, found again by everyone who asks."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from cadnet_edu.checkpoints import RUNNING_ONLY, Record, load_checkpoint, read_history, refuse_other
from cadnet_edu.config import Config, cache_dir
from cadnet_edu.data import load_split
from cadnet_edu.data.samples import Split
from cadnet_edu.devices import choose_device, choose_precision
from cadnet_edu.distributed import join
from cadnet_edu.evaluate import evaluate
from cadnet_edu.files import read_json, write_json
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.train import Trainer, load_network
from cadnet_edu.versions import code_version


@dataclass(frozen=True)
class Run:
    """A finished run: what was trained, with what, and how it went."""

    folder: Path
    config: Config
    net: CADNet
    history: list[Record]
    provenance: dict[str, Any]

    def split(self) -> Split:
        """The data that it was trained on."""
        return open_split(self.config)

    def evaluate(self, rates: tuple[float, ...] = (1, 2, 3, 4, 8), **more: Any) -> dict[str, dict[str, Any]]:
        """Scores by rate, see ``cadnet_edu.evaluate.evaluate``; kept in the run's folder, so asked once only."""
        device = next(self.net.parameters()).device
        precision = choose_precision(self.config.precision, device, instead=True)
        asked = [list(rates), sorted((k, _named(v)) for k, v in more.items())]
        state = [weights_version(self.net), folder_version(self.config.root), precision, code_version(None)]
        path = self.folder / f"evaluation-{hashlib.sha256(json.dumps([asked, state]).encode()).hexdigest()[:8]}.json"
        keep = "<own>" not in str(asked)
        if keep and path.exists():
            return read_json(path)
        results = evaluate(
            self.net.embed,
            self.split(),
            rates,
            self.net.recover if self.net.G is not None else None,
            (self.config.height, self.config.width),
            device=device,
            precision=precision,
            **more,
        )
        if keep:
            write_json(path, results)
        return results


def _named(value: Any) -> str:
    """What an argument is, the same in every process: the package's functions by name, anybody's own by ``<own>``.

    Two functions of a notebook can share a name, so results that depend on one are never kept.
    """
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_named(v)}" for k, v in sorted(value.items()))
    if not callable(value):
        return repr(value)
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '<own>')}"
    return name if name.startswith("cadnet_edu.") and "<" not in name else "<own>"


def weights_version(net: torch.nn.Module) -> str:
    """A short hash of a network's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def open_split(config: Config, train: bool = True) -> Split:
    """The data set that a configuration names.

    Args:
        config: names it.
        train: whether it needs a training part.
    """
    c = config
    return load_split(
        c.dataset, c.root, c.size, c.height, c.width, c.data_seed,
        boxes=c.boxes, pattern=c.pattern, allow_withdrawn=c.allow_withdrawn, train=train,
    )  # fmt: skip


def provenance(
    config: Config, seconds: float | None = None, devices: int = 1, codes: Sequence[str] = ()
) -> dict[str, Any]:
    """Where a number comes from: settings, seed, code, libraries, hardware, time. Ready for JSON.

    Args:
        config: all settings.
        seconds: that training took.
        devices: how many shared the batches.
        codes: the versions of the training code that took part, in their order; without them the one at hand.
    """
    try:
        package = version("cadnet-edu")
    except PackageNotFoundError:
        package = "not installed"
    device = choose_device(config.device)
    return {
        "config": config.to_dict(),
        "seed": config.seed,
        "package": package,
        "code": ", then ".join(codes) or code_version(),
        "commit": git_commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "devices": devices,
        "threads": torch.get_num_threads(),
        "precision": choose_precision(config.precision, device, instead=True),
        "training_seconds": None if seconds is None else round(seconds, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def git_commit() -> str | None:
    """The commit of a source checkout, with a plus sign when files differ from it; None for an installed package."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return None
    try:
        ask = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """The processor's name and number of cores, as far as they can be told."""
    info = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    name = info.get("cpu_name") or platform.processor() or platform.machine()
    return f"{name}, {info.get('num_physical_cores') or '?'} cores"


def run_key(config: Config) -> str:
    """The name under which a run is kept: its method, its profile, and a hash of settings, data and training code."""
    settings: dict[str, Any] = {k: v for k, v in config.to_dict().items() if k not in RUNNING_ONLY}
    if config.precision != "auto":  # asked for by name, it is part of the question
        settings["precision"] = config.precision
    weights = Path(str(config.weights))
    start = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    text = json.dumps([settings, code_version(), folder_version(config.root), start], sort_keys=True)
    return f"{config.method}-{config.profile}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def folder_version(root: Path | None) -> str | None:
    """A hash of a data set's files: names, sizes and times of change. None for the embedded set, which is code."""
    root = None if root is None else root.expanduser()  # as the readers of data sets understand it
    if root is None or not root.exists():
        return None
    paths = [Path(folder) / name for folder, _, names in os.walk(root, followlinks=True) for name in names] or [root]
    files = sorted((f.relative_to(root.parent).as_posix(), f.stat().st_size, f.stat().st_mtime_ns) for f in paths)
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]


def train_or_load(
    config: Config, callback: Callable[[Record], None] | None = None, bar: bool = False, folder: Path | None = None
) -> Run:
    """Train a configuration, or load it when it has been trained before with the same settings, data and code.

    A run that was killed is continued from its last checkpoint. Two processes that want the same run train it once.

    Args:
        config: all settings.
        callback: called with each logged record while training.
        bar: show a progress bar.
        folder: where to keep it; without it, under ``cache_dir()/runs``.

    Returns:
        the finished ``Run``.

    Raises:
        ValueError: when the folder given holds a run of another configuration.
    """
    folder = folder or cache_dir() / "runs" / run_key(config)
    ranks = join(config.device, config.devices)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    ranks.on_first(lock.acquire)  # one process locks for all that train together
    try:
        if not ranks.from_first(is_finished(folder, config)):
            trainer = Trainer(config, open_split(config), folder, ranks)
            trainer.resume()
            trainer.fit(callback=callback, bar=bar)
            about = provenance(config, trainer.seconds, ranks.world, trainer.codes)
            ranks.on_first(lambda: write_json(folder / "run.json", about))
    finally:
        lock.release()
    return load_run(folder)


def is_finished(folder: Path, config: Config) -> bool:
    """Whether a folder holds this configuration's run, trained to its end.

    Raises:
        ValueError: when it holds the finished run of another configuration.
    """
    if not (folder / "run.json").exists() or not (folder / "checkpoint.pt").exists():
        return False
    refuse_other(read_json(folder / "run.json").get("config", {}), config)
    return load_checkpoint(folder / "checkpoint.pt")["step"] >= config.steps


def load_run(folder: Path | str) -> Run:
    """Load the run in a folder.

    Raises:
        ValueError: when there is none, or its checkpoint is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder. Give the --out folder of a training run.")
    device = choose_device("auto")  # and not the device it was trained on, which this machine may lack
    net, config = load_network(folder, device)
    done = folder / "run.json"
    if done.exists():
        about = read_json(done)
    else:  # still going on, or stopped: where and when it was trained is not known here
        unknown = ("code", "commit", "torch", "python", "device", "devices", "threads", "precision", "date")
        about = provenance(replace(config, device=str(device))) | dict.fromkeys(unknown)
    return Run(folder, config, net, read_history(folder), about)
