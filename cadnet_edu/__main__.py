"""The command line: ``cadnet-edu train | evaluate | recover | reproduce | export | plan | data``."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from cadnet_edu.config import Config, profile

if TYPE_CHECKING:
    from cadnet_edu.data.samples import Split
    from cadnet_edu.distributed import Ranks
    from cadnet_edu.train import Trainer

USAGE = """usage: cadnet-edu COMMAND ...

  train      train CAD-Net or a baseline:      cadnet-edu train --profile quick --out runs/cadnet
             on several GPUs:                 cadnet-edu train --devices 4 --precision bf16-mixed --out runs/cadnet
  evaluate   score a trained run by rate:      cadnet-edu evaluate runs/cadnet --rates 1 2 3 4 8
  recover    recover ordinary image files:     cadnet-edu recover runs/cadnet photo.jpg --out recovered
  reproduce  the paper's tables and figures:   cadnet-edu reproduce table1 --profile quick --seeds 3 --plan
  export     keep a trained run as a file:     cadnet-edu export runs/cadnet --name cadnet --out weights
  plan       will it fit, how long is it:      cadnet-edu plan --profile full --gpu t4
  data       write, check or list data sets:   cadnet-edu data check market1501 --root data/market1501

cadnet-edu COMMAND --help shows what each understands.
"""


@dataclass
class Train:
    """Train a method at a profile, into a folder. A run that was stopped goes on where its last checkpoint is.

    Every setting of the profile can be changed; the defaults shown are those of the method and profile chosen.
    """

    out: Path
    """Folder for the checkpoint, the settings and the history."""
    config: tyro.conf.OmitArgPrefixes[Config]


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
    """Folder of that data set."""
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
    embeddings: bool = True
    """Keep the vectors in the run's folder, where the next evaluation finds them."""
    devices: int | Literal["auto"] = 1
    """How many of them share the images; auto takes all GPUs."""


