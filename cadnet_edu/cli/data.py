"""``cadnet-edu data``: write, prepare or check a data set, write a manifest, list the decoded images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from cadnet_edu.cli.console import command, read, say, show
from cadnet_edu.config import cache_dir
from cadnet_edu.data import load_split
from cadnet_edu.data.mlr_variants import CONSTRUCTIONS, construct
from cadnet_edu.data.readers.custom import PATTERN

USAGE = f"""usage: cadnet-edu data WHAT ...

  walkers   write the embedded data set:      cadnet-edu data walkers --out data/walkers
  prepare   unpack and check an archive:      cadnet-edu data prepare viper VIPeR.v1.0.zip --out data/viper
  check     is a set complete?                cadnet-edu data check market1501 --root data/market1501
  manifest  a split as a table for others:    cadnet-edu data manifest viper --root data/viper --mlr paper
  cache     list or delete decoded images:    cadnet-edu data cache

Constructions for --mlr: {", ".join(CONSTRUCTIONS)}.
cadnet-edu data WHAT --help lists the options of each.
"""
Published = Literal["market1501", "dukemtmc_reid", "cuhk03", "viper", "caviar"]
OnDisk = Literal["market1501", "dukemtmc_reid", "cuhk03", "viper", "caviar", "own"]


@dataclass
class Walkers:
    """Write the embedded data set to disk in Market-1501's layout."""

    out: Path  # Folder to make; it must not exist yet, or be empty.
    size: Literal["S", "M", "L", "XL"] = "M"  # Number of people; L has as many as Market-1501.
    height: int = 128  # Pixels.
    width: int = 64  # Pixels.
    seed: int = 0  # Another seed draws other people.


@dataclass
class OnDiskOptions:
    """Which data set, and where it is."""

    name: Annotated[OnDisk, tyro.conf.Positional]  # The data set.
    root: Path  # Its folder.
    data_seed: int = 0  # Which random halves (viper, caviar, own) or test set (cuhk03).
    bbox: Literal["detected", "labeled"] = "detected"  # Of cuhk03.
    filename_pattern: str = PATTERN  # Of own images: where identity and camera stand in file names.
    allow_withdrawn: bool = False  # Of dukemtmc_reid: you know that it was withdrawn and may use it.


@dataclass
class Check(OnDiskOptions):
    """Compare a data set on disk with what was published, and open every image. Exit code: 0 if complete, 2 if not."""

    part: bool = False  # It is a part of the set: show counts, do not compare them.
    quick: bool = False  # Do not open every image.


@dataclass
class Prepare:
    """Check an archive, unpack it, check its content. Without an archive: show the terms of the set and its source."""

    name: Annotated[Published, tyro.conf.Positional]  # The data set.
    archive: Annotated[Path | None, tyro.conf.Positional] = None  # What you have, file or folder; nothing is fetched.
    out: Path | None = None  # Folder to unpack an archive into; it must not exist yet, or be empty.
    bbox: Literal["detected", "labeled"] = "detected"  # Of cuhk03.
    part: bool = False  # It is a part of the set: show counts, do not compare them.
    quick: bool = False  # Do not open every image.
    other_archive: bool = False  # Unpack an archive whose checksum is not the published one.
    allow_withdrawn: bool = False  # Of dukemtmc_reid: you know that it was withdrawn and may use it.


@dataclass
class Manifest(OnDiskOptions):
    """Write a split as CSV: path, pid, camera, rate, role, checksum."""

    out: Annotated[Path, tyro.conf.arg(name="out")] = Path("manifest.csv")  # The file to write.
    mlr: str | None = None  # Make the MLR version first, by this construction.
    mlr_seed: int = 0  # Another seed draws other LR cameras and rates.


@dataclass
class Cache:
    """List the decoded images that are cached, and where. Training and evaluation write this cache by themselves."""

    clear: bool = False  # Delete all of them; the next run decodes what it needs.


def reading(options: OnDiskOptions) -> dict[str, Any]:
    """How to read the data set, as arguments of ``load_split``."""
    names = ("bbox", "filename_pattern", "allow_withdrawn")
    return {"seed": options.data_seed, **{name: getattr(options, name) for name in names}}


