"""The command line: ``cadnet-edu train | evaluate | recover | reproduce | export | data``."""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import shlex
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from cadnet_edu.cli.console import (
    accept_any_text,
    command,
    discard_unwritable,
    flush,
    read,
    say,
    show,
)
from cadnet_edu.config import Config, preset
from cadnet_edu.io import READ_ONLY, REMEDIES, duration, remedy

if TYPE_CHECKING:
    from cadnet_edu.data.samples import Split
    from cadnet_edu.training.distributed import DistributedContext
    from cadnet_edu.training.trainer import Trainer

USAGE = """usage: cadnet-edu COMMAND ...

  train      train CAD-Net or a baseline:      cadnet-edu train --preset quick --out runs/cadnet
             will it fit, how long is it:      cadnet-edu train --preset full --dry-run
             on several GPUs:                 cadnet-edu train --devices 4 --precision bf16-mixed --out runs/cadnet
  evaluate   score a trained run by rate:      cadnet-edu evaluate runs/cadnet --rates 1 2 3 4 8
  recover    recover ordinary image files:     cadnet-edu recover runs/cadnet photo.jpg --out recovered
  reproduce  the paper's tables and figures:   cadnet-edu reproduce table1 --preset quick --seeds 3 --dry-run
  export     keep a trained run as a file:     cadnet-edu export runs/cadnet --name cadnet --out weights
  data       write, check or list data sets:   cadnet-edu data check market1501 --root data/market1501

cadnet-edu COMMAND --help shows what each understands.
"""


@dataclass
class Train:
    """Train a method at a preset, into a folder. A run that was stopped goes on where its last checkpoint is.

    Every setting of the preset can be changed; the defaults shown are those of the method and preset chosen.
    """

    config: tyro.conf.OmitArgPrefixes[Config]
    out: Path | None = None
    """Folder for the checkpoint, the settings and the history; needed, but for a dry run."""
    dry_run: bool = False
    """Only train two steps on noise, without data, and show the time of a step, of the whole run, and the memory."""