@dataclass
class Recover:
    """Recover HR images from ordinary image files of any size."""

    folder: Annotated[Path, tyro.conf.Positional]
    """The --out folder of a training run that has a decoder G."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Image files."""
    out: Path = Path("recovered")
    """Folder to write into."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


@dataclass
class _Chosen:
    profile: str | None = None
    method: str = "cadnet"
    rest: list[str] = field(default_factory=list)


def train(arguments: Sequence[str]) -> None:
    """``cadnet-edu train``"""
    from cadnet_edu.methods import method
    from cadnet_edu.runs import open_split
    from cadnet_edu.train import Trainer

    chosen = _profile_and_method(arguments)
    default = method(chosen.method, profile(chosen.profile))
    asked = tyro.cli(Train, args=list(arguments), prog="cadnet-edu train", default=Train(tyro.MISSING, default))
    config, out = asked.config, asked.out
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: there is a file of that name. Choose another folder.")
    split = open_split(config)
    trainer = Trainer(config, split, out)
    with alone_in(out, trainer.ranks):
        go(trainer, split)


def go(trainer: Trainer, split: Split) -> None:
    """Train to the end, telling what is done and how long it will take."""
    from cadnet_edu.devices import native_bf16
    from cadnet_edu.files import write_json
    from cadnet_edu.runs import provenance

    config, out, ranks = trainer.config, trainer.out, trainer.ranks
    assert out is not None
    path = out / "run.json"

    def finish() -> None:
        write_json(path, provenance(config, trainer.seconds, ranks.world, trainer.codes))

    where = str(trainer.device) if ranks.world == 1 else f"{ranks.world} x {trainer.device.type}"
    parameters = sum(p.numel() for p in trainer.net.parameters())
    say(f"{config.method} at profile {config.profile}, seed {config.seed}, on {where} in {trainer.precision}")
    say(f"data:    {split}")
    say(f"network: {parameters / 1e6:.2f} M parameters, images {config.height} x {config.width}, rates {config.rates}")
    hint = gpu_hint(config, trainer.device.type)
    if hint:
        say(hint)
    if trainer.precision == "bf16" and not native_bf16(trainer.device):
        say("this processor only emulates bf16: --precision fp32 would be faster")
    if trainer.resume():
        if trainer.step_number >= config.steps:
            say(f"{out} holds this run already, finished after {config.steps} steps.")
            say(f"next: cadnet-edu evaluate {out}")
            if not ranks.from_first(path.exists()):
                ranks.on_first(finish)
            return
        say(f"going on from step {trainer.step_number} of {config.steps}")
        if len(trainer.codes) > 1:
            say(f"note: the training code has changed since this run began ({', then '.join(trainer.codes)})")
    say(f"this will take about {duration(trainer.estimate())}; stop and start again as you like")
    trainer.fit()
    ranks.on_first(finish)
    last = trainer.history[-1]
    losses = f"L = {last['L']:.3f}, accuracy {last['accuracy']:.2f}"
    say(f"trained {config.steps} steps in {duration(trainer.seconds)}; {losses}")
    say(f"next: cadnet-edu evaluate {out}")


@contextmanager
def alone_in(out: Path, ranks: Ranks | None = None) -> Iterator[None]:
    """Keep other processes from training into the same folder meanwhile; one locks for all that train together.

    Raises:
        ValueError: when one does.
    """
    from filelock import FileLock, Timeout

    from cadnet_edu.distributed import ALONE

    lock = FileLock(out / ".lock", timeout=0)

    def take() -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"--out {out}: another process is training into this folder. Choose another folder."
            ) from None
        except OSError as error:
            raise ValueError(f"--out {out}: cannot be written ({error.strerror}). Choose another folder.") from None

    (ranks or ALONE).on_first(take)
    try:
        yield
    finally:
        lock.release()


def evaluate(arguments: Sequence[str]) -> None:
    """``cadnet-edu evaluate``"""
    from dataclasses import replace

    from cadnet_edu.devices import choose_precision
    from cadnet_edu.distributed import join
    from cadnet_edu.evaluate import evaluate as score
    from cadnet_edu.files import write_json
    from cadnet_edu.runs import load_run

    asked = tyro.cli(Evaluate, args=list(arguments), prog="cadnet-edu evaluate")
    run = load_run(asked.folder)
    config = run.config
    if asked.dataset is not None:
        config = replace(config, dataset=asked.dataset, root=asked.root)
    elif asked.root is not None:
        config = replace(config, root=asked.root)
    if asked.allow_withdrawn:
        config = replace(config, allow_withdrawn=True)
    extra: dict[str, Any] = {}
    if asked.lpips:
        from cadnet_edu.metrics import lpips

        extra["lpips"] = lpips
    rates_asked, ranks = rates_to_score(asked), join(asked.device, asked.devices)
    if not (asked.folder / "run.json").exists():
        done = run.history[-1]["step"] if run.history else 0
        say(f"{asked.folder}: not trained to its end ({done} of {config.steps} steps seen), scored as it is now")
    split = split_to_score(asked, config)
    rates = score(
        run.net.to(ranks.device).embed,
        split,
        rates_asked,
        run.net.recover if run.net.G is not None else None,
        (config.height, config.width),
        asked.protocol,
        device=ranks.device,
        precision=choose_precision(config.precision, ranks.device, instead=True),
        extra=extra,
        keep=run.embeddings() if asked.embeddings else None,
        bar=True,
        ranks=ranks,
    )
    if not ranks.first:
        return
    recovered = "G" if run.net.G is not None else "bilinear up-sampling"
    about = {**run.provenance, "protocol": asked.protocol, "dataset": config.dataset, "split": split.name}
    about["recovered_by"] = recovered
    result: dict[str, Any] = {"rates": rates, "provenance": about}
    print(json.dumps(result, indent=2, allow_nan=False) if asked.json else table(rates, recovered))
    write_json(asked.folder / "evaluation.json", result)


def rates_to_score(asked: Evaluate) -> tuple[float, ...] | Literal["own"]:
    """The rates asked for, or that each image has its own.

    Raises:
        ValueError: when both are asked for.
    """
    if asked.mlr is None and asked.manifest is None:
        return (1, 2, 3, 4, 8) if asked.rates is None else asked.rates
    if asked.rates is not None:
        given = "--mlr" if asked.mlr is not None else "--manifest"
        raise ValueError(f"{given} gives each image a rate of its own: leave --rates out, or leave {given} out.")
    return "own"


def split_to_score(asked: Evaluate, config: Config) -> Split:
    """The data that a run is scored on: a data set, its MLR version, or what a manifest lists.

    Raises:
        ValueError: when both of the last two are asked for, or as the readers do.
    """
    from cadnet_edu.data.constructions import construct
    from cadnet_edu.data.manifest import read_manifest
    from cadnet_edu.runs import open_split

    if asked.manifest is None:
        split = open_split(config)
        return split if asked.mlr is None else construct(split, asked.mlr, asked.mlr_seed)
    if asked.mlr is not None:
        raise ValueError("a manifest says all rates itself: give --manifest or --mlr, not both.")
    if config.root is None:
        raise ValueError(f"{asked.manifest}: say where its images are with --root FOLDER.")
    split = read_manifest(asked.manifest, config.root, verify=True, allow_withdrawn=config.allow_withdrawn)
    return split.check() if split.train else split


def recover(arguments: Sequence[str]) -> None:
    """``cadnet-edu recover``"""
    from cadnet_edu.devices import choose_device
    from cadnet_edu.recover import recover_file
    from cadnet_edu.runs import load_run

    asked = tyro.cli(Recover, args=list(arguments), prog="cadnet-edu recover")
    if not asked.images:
        raise ValueError("give at least one image file to recover.")
    twice = sorted(stem for stem, n in Counter(path.stem for path in asked.images).items() if n > 1)
    if twice:
        raise ValueError(f"several images are called {twice[0]!r} and would overwrite each other in {asked.out}.")
    run = load_run(asked.folder)
    if run.net.G is None:
        method = run.config.method
        raise ValueError(f"{asked.folder}: a {method} run has no decoder G and recovers nothing. Take a cadnet run.")
    device = choose_device(asked.device)
    net, failed = run.net.to(device), []
    for path in asked.images:
        try:
            say(f"{path} -> {recover_file(net.recover, path, asked.out, net.size, device)}")
        except ValueError as error:
            failed.append(str(error))
    if failed:
        raise ValueError("\n".join(failed))


def data(arguments: Sequence[str]) -> None:
    """``cadnet-edu data``"""
    from cadnet_edu.data.commands import data as run

    run(arguments)


def plan(arguments: Sequence[str]) -> None:
    """``cadnet-edu plan``"""
    from cadnet_edu.methods import method
    from cadnet_edu.plan.commands import run

    chosen = _profile_and_method(arguments)
    run(arguments, method(chosen.method, profile(chosen.profile)))


def reproduce(arguments: Sequence[str]) -> int:
    """``cadnet-edu reproduce``"""
    from cadnet_edu.experiments.commands import reproduce as run

    return run(arguments)


def export(arguments: Sequence[str]) -> None:
    """``cadnet-edu export``"""
    from cadnet_edu.experiments.ship import export_command

    export_command(arguments)


def _profile_and_method(arguments: Sequence[str]) -> _Chosen:
    """The two options on which the defaults of all others depend."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--profile")
    parser.add_argument("--method", default="cadnet")
    try:
        known, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None
    return _Chosen(known.profile, known.method, rest)


