"""``cadnet-edu plan``: what a run will need, before it is started."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro

from cadnet_edu.cli.console import read, show
from cadnet_edu.config import Config
from cadnet_edu.plan.estimate import Plan, plan
from cadnet_edu.plan.gpus import GIB, GPUS
from cadnet_edu.plan.measure import measure
from cadnet_edu.plan.text import seconds


@dataclass
class PlanCommand:
    """Estimate the memory and the time of a training run. No data, no weights and no GPU need be there.

    Takes all options of `cadnet-edu train`, but for --out.
    """

    config: tyro.conf.OmitArgPrefixes[Config]
    gpu: Literal["cpu", *GPUS] = "t4"  # type: ignore[valid-type]
    """The GPU to plan for; cpu is the processor at hand."""
    json: bool = False
    """Print JSON instead of a table."""
    measure: bool = False
    """Run two real steps on this machine as well, on noise, and print what they took beside the estimate."""


def run(arguments: Sequence[str], default: Config) -> None:
    """``cadnet-edu plan``

    Args:
        arguments: of the command line.
        default: the settings of the profile and method that they name.
    """
    asked = read(PlanCommand, arguments, "cadnet-edu plan", PlanCommand(default))
    made = plan(asked.config, asked.gpu)
    told = made.to_dict()
    if asked.measure:
        told["measured"] = beside(made)
    show(json.dumps(told, indent=2, allow_nan=False) if asked.json else str(made))


def beside(made: Plan) -> dict[str, object]:
    """Measure a plan's step on this machine and say how it compares with what is expected here.

    Args:
        made: the plan, for whichever processor.
    """
    measured = measure(made.config, made.size.identities)
    peak = None if measured.peak is None else measured.peak / GIB
    say(f"two real steps on {measured.device} in {measured.trainer.precision}: {seconds(measured.seconds)} a step, "
        + ("peak not told by this system" if peak is None else f"{peak:.2f} GiB of memory at most"))  # fmt: skip
    if measured.device == "cpu":
        here = plan(made.config, "cpu", advise=False)
        say(f"estimated for it: {seconds(here.seconds[0])} to {seconds(here.seconds[1])} a step, "
            f"{here.tensors.peak / GIB:.2f} GiB of tensors at most")  # fmt: skip
    return {"device": measured.device, "precision": measured.trainer.precision, "seconds_per_step": measured.seconds,
            "peak_gib": peak}  # fmt: skip


def say(text: str) -> None:
    """A line for a person, on standard error."""
    print(text, file=sys.stderr, flush=True)