@dataclass
class Evaluate:
    """Score a trained run: LR queries at each rate against an HR gallery."""

    folder: Annotated[Path, tyro.conf.Positional]
    """The --out folder of a training run."""
    rates: tuple[float, ...] | None = None
    """Down-sampling rates of the queries, each 1 or more; 1 2 3 4 8 when not given."""
    json: bool = False
    """Print JSON instead of a table."""
    lpips: bool = False
    """Score LPIPS as well (fetches AlexNet's weights once)."""
    protocol: Literal["single_shot", "market1501"] = "single_shot"
    """Which CMC: one gallery image an identity (Sec. 4.3), or all of them."""
    dataset: str | None = None
    """Score on another data set than the run was trained on."""
    root: Path | None = None
    """Folder of that data set, or of the run's own where it has moved."""
    data_seed: int | None = None
    """Which random halves (viper, caviar, own), test set (cuhk03) or people (walkers); the run's own without it."""
    bbox: Literal["detected", "labeled"] | None = None
    """Of cuhk03; the run's own without it."""
    filename_pattern: str | None = None
    """Of own images: how file names say who and where; the run's own without it."""
    mlr: str | None = None
    """Score its MLR version (Sec. 4.4) instead, each query at its own rate; by this construction, such as paper."""
    mlr_seed: int = 0
    """Another seed draws other LR cameras and rates."""
    manifest: Path | None = None
    """Score the split of this manifest instead, each query at its own rate; its images are below --root."""
    allow_withdrawn: bool = False
    """You know that dukemtmc_reid was withdrawn and may use it."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    devices: int | Literal["auto"] = 1
    """How many of them share the images; auto takes all GPUs."""


@dataclass
class Recover:
    """Recover HR images from ordinary image files of any size."""

    folder: Annotated[Path, tyro.conf.Positional]
    """The --out folder of a training run that has a decoder G."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Image files, folders of them, or patterns such as 'photos/*.jpg'."""
    out: Path = Path("recovered")
    """Folder to write into."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


@dataclass
class _Chosen:
    preset: str | None = None
    method: str = "cadnet"
    rest: list[str] = field(default_factory=list)


def train(arguments: Sequence[str]) -> None:
    """``cadnet-edu train``"""
    from cadnet_edu.methods import method, method_of
    from cadnet_edu.methods.cadnet import fit as fit_network
    from cadnet_edu.runs import is_finished, open_split
    from cadnet_edu.training.checkpoints import load_checkpoint
    from cadnet_edu.training.trainer import Trainer

    chosen = _preset_and_method(arguments)
    default = method(chosen.method, preset(chosen.preset))
    options = read(Train, arguments, "cadnet-edu train", Train(default))
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
        fit_other(config, out)
        return
    refuse_more_steps(config, out)
    split = open_split(config)
    trainer = Trainer(config, split, out)
    if trainer.ranks.broadcast_from_zero(
        is_finished(out, config)
    ):  # nothing has to be written, so the folder may be read-only
        trainer.load_state_dict(load_checkpoint(out / "checkpoint.pt"))  # refuses other data
        say_finished(config, out)
        return
    with alone_in(out, trainer.ranks):
        go(trainer, split)


def fit_other(config: Config, out: Path) -> None:
    """Fit a method that does not run the ``Trainer``, and say what comes next."""
    from cadnet_edu.runs import train_or_load

    run = train_or_load(config, bar=True, folder=out)
    say(f"{config.run.method} at preset {config.run.preset}: fitted, {run.model.cost.parameters} parameters")
    say(f"next: {command('evaluate', out)}")


def show_dry_run(config: Config) -> None:
    """Train two steps on noise and print what a whole run would take. Nothing is written."""
    from cadnet_edu.training.dry_run import dry_run

    made = dry_run(config)
    trainer = made.trainer
    if not trainer.ranks.is_rank_zero:
        return
    kind = "PyTorch's tensors" if trainer.device.type == "cuda" else "the process"
    peak = "not reported by this system" if made.peak is None else f"{made.peak / 2**30:.2f} GiB ({kind})"
    where = str(trainer.device) if trainer.ranks.world == 1 else f"{trainer.ranks.world} x {trainer.device.type}"
    show(
        f"{config.run.method} at preset {config.run.preset}, on {where} in {trainer.precision}: two steps on noise\n"
        f"a step:      {made.seconds:.3g} s\n"
        f"whole run:   about {duration(made.total)} (steps: {config.optim.steps}; no data, no evaluation)\n"
        f"peak memory: {peak}\n"
        "nothing is written"
    )


def refuse_more_steps(config: Config, out: Path) -> None:
    """Say how to train on when a folder holds a run of the same settings, but for fewer steps.

    Raises:
        ValueError: when it does.
    """

    from cadnet_edu.training.checkpoints import check_same_config, load_checkpoint

    saved = out / "checkpoint.pt"
    if not saved.exists():
        return
    state = load_checkpoint(saved)
    was = json.loads(state["config"])["steps"]
    if was < config.optim.steps:
        check_same_config(state, config.replace(steps=was))
        raise ValueError(
            f"{out} holds a run of {was} steps. Its learning rates were planned for {was} steps, so it cannot become a "
            f"run of {config.optim.steps}. To train its weights further, choose another --out and add: "
            f"--weights {shlex.quote(str(saved))}"
        )


def say_finished(config: Config, out: Path) -> None:
    """Say that there is nothing left to train."""
    say(f"{out} holds this run already, finished after {config.optim.steps} steps.")
    say(f"next: {command('evaluate', out)}")


def go(trainer: Trainer, split: Split) -> None:
    """Train to the end, telling what is done and how long it will take."""
    from cadnet_edu.data.fingerprint import split_fingerprint
    from cadnet_edu.io import write_json
    from cadnet_edu.runs import provenance
    from cadnet_edu.training.devices import native_bf16

    config, out, ranks = trainer.config, trainer.out, trainer.ranks
    assert out is not None
    path = out / "run.json"

    def finish() -> None:
        data = None if config.data.dataset == "walkers" else split_fingerprint(split)
        write_json(path, provenance(config, trainer.seconds, ranks.world, trainer.codes, data))

    where = str(trainer.device) if ranks.world == 1 else f"{ranks.world} x {trainer.device.type}"
    parameters = sum(p.numel() for p in trainer.net.parameters())
    say(f"{config.run.method} at preset {config.run.preset}, seed {config.run.seed}, on {where} in {trainer.precision}")
    say(f"data:    {split}")
    height, width = config.data.size
    say(f"network: {parameters / 1e6:.2f} M parameters, images {height} x {width}, rates {config.data.rates}")
    hint = gpu_hint(config, trainer.device.type)
    if hint:
        say(hint)
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


@contextmanager
def alone_in(out: Path, ranks: DistributedContext | None = None) -> Iterator[None]:
    """Keep other processes from training into the same folder meanwhile; one locks for all that train together.

    Raises:
        ValueError: when one does.
    """
    from cadnet_edu.locks import Timeout, locked
    from cadnet_edu.training.distributed import SINGLE_PROCESS

    held = contextlib.ExitStack()

    def take() -> None:
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
        (ranks or SINGLE_PROCESS).on_rank_zero(take)
        yield


def evaluate(arguments: Sequence[str]) -> None:
    """``cadnet-edu evaluate``"""
    from cadnet_edu.evaluation.evaluate import evaluate as score
    from cadnet_edu.runs import load_run
    from cadnet_edu.training.devices import choose_precision
    from cadnet_edu.training.distributed import init_distributed

    options = read(Evaluate, arguments, "cadnet-edu evaluate")
    run = load_run(options.folder)
    config = data_settings(options, run.config)
    extra: dict[str, Any] = {}
    if options.lpips:
        from cadnet_edu.evaluation.image_quality import lpips

        extra["lpips"] = lpips
    wanted, ranks = rates_to_score(options), init_distributed(options.device, options.devices)
    if not (options.folder / "run.json").exists():
        done = run.history[-1]["step"] if run.history else 0
        say(
            f"{options.folder}: not trained to its end ({done} of {config.optim.steps} steps seen), scored as it is now"
        )
    split = split_to_score(options, config)
    rates = score(
        run.model.to(ranks.device),
        split,
        wanted,
        (config.data.height, config.data.width),
        options.protocol,
        device=ranks.device,
        precision=choose_precision(config.run.precision, ranks.device, instead=True),
        extra=extra,
        bar=True,
        ranks=ranks,
    )
    if not ranks.is_rank_zero:
        return
    recovered = "bilinear up-sampling" if run.model.recover is None else "G"
    metadata = {**run.provenance, "protocol": options.protocol, "dataset": config.data.dataset, "split": split.name}
    metadata["recovered_by"] = recovered
    result: dict[str, Any] = {"rates": rates, "provenance": metadata}
    text = json.dumps(result, indent=2, allow_nan=False) if options.json else table(rates, recovered)
    keep_and_show(options.folder / "evaluation.json", result, text)


def keep_and_show(path: Path, result: dict[str, Any], text: str) -> None:
    """Write a result, then print it. One that cannot be written is printed all the same.

    Args:
        path: of the file. In a folder that is read-only, a note says that it is not kept.
        result: what is written.
        text: what is printed.

    Raises:
        OSError: when the file cannot be written for another reason, such as a full disk, or the text not be printed.
    """
    from cadnet_edu.io import write_json

    lost: OSError | None = None
    try:
        write_json(path, result)
    except OSError as error:
        lost = error
    show(text)
    if lost is not None and lost.errno not in READ_ONLY:
        raise lost
    if lost is not None:
        say(f"note: {path.parent} is read-only, so these scores are not kept there.")


def data_settings(options: Evaluate, config: Config) -> Config:
    """A run's settings, with those of the data that the command line gives instead."""

    from cadnet_edu.config import data_named

    if options.dataset not in (None, config.data.dataset):
        named = data_named({}, {"dataset": options.dataset})  # CADNET_EDU_ROOT says where, but for --root
        config = config.replace(dataset=options.dataset, root=named.get("root"))
    given = {name: getattr(options, name) for name in ("root", "data_seed", "bbox", "filename_pattern")}
    allowed = config.data.allow_withdrawn or options.allow_withdrawn
    return config.replace(allow_withdrawn=allowed, **{k: v for k, v in given.items() if v is not None})


