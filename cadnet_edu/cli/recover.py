"""``cadnet-edu recover``: recover HR images from ordinary image files."""

import glob
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cadnet_edu.cli.console import read, say
from cadnet_edu.data.find_files import IMAGES, images_below
from cadnet_edu.evaluation.recover import recover_file
from cadnet_edu.runs import load_run
from cadnet_edu.training.devices import choose_device


@dataclass
class Recover:
    """Recover HR images from ordinary image files of any size."""

    folder: Annotated[Path, tyro.conf.Positional]  # The --out folder of a training run that has a decoder G.
    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Image files, folders of them, or patterns such as 'photos/*.jpg'."""
    out: Path = Path("recovered")  # Folder to write into.
    device: str = "auto"  # auto, cpu, cuda or mps.


def recover(arguments: Sequence[str]) -> None:
    """``cadnet-edu recover``"""
    options = read(Recover, arguments, "cadnet-edu recover")
    images, failed = image_files(options.images)
    refuse_same_names(images, options.out)
    run = load_run(options.folder)
    if run.model.recover is None:
        method = run.config.run.method
        raise ValueError(f"{options.folder}: a {method} run has no decoder G and recovers nothing. Take a cadnet run.")
    device = choose_device(options.device)
    model = run.model.to(device)
    for path in images:
        try:
            say(f"{path} -> {recover_file(model, path, options.out, run.config.data.size, device)}")
        except ValueError as error:
            failed.append(str(error))
    if failed:
        raise ValueError("\n".join(failed))


def image_files(given: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The image files of a command line, each once, and an error message for each word without any.

    Args:
        given: files; folders, for all images directly in them; and patterns that no shell has expanded.
    """
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
    """Refuse images whose results would overwrite each other, also on file systems that ignore the case of names."""
    seen: dict[str, Path] = {}
    for path in images:
        other = seen.setdefault(unicodedata.normalize("NFC", path.stem).casefold(), path)
        if other is not path:
            raise ValueError(
                f"{other} and {path} would overwrite each other in {out}: both results are called {path.stem!r}, but "
                "perhaps for upper and lower case. Rename one, or recover them one by one, each with its own --out."
            )
