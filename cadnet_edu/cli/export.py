"""``cadnet-edu export``: a trained run as a small file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from cadnet_edu.cli.console import read, say
from cadnet_edu.lab.export import export_run
from cadnet_edu.pretrained import WEIGHTS
from cadnet_edu.runs import load_run


@dataclass
class Export:
    """Export a trained run as a small file: weights in half precision, with the scores of these weights."""

    folder: Annotated[Path, tyro.conf.Positional]  # The --out folder of a training run.
    name: str = "cadnet"  # Name for pretrained(NAME).
    out: Path = WEIGHTS  # Folder to write into; by default the package's own.
    root: Path | None = None  # Folder of the data set that it was trained on, if that has moved.


def export_command(arguments: Sequence[str]) -> None:
    """``cadnet-edu export``"""
    options = read(Export, arguments, "cadnet-edu export")
    run = load_run(options.folder)
    if options.root is not None and run.config.data.dataset == "walkers":
        raise ValueError(f"--root {options.root}: this run was trained on walkers, which need no folder. Leave it out.")
    if options.root is not None:
        run = replace(run, config=run.config.replace(root=options.root))
    path = export_run(run, options.name, options.out)
    say(f"{path}, {path.stat().st_size / 2**20:.2f} MB; model card: {path.parent / 'README.md'}")