def rates_to_score(options: Evaluate) -> tuple[float, ...] | Literal["own"]:
    """The rates of the command line, or that each image has its own.

    Raises:
        ValueError: when both are given.
    """
    if options.mlr is None and options.manifest is None:
        return (1, 2, 3, 4, 8) if options.rates is None else options.rates
    if options.rates is not None:
        given = "--mlr" if options.mlr is not None else "--manifest"
        raise ValueError(f"{given} gives each image a rate of its own: leave --rates out, or leave {given} out.")
    return "own"


def split_to_score(options: Evaluate, config: Config) -> Split:
    """The data that a run is scored on: a data set, its MLR version, or what a manifest lists.

    Raises:
        ValueError: when both of the last two are given, or as the readers do.
    """
    from cadnet_edu.data.manifest import read_manifest
    from cadnet_edu.data.mlr_variants import construct
    from cadnet_edu.runs import open_split

    if options.manifest is None:
        split = open_split(config, train=False)
        return split if options.mlr is None else construct(split, options.mlr, options.mlr_seed)
    if options.mlr is not None:
        raise ValueError("a manifest says all rates itself: give --manifest or --mlr, not both.")
    if config.data.root is None:
        raise ValueError(f"{options.manifest}: say where its images are with --root FOLDER.")
    split = read_manifest(options.manifest, config.data.root, verify=True, allow_withdrawn=config.data.allow_withdrawn)
    return split.check(train=False)


