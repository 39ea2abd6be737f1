"""``cadnet-edu train``: train a method into a folder, or measure two steps of it."""

import argparse
import contextlib
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cadnet_edu.cli.console import STOPPED, command, read, say, show
from cadnet_edu.config import Config, preset
from cadnet_edu.data import open_split
from cadnet_edu.data.fingerprint import split_fingerprint
from cadnet_edu.data.samples import Split
from cadnet_edu.io import duration, remedy, write_json
from cadnet_edu.locks import Timeout, locked
from cadnet_edu.methods import method, method_of
from cadnet_edu.methods.cadnet import fit as fit_network
from cadnet_edu.runs import is_finished, provenance, train_or_load
from cadnet_edu.training.checkpoints import check_same_config, load_checkpoint
from cadnet_edu.training.devices import native_bf16
from cadnet_edu.training.distributed import SINGLE_PROCESS, DistributedContext
from cadnet_edu.training.dry_run import dry_run
from cadnet_edu.training.trainer import Trainer


@dataclass
class Train:
    """Train a method at a preset, into a folder; a stopped run is resumed.

    --preset and --method (under "run options") set the defaults of all others.
    """

    config: Annotated[Config, tyro.conf.arg(name=""), tyro.conf.OmitArgPrefixes]
    out: Path | None = None
    """Folder for the checkpoint, the settings and the history. Required, except for a dry run."""
    dry_run: bool = False
    """Train only two steps, on noise; show the seconds per step, the time of the whole run, and the peak memory."""


def train(arguments: Sequence[str]) -> None:
    """``cadnet-edu train``"""
    name, method_name = preset_and_method(arguments)
    options = read(Train, arguments, "cadnet-edu train", Train(method(method_name, preset(name))))
    config, out = options.config, options.out
    by_trainer = method_of(config).fit is fit_network
    if options.dry_run:
        show_dry_run(config) if by_trainer else show(f"{config.run.method}: a dry run shows the steps of networks only")
        return
    if out is None:
        raise ValueError("give the folder of the run with --out FOLDER, or --dry-run to measure two steps only.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: there is a file of that name. Choose another folder.")
    if not by_trainer:
        run = train_or_load(config, bar=True, folder=out)
        say(f"{config.run.method} at preset {config.run.preset}: fitted, {run.model.cost.parameters} parameters")
        say(f"next: {command('evaluate', out)}")
        return
    refuse_more_steps(config, out)
    split = open_split(config)
    trainer = Trainer(config, split, out)
    if trainer.ranks.broadcast_from_zero(is_finished(out, config)):  # writes nothing: the folder may be read-only
        trainer.load_state_dict(load_checkpoint(out / "checkpoint.pt"))  # refuses other data
        say_finished(config, out)
        return
    with locked_folder(out, trainer.ranks):
        train_to_end(trainer, split, out)