def gpu_hint(config: Config, device: str) -> str | None:
    """What to tell somebody who starts the full profile without a GPU; None when all is well."""
    if device != "cpu" or config.profile != "full":
        return None
    return (
        "*** No GPU is seen, and profile full wants one: on this processor it may take weeks.\n"
        "*** On Colab: Runtime > Change runtime type > T4 GPU. Otherwise try --profile quick first."
    )


def duration(seconds: float) -> str:
    """Seconds in words that fit their size.

    >>> duration(42), duration(200), duration(9000)
    ('42 s', '3.3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def table(rates: dict[str, dict[str, Any]], recovered: str) -> str:
    """Scores by rate as a table to read."""
    names = ("rank1", "rank5", "rank10", "mAP", "psnr", "ssim", "lpips")
    columns = [name for name in names if any(name in row for row in rates.values())]

    def cell(name: str, value: float | None) -> str:
        return "       -" if value is None else f"{value:8.2f}" if name == "psnr" else f"{value:8.3f}"

    lines = ["  r  " + "".join(f"{name:>8}" for name in columns)]
    lines += [f"{r:>4} " + "".join(cell(name, row.get(name)) for name in columns) for r, row in rates.items()]
    return "\n".join(lines) + f"\nimage quality of: {recovered}"


def say(text: str) -> None:
    """A line for a person, on standard error so that standard output stays clean for results; from one process only."""
    from cadnet_edu.distributed import my_rank

    if my_rank() == 0:
        print(text, file=sys.stderr, flush=True)


def complain(command: str, text: str) -> None:
    """What went wrong, from whichever process it went wrong in."""
    from cadnet_edu.distributed import my_rank

    where = f" (process {my_rank()})" if my_rank() else ""
    print(f"cadnet-edu {command}{where}: {text}", file=sys.stderr)


COMMANDS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "train": train, "evaluate": evaluate, "recover": recover, "reproduce": reproduce, "export": export,
    "plan": plan, "data": data,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake of the user's ends in a sentence, never in a traceback."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    if arguments[0] not in COMMANDS:
        print(f"cadnet-edu: there is no command {arguments[0]!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    import torch

    from cadnet_edu.train import TrainingStopped

    try:
        return COMMANDS[arguments[0]](arguments[1:]) or 0
    except (ValueError, TrainingStopped) as error:
        complain(arguments[0], str(error))
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(arguments[0], f"{where}{error.strerror or error}")
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        complain(arguments[0], "there is not enough memory. Take a batch in parts (--accumulate 2) or smaller images.")
        return 1
    except KeyboardInterrupt:
        stoppable = arguments[0] in ("train", "reproduce")
        goes_on = " The same command goes on from the last checkpoint." if stoppable else ""
        say(f"\nstopped.{goes_on}")
        return 130


if __name__ == "__main__":
    sys.exit(main())