def walkers(arguments: Sequence[str]) -> None:
    """``cadnet-edu data walkers``"""
    from cadnet_edu.data import walkers as embedded

    options = read(Walkers, arguments, "cadnet-edu data walkers")
    split = embedded.walkers(options.size, height=options.height, width=options.width, seed=options.seed)
    folder = embedded.write_market1501(split, options.out)
    say(f"{split}\nwritten to {folder}")
    say(f"next: {command('train', '--dataset', 'market1501', '--root', folder, '--out', 'runs/walkers')}")


def prepare(arguments: Sequence[str]) -> None:
    """``cadnet-edu data prepare``"""
    from cadnet_edu.data.prepare import TERMS, unpacked

    options = read(Prepare, arguments, "cadnet-edu data prepare")
    name = options.name
    if options.archive is None:
        show(TERMS[name])
        raise ValueError(f"no archive is given. {command('data', 'prepare', name, 'ARCHIVE', '--out', f'data/{name}')}")
    root = unpacked(name, options.archive, options.out, options.other_archive)
    if root != options.archive:
        say(f"{options.archive} is unpacked in {root}; to unpack it again, remove that folder first")
    _check(Check(name, root, bbox=options.bbox, allow_withdrawn=options.allow_withdrawn, part=options.part,
                 quick=options.quick))  # fmt: skip
    flag = ["--allow-withdrawn"] if options.allow_withdrawn else []
    say(f"next: {command('train', '--dataset', name, '--root', root, *flag, '--out', f'runs/{name}')}")


def check(arguments: Sequence[str]) -> None:
    """``cadnet-edu data check``"""
    _check(read(Check, arguments, "cadnet-edu data check"))


def _check(options: Check) -> None:
    from cadnet_edu.data.checks import check_set

    report = check_set(options.name, options.root, **reading(options), part=options.part, images=not options.quick)
    show(str(report))
    if report.problems:
        raise ValueError(f"{options.root}: {len(report.problems)} problems, listed above. The set is not complete.")


def manifest(arguments: Sequence[str]) -> None:
    """``cadnet-edu data manifest``"""
    from cadnet_edu.data.manifest import write_manifest

    options = read(Manifest, arguments, "cadnet-edu data manifest")
    root = options.root
    split = load_split(options.name, options.root, **reading(options))
    if options.mlr is not None:
        split = construct(split, options.mlr, options.mlr_seed)
    path = write_manifest(split, options.out, root.parent if root.is_file() else root)
    say(f"{split}\nwritten to {path}; paths in it are relative to {root}")


def cache(arguments: Sequence[str]) -> None:
    """``cadnet-edu data cache``"""
    from cadnet_edu.data.image_cache import cache_entries, clear

    options = read(Cache, arguments, "cadnet-edu data cache")
    entries = cache_entries()
    if options.clear:
        clear()
    for entry in entries:
        old = "" if entry.current else ", by another version of the code, which this one never reads"
        show(f"{entry.folder.name.split('-')[0]:>9}  {entry.images:>9,} images  {entry.bytes / 1e9:7.2f} GB{old}")
    total = sum(entry.bytes for entry in entries)
    show(f"{total / 1e9:.2f} GB below {cache_dir() / 'images'}" + (", now deleted" if options.clear else ""))


COMMANDS = {"walkers": walkers, "prepare": prepare, "check": check, "manifest": manifest, "cache": cache}


def data(arguments: Sequence[str]) -> None:
    """Run one of the commands."""
    if arguments and arguments[0] in ("-h", "--help"):
        show(USAGE)
        return
    if not arguments or arguments[0] not in COMMANDS:
        what = f"there is no {arguments[0]!r}" if arguments and not arguments[0].startswith("-") else "say which"
        raise ValueError(f"{what}: choose one of {', '.join(COMMANDS)}, as in: cadnet-edu data walkers --out FOLDER")
    COMMANDS[arguments[0]](arguments[1:])