def preset_and_method(arguments: Sequence[str]) -> tuple[str | None, str]:
    """The two options that set the defaults of all others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    parser.add_argument("--method", default="cadnet")
    try:
        known, _ = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None
    return known.preset, known.method


def devices_of(trainer: Trainer) -> str:
    """The devices that a trainer uses, and its precision, in words."""
    world = trainer.ranks.world
    return f"{trainer.device if world == 1 else f'{world} x {trainer.device.type}'} in {trainer.precision}"


def show_dry_run(config: Config) -> None:
    """Train two steps on noise and print the cost of a whole run. Nothing is written."""
    measured = dry_run(config)
    trainer = measured.trainer
    if not trainer.ranks.is_rank_zero:
        return
    kind = "PyTorch's tensors" if trainer.device.type == "cuda" else "the process"
    peak = "not reported by this system" if measured.peak is None else f"{measured.peak / 2**30:.2f} GiB ({kind})"
    show(
        f"{config.run.method} at preset {config.run.preset}, on {devices_of(trainer)}: two steps on noise\n"
        f"a step:      {measured.seconds:.3g} s\n"
        f"whole run:   about {duration(measured.total)} (steps: {config.optim.steps}; no data, no evaluation)\n"
        f"peak memory: {peak}\n"
        "nothing is written"
    )


def refuse_more_steps(config: Config, out: Path) -> None:
    """Refuse to extend a run: a folder that holds one of the same settings, except for fewer steps.

    Raises:
        ValueError: with the command that trains its weights further.
    """
    saved = out / "checkpoint.pt"
    if not saved.exists():
        return
    state = load_checkpoint(saved)
    steps = Config.from_dict(json.loads(state["config"])).optim.steps
    if steps < config.optim.steps:
        check_same_config(state, config.replace(steps=steps))
        raise ValueError(
            f"{out} holds a run of {steps} steps. Its learning rates were planned for {steps} steps, so it cannot "
            f"become a run of {config.optim.steps}. To train its weights further, choose another --out and add: "
            f"--weights {shlex.quote(str(saved))}"
        )


def say_finished(config: Config, out: Path) -> None:
    """Print that the run is finished, and the next command."""
    say(f"{out} holds this run already, finished after {config.optim.steps} steps.")
    say(f"next: {command('evaluate', out)}")


def train_to_end(trainer: Trainer, split: Split, out: Path) -> None:
    """Train or resume up to the last step, with progress and an estimate of the time left."""
    config, ranks, path = trainer.config, trainer.ranks, out / "run.json"

    def finish() -> None:
        data = None if config.data.dataset == "walkers" else split_fingerprint(split)
        write_json(path, provenance(config, trainer.seconds, ranks.world, trainer.codes, data))

    parameters = sum(p.numel() for p in trainer.net.parameters())
    say(f"{config.run.method} at preset {config.run.preset}, seed {config.run.seed}, on {devices_of(trainer)}")
    say(f"data:    {split}")
    height, width = config.data.size
    say(f"network: {parameters / 1e6:.2f} M parameters, images {height} x {width}, rates {config.data.rates}")
    if trainer.device.type == "cpu" and config.run.preset == "full":
        say(NO_GPU)
    if trainer.precision == "bf16" and not native_bf16(trainer.device):
        say("this processor only emulates bf16: --precision fp32 would be faster")
    if trainer.resume():
        if trainer.step_number >= config.optim.steps:
            say_finished(config, out)
            if not ranks.broadcast_from_zero(path.exists()):
                ranks.on_rank_zero(finish)
            return
        say(f"going on from step {trainer.step_number} of {config.optim.steps}")
        if len(trainer.codes) > 1:
            say(f"note: the training code has changed since this run began ({', then '.join(trainer.codes)})")
    say(f"this will take about {duration(trainer.estimate())}; stop and start again as you like")
    try:
        trainer.fit()
    except SystemExit:  # SIGTERM
        say(STOPPED)
        raise
    ranks.on_rank_zero(finish)
    last = trainer.history[-1]
    losses = f"L = {last['L']:.3f}, accuracy {last['accuracy']:.2f}"
    say(f"trained {config.optim.steps} steps in {duration(trainer.seconds)}; {losses}")
    say(f"next: {command('evaluate', out)}")


NO_GPU = (
    "*** No GPU is seen, and preset full wants one: on this processor it may take weeks.\n"
    "*** On Colab: Runtime > Change runtime type > T4 GPU. Otherwise try --preset quick first."
)


@contextmanager
def locked_folder(out: Path, ranks: DistributedContext = SINGLE_PROCESS) -> Iterator[None]:
    """Make a run's folder and hold its lock; of several ranks, rank 0 holds it.

    Raises:
        ValueError: when another process trains into it, or it cannot be written.
    """
    held = contextlib.ExitStack()

    def lock() -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(out / ".lock", "trains into this folder", wait=False))
        except Timeout:
            raise ValueError(
                f"--out {out}: another process is training into this folder. Choose another folder."
            ) from None
        except OSError as error:
            raise ValueError(f"--out {out}: cannot be written ({error.strerror}). {remedy(error)}.") from None

    with held:
        ranks.on_rank_zero(lock)
        yield