def recover(arguments: Sequence[str]) -> None:
    """``cadnet-edu recover``"""
    from cadnet_edu.evaluation.recover import recover_file
    from cadnet_edu.runs import load_run
    from cadnet_edu.training.devices import choose_device

    options = read(Recover, arguments, "cadnet-edu recover")
    images, failed = image_files(options.images)
    refuse_same_names(images, options.out)
    run = load_run(options.folder)
    if run.model.recover is None:
        method = run.config.run.method
        raise ValueError(f"{options.folder}: a {method} run has no decoder G and recovers nothing. Take a cadnet run.")
    device = choose_device(options.device)
    model, size = run.model.to(device), (run.config.data.height, run.config.data.width)
    for path in images:
        try:
            say(f"{path} -> {recover_file(model, path, options.out, size, device)}")
        except ValueError as error:
            failed.append(str(error))
    if failed:
        raise ValueError("\n".join(failed))


def image_files(given: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The image files that a command line means, each once, and a sentence for each word of it that means none.

    Args:
        given: files; folders, which stand for the images in them; and patterns that no shell has expanded.

    Raises:
        ValueError: when nothing is given.
    """
    from cadnet_edu.data.find_files import IMAGES, images_below

    if not given:
        raise ValueError("give at least one image file, or a folder of images, to recover.")
    found: list[Path] = []
    empty: list[str] = []
    for path in given:
        if path.is_dir():
            images = images_below(path, depth=0)
            if not images:
                empty.append(f"{path}: this is a folder, and no image ({', '.join(IMAGES)}) lies in it.")
        elif glob.has_magic(str(path)) and not path.exists():
            images = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file())
            if not images:
                empty.append(f"{path}: no file matches this pattern.")
        else:
            images = [path]
        found += images
    return list(dict.fromkeys(found)), empty


def refuse_same_names(images: Sequence[Path], out: Path) -> None:
    """Refuse images whose results would overwrite each other, also on disks that ignore the case of names.

    Raises:
        ValueError: which names two of them.
    """
    seen: dict[str, Path] = {}
    for path in images:
        other = seen.setdefault(unicodedata.normalize("NFC", path.stem).casefold(), path)
        if other is not path:
            raise ValueError(
                f"{other} and {path} would overwrite each other in {out}: both results are called {path.stem!r}, but "
                "perhaps for upper and lower case. Rename one, or recover them one by one, each with its own --out."
            )


def data(arguments: Sequence[str]) -> None:
    """``cadnet-edu data``"""
    from cadnet_edu.cli.data import data as run

    run(arguments)


def reproduce(arguments: Sequence[str]) -> int:
    """``cadnet-edu reproduce``"""
    from cadnet_edu.cli.reproduce import reproduce as run

    return run(arguments)


def export(arguments: Sequence[str]) -> None:
    """``cadnet-edu export``"""
    from cadnet_edu.cli.export import export_command

    export_command(arguments)


def _preset_and_method(arguments: Sequence[str]) -> _Chosen:
    """The two options on which the defaults of all others depend."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    parser.add_argument("--method", default="cadnet")
    try:
        known, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None
    return _Chosen(known.preset, known.method, rest)


def gpu_hint(config: Config, device: str) -> str | None:
    """What to tell somebody who starts the full preset without a GPU; None when all is well."""
    if device != "cpu" or config.run.preset != "full":
        return None
    return (
        "*** No GPU is seen, and preset full wants one: on this processor it may take weeks.\n"
        "*** On Colab: Runtime > Change runtime type > T4 GPU. Otherwise try --preset quick first."
    )


def table(rates: dict[str, dict[str, Any]], recovered: str) -> str:
    """Scores by rate as a table to read."""
    from cadnet_edu.evaluation.retrieval import unmatched_note

    names = ("rank1", "rank5", "rank10", "mAP", "psnr", "ssim", "lpips")
    columns = [name for name in names if any(name in row for row in rates.values())]

    def cell(name: str, value: float | None) -> str:
        return "       -" if value is None else f"{value:8.2f}" if name == "psnr" else f"{value:8.3f}"

    lines = ["  r  " + "".join(f"{name:>8}" for name in columns)]
    lines += [f"{r:>4} " + "".join(cell(name, row.get(name)) for name in columns) for r, row in rates.items()]
    lines += [f"image quality of: {recovered}", unmatched_note(rates)]
    return "\n".join(filter(None, lines))


def complain(name: str, text: str) -> None:
    """What went wrong, from whichever process it went wrong in."""
    from cadnet_edu.training.distributed import current_rank

    where = f" (process {current_rank()})" if current_rank() else ""
    with contextlib.suppress(OSError):
        print(f"cadnet-edu {name}{where}: {text}", file=sys.stderr)


def not_enough_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out, on the processor or on a GPU."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


STOPPED = "\nstopped. The same command goes on from the last checkpoint."
MORE_MEMORY = {
    "train": "Take a batch in parts (--accumulate-grad-batches 2) or smaller images (--height, --width).",
    "evaluate": "Share the images among several GPUs (--devices), or end other programs.",
}
COMMANDS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "train": train, "evaluate": evaluate, "recover": recover, "reproduce": reproduce, "export": export,
    "data": data,
}  # fmt: skip
REMOVED = {
    "plan": "this command is gone. To measure a step, the time of a run and its memory, use: cadnet-edu train --dry-run"
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake of the user's ends in a sentence, never in a traceback."""
    accept_any_text()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            code = run_command(arguments)
        except SystemExit as stop:  # --help, and options that do not exist
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        flush()
        return code
    except (Exception, KeyboardInterrupt) as error:
        return explain(arguments[0] if arguments else "", error)
    finally:
        discard_unwritable()


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that comes first; without one, list all."""
    if not arguments or arguments[0] in ("-h", "--help"):
        show(USAGE)
        return 0 if arguments else 2
    if arguments[0] in REMOVED:
        raise ValueError(REMOVED[arguments[0]])
    if arguments[0] not in COMMANDS:
        print(f"cadnet-edu: there is no command {arguments[0]!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    return COMMANDS[arguments[0]](arguments[1:]) or 0


def explain(name: str, error: BaseException) -> int:
    """Say in a sentence what went wrong, and return the exit code.

    Args:
        name: the command's.
        error: what it raised. One that is no mistake of the user's is raised again.
    """
    from cadnet_edu.training.trainer import TrainingDiverged

    if isinstance(error, BrokenPipeError):
        return 141  # as of a program that SIGPIPE ends: whoever read the output has enough
    if isinstance(error, ValueError | TrainingDiverged):
        complain(name, str(error))
        return 2
    if isinstance(error, KeyboardInterrupt):
        say(STOPPED if name in ("train", "reproduce") else "\nstopped.")
        return 130
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        cure = f". {remedy(error)}." if error.filename and error.errno in REMEDIES else ""
        complain(name, f"{where}{error.strerror or error}{cure}")
        return 1
    if not_enough_memory(error):
        complain(name, f"there is not enough memory. {MORE_MEMORY.get(name, 'End other programs.')}")
        return 1
    raise error
