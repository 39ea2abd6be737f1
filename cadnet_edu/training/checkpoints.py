"""Checkpoints and histories of training runs: reading, validation, comparison with the current settings."""

import contextlib
import json
import shlex
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cadnet_edu.config import Config, flatten
from cadnet_edu.data.fingerprint import describe, file_digest
from cadnet_edu.data.samples import Split
from cadnet_edu.io import write_atomically, write_json

Record = dict[str, float]
CHECKPOINT = "checkpoint.pt"
# Settings that do not change what is computed: they may differ on resuming.
RUNNING_ONLY = ("device", "devices", "precision", "log_every", "checkpoint_every", "root")


def identity(config: Config) -> dict[str, Any]:
    """The settings that identify a run: without ``RUNNING_ONLY``, and a weights file by its content.

    The data of a run have a fingerprint of their own, see ``cadnet_edu.data.fingerprint``.
    """
    settings = {k: v for k, v in flatten(config.to_dict()).items() if k not in RUNNING_ONLY}
    weights = Path(config.model.weights).expanduser()
    if weights.is_file():
        settings["weights"] = f"file of SHA-256 {file_digest(weights)[:24]}"
    return settings


def check_same_config(state: dict[str, Any], ours: Config) -> None:
    """Refuse a checkpoint of other settings; one that it lacks, because it is newer, counts with its default."""
    theirs = json.loads(state.get("identity", state["config"]))
    was, now = flatten(Config().to_dict()) | flatten(theirs), identity(ours)
    differ = [name for name in now if was[name] != now[name]]
    if differ:
        what = "; ".join(f"{name} was {was[name]!r}, now {now[name]!r}" for name in differ[:4])
        more = f"; and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise ValueError(
            f"the checkpoint belongs to another configuration: {what}{more}. Use the settings it was made with, or "
            "another folder."
        )


def check_same_data(state: dict[str, Any], data: str) -> None:
    """Refuse a checkpoint that was trained on other images than ``describe`` tells; early ones have no fingerprint."""
    then = state.get("fingerprint", data)
    if then != data:
        raise ValueError(
            f"the checkpoint was trained on other images: {then} then, {data} now. Put the data back as they were, or "
            "choose another folder for this run."
        )


def load_weights_of(net: nn.Module, state: dict[str, Any]) -> None:
    """Load a checkpoint's weights into a network; those of an earlier version of this package may not fit."""
    try:
        net.load_state_dict(state["net"])
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(
            f"the checkpoint's weights do not fit this network ({reason}). It was probably written by another version "
            "of this package: use that version, or train again in another folder."
        ) from None


# Keys of every method's checkpoint, and of the Trainer's.
HEAD = {"config", "step"}
PARTS = HEAD | {"pids", "seconds", "net", "opt_G", "opt_D", "batches", "rng", "sums", "summed"}


def load_checkpoint(path: Path, device: torch.device | str = "cpu", parts: set[str] = PARTS) -> dict[str, Any]:
    """Read a checkpoint, which may contain only tensors and plain values (``weights_only``), no code.

    Args:
        path: the file.
        device: for its tensors. To resume a run, load on the CPU, where the states of random number generators must
            be; weights and optimizer states are copied to the network's device.
        parts: keys that it must have; ``HEAD`` when the method is not known yet.

    Raises:
        ValueError: when the file is missing, cut short or damaged, or not a checkpoint of this package.
    """
    if not path.is_file():
        train = shlex.join(["cadnet-edu", "train", "--out", str(path.parent)])
        raise ValueError(f"{path}: there is no checkpoint. Train first: {train}")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path}: the checkpoint is damaged ({type(error).__name__}) and cannot be read. Delete it and train "
            "again, or restore it from a copy."
        ) from None
    if not isinstance(state, dict):
        state = {}
    try:
        require_parts(state, parts)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return state


def require_parts(state: dict[str, Any], parts: set[str]) -> None:
    """Refuse a checkpoint that lacks a key."""
    if not set(state) >= parts:
        raise ValueError(
            "this file can be read, but is no checkpoint of a run. Give the --out folder of a training run."
        )


def save_fitted(folder: Path, config: Config, split: Split, **parts: Any) -> None:
    """Save a fitted method that does not use the ``Trainer``: its tensors and state dictionaries, by name."""
    state = {
        "config": json.dumps(config.to_dict()),
        "identity": json.dumps(identity(config)),
        "fingerprint": describe(split.train),
        "step": config.optim.steps,
        **parts,
    }
    write_json(folder / "config.json", config.to_dict())
    write_atomically(folder / CHECKPOINT, lambda file: torch.save(state, file))


def read_history(out: Path | str) -> list[Record]:
    """The records of ``history.jsonl``; an incomplete last line, of a killed run, is skipped."""
    path, records = Path(out) / "history.jsonl", []
    for line in path.read_text().splitlines() if path.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            records.append(json.loads(line))
    return records


def claim_folder(out: Path) -> None:
    """Delete the remains of a run without a checkpoint, before a new run writes into its folder."""
    if (out / CHECKPOINT).exists():
        raise ValueError(
            f"{out}: there is a run in this folder. Call resume() before fit() to go on with it, or choose "
            "another folder."
        )
    delete_leftovers(out)


def delete_leftovers(out: Path) -> None:
    """Delete partial files, and all files of a run that was killed before its first checkpoint."""
    if not out.is_dir():
        return
    leftovers = [*out.glob(".*.part")]
    if not (out / CHECKPOINT).exists():
        leftovers += [out / "history.jsonl", out / "run.json", *out.glob("evaluation*.json")]
    for path in leftovers:
        path.unlink(missing_ok=True)
