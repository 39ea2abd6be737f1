"""``cadnet-edu export``: a trained run as a small file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from cadnet_edu.cli.console import read
from cadnet_edu.lab.export import export_run
from cadnet_edu.pretrained import WEIGHTS
from cadnet_edu.runs import load_run


@dataclass
class Export:
    """Keep a trained run as a small file that comes with the package: half precision, scored as it is."""

    folder: Annotated[Path, tyro.conf.Positional]
    """The --out folder of a training run."""
    name: str = "cadnet"
    """How it will be called: pretrained(NAME)."""
    out: Path = WEIGHTS
    """Folder of such files; the package's own without it."""
    root: Path | None = None
    """Folder of the data set that it was trained on, where that has moved."""


def export_command(arguments: Sequence[str]) -> None:
    """``cadnet-edu export``"""
    options = read(Export, arguments, "cadnet-edu export")
    run = load_run(options.folder)
    if options.root is not None and run.config.data.dataset == "walkers":
        raise ValueError(
            f"--root {options.root}: this run was trained on walkers, which lie in no folder. Leave it out."
        )
    if options.root is not None:
        run = replace(run, config=run.config.replace(root=options.root))
    path = export_run(run, options.name, options.out)
    print(f"{path}, {path.stat().st_size / 2**20:.2f} MB; model card: {path.parent / 'README.md'}", file=sys.stderr)
