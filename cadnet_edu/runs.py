"""Finished runs: trained once, kept under a key made of settings, data and code, found again by everyone who asks."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from cadnet_edu.checkpoints import RUNNING_ONLY, Record, read_history, refuse_other
from cadnet_edu.config import Config, cache_dir
from cadnet_edu.data import load_split
from cadnet_edu.data.samples import Split
from cadnet_edu.devices import choose_device, choose_precision
from cadnet_edu.evaluate import evaluate
from cadnet_edu.files import read_json, write_json
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.train import Trainer, load_network

# The rooms whose code decides what a trained network is; a change in any of them makes earlier runs unfit.
TRAINING_CODE = ("config.py", "losses.py", "train.py", "data", "models", "methods")


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
        wanted = json.dumps([list(rates), sorted((k, _named(v)) for k, v in more.items()), code_version(None)])
        path = self.folder / f"evaluation-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}.json"
        if path.exists():
            return read_json(path)
        device = next(self.net.parameters()).device
        results = evaluate(
            self.net.embed,
            self.split(),
            rates,
            self.net.recover if self.net.G is not None else None,
            (self.config.height, self.config.width),
            device=device,
            precision=choose_precision(self.config.precision, device),
            **more,
        )
        write_json(path, results)
        return results


def _named(value: Any) -> str:
    """What an argument is, the same in every process: a function by its name and not by its place in memory."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_named(v)}" for k, v in sorted(value.items()))
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{getattr(value, '__module__', '')}.{name}" if callable(value) else repr(value)


def open_split(config: Config) -> Split:
    """The data set that a configuration names."""
    c = config
    return load_split(
        c.dataset, c.root, c.size, c.height, c.width, c.data_seed,
        boxes=c.boxes, pattern=c.pattern, allow_withdrawn=c.allow_withdrawn,
    )  # fmt: skip


@cache
def code_version(rooms: tuple[str, ...] | None = TRAINING_CODE) -> str:
    """A short hash of the package's source: of the rooms named, or of everything."""
    package = Path(__file__).parent
    files = sorted(package.rglob("*.py")) if rooms is None else sorted(
        f for room in rooms for f in ([package / room] if room.endswith(".py") else (package / room).rglob("*.py"))
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def provenance(config: Config, seconds: float | None = None) -> dict[str, Any]:
    """Where a number comes from: settings, seed, code, libraries, hardware, time. Ready for JSON."""
    try:
        package = version("cadnet-edu")
    except PackageNotFoundError:
        package = "not installed"
    device = choose_device(config.device)
    return {
        "config": config.to_dict(),
        "seed": config.seed,
        "package": package,
        "code": code_version(),
        "commit": git_commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "precision": choose_precision(config.precision, device),
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
    settings = {k: v for k, v in config.to_dict().items() if k not in RUNNING_ONLY}
    text = json.dumps([settings, code_version(), folder_version(config.root)], sort_keys=True)
    return f"{config.method}-{config.profile}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def folder_version(root: Path | None) -> str | None:
    """A hash of which files a data set on disk has and how long they are; None for the embedded set, which is code."""
    if root is None or not root.exists():
        return None
    inside = root.rglob("*") if root.is_dir() else [root]
    files = sorted((f.relative_to(root).as_posix(), f.stat().st_size) for f in inside if f.is_file())
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
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not is_finished(folder, config):
            trainer = Trainer(config, open_split(config), folder)
            trainer.resume()
            trainer.fit(callback=callback, bar=bar)
            write_json(folder / "run.json", provenance(config, trainer.seconds))
    return load_run(folder)


def is_finished(folder: Path, config: Config) -> bool:
    """Whether a folder holds this configuration's run, trained to its end.

    Raises:
        ValueError: when it holds the finished run of another configuration.
    """
    if not (folder / "run.json").exists() or not (folder / "checkpoint.pt").exists():
        return False
    refuse_other(read_json(folder / "run.json").get("config", {}), config)
    return True


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
    about = read_json(done) if done.exists() else provenance(replace(config, device=str(device)))
    return Run(folder, config, net, read_history(folder), about)
