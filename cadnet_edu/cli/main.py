"""The command line: ``cadnet-edu train | evaluate | recover | reproduce | export | data``."""

import contextlib
import sys
from collections.abc import Callable, Sequence

import torch

from cadnet_edu.cli.console import STOPPED, accept_any_text, discard_unwritable, flush, say, show
from cadnet_edu.cli.data import data
from cadnet_edu.cli.evaluate import evaluate
from cadnet_edu.cli.recover import recover
from cadnet_edu.cli.train import train
from cadnet_edu.io import REMEDIES, remedy
from cadnet_edu.training.distributed import current_rank
from cadnet_edu.training.trainer import TrainingDiverged

USAGE = """usage: cadnet-edu COMMAND ...

  train      train CAD-Net or a baseline:      cadnet-edu train --preset quick --out runs/cadnet
             time and memory of a run:         cadnet-edu train --preset full --dry-run
             on several GPUs:                  cadnet-edu train --devices 4 --precision bf16-mixed --out runs/cadnet
  evaluate   score a trained run by rate:      cadnet-edu evaluate runs/cadnet --rates 1 2 3 4 8
  recover    recover ordinary image files:     cadnet-edu recover runs/cadnet photo.jpg --out recovered
  reproduce  the paper's tables and figures:   cadnet-edu reproduce table1 --preset quick --seeds 3 --dry-run
  export     a trained run as a small file:    cadnet-edu export runs/cadnet --name cadnet --out weights
  data       write, check or list data sets:   cadnet-edu data check market1501 --root data/market1501

cadnet-edu COMMAND --help lists the options of a command.
"""
MORE_MEMORY = {
    "train": "Take a batch in parts (--accumulate-grad-batches 2) or smaller images (--height, --width).",
    "evaluate": "Share the images among several GPUs (--devices), or end other programs.",
}
REMOVED = {
    "plan": "this command was removed. To measure a step, the time of a run and its memory, use: "
    "cadnet-edu train --dry-run"
}


def reproduce(arguments: Sequence[str]) -> int:
    """``cadnet-edu reproduce``; imported only here, because the lab takes a second to import."""
    from cadnet_edu.cli.reproduce import reproduce as run

    return run(arguments)


def export(arguments: Sequence[str]) -> None:
    """``cadnet-edu export``; imported only here, as ``reproduce`` is."""
    from cadnet_edu.cli.export import export_command as run

    run(arguments)


COMMANDS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "train": train, "evaluate": evaluate, "recover": recover, "reproduce": reproduce, "export": export, "data": data,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake ends in an error message, never in a traceback."""
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
    """Print an error message, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        return 141  # as of a program that SIGPIPE ends
    if isinstance(error, ValueError | TrainingDiverged):
        print_error(name, str(error))
        return 2
    if isinstance(error, KeyboardInterrupt):
        say(STOPPED if name in ("train", "reproduce") else "\nstopped.")
        return 130
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        cure = f". {remedy(error)}." if error.filename and error.errno in REMEDIES else ""
        print_error(name, f"{where}{error.strerror or error}{cure}")
        return 1
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        print_error(name, f"there is not enough memory. {MORE_MEMORY.get(name, 'End other programs.')}")
        return 1
    raise error


def print_error(name: str, text: str) -> None:
    """Print an error message on standard error, from any rank."""
    where = f" (process {current_rank()})" if current_rank() else ""
    with contextlib.suppress(OSError):
        print(f"cadnet-edu {name}{where}: {text}", file=sys.stderr)
