"""Rehearse the full run for many GPUs and keep what was found: ``book/results/plan_full.json``.

A rehearsal of ResNet-50 at full size takes a minute or more, for each precision and each change, so chapter 15 reads it
from that file. Run this again when the networks or the training step have changed::

    python book/tools/plans.py
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from notebooks import write

from cadnet_edu.config import Config, profile
from cadnet_edu.plan import GPUS, Plan, plan
from cadnet_edu.runs import git_commit
from cadnet_edu.training.code_version import code_version

RESULT = Path(__file__).resolve().parents[1] / "results" / "plan_full.json"
CHANGED_ON = "t4"  # the GPU that Colab lends, on which the run as it is does not fit


def told(made: Plan) -> dict[str, Any]:
    """The numbers of a plan that the chapter shows."""
    return {
        "name": made.gpu.name, "precision": made.precision, "there": made.gpu.memory, "memory": made.memory,
        "fits": made.fits, "hours": made.hours, "seconds": made.seconds, "tensors": vars(made.tensors),
        "checkpoint": made.checkpoint,
    }  # fmt: skip


def changes(config: Config) -> dict[str, tuple[str, Config]]:
    """What can be changed when the run does not fit: the option -> what it costs, and the settings."""
    half = config.identities // 2
    return {
        "--precision 16-mixed": ("some digits of the maps; losses are scaled", replace(config, precision="fp16")),
        "--accumulate 2": ("BatchNorm and triplets see halves", replace(config, accumulate=2)),
        "--accumulate 4": ("BatchNorm and triplets see quarters", replace(config, accumulate=4)),
        f"--identities {half} --steps {2 * config.steps}": (
            "really half a batch: noisier gradients too", replace(config, identities=half, steps=2 * config.steps),
        ),
        "--decoder-width 32": ("a narrower G: another network", replace(config, decoder_width=32)),
        "--height 128 --width 64": ("a quarter of the pixels", replace(config, height=128, width=64)),
    }  # fmt: skip


def collect() -> dict[str, Any]:
    """All plans, and where they come from."""
    config = profile("full")
    plans = {name: plan(config, name, advise=False) for name in GPUS}
    first = plans[CHANGED_ON]
    return {
        "made": {
            "by": "python book/tools/plans.py", "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "commit": git_commit(), "code": code_version(), "torch": torch.__version__,
        },
        "config": config.to_dict(),
        "parameters": first.parameters,
        "images": first.size.images,
        "flops": first.flops,
        "passes": first.passes,
        "plans": {name: told(made) for name, made in plans.items()},
        "changed_on": CHANGED_ON,
        "changes": {
            what: {"cost": cost, **told(plan(changed, CHANGED_ON, advise=False))}
            for what, (cost, changed) in changes(config).items()
        },
        "text": str(plan(config, "l4", advise=False)),
    }  # fmt: skip


if __name__ == "__main__":
    write(RESULT, json.dumps(collect(), indent=1, allow_nan=False) + "\n")
    print(f"{RESULT}: written")
