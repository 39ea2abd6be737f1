"""What the scripts in ``data_scripts/`` share: check an archive, unpack it safely, check what is in it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cadnet_edu.data.archives import checksum_of, extract
from cadnet_edu.data.checks import MD5, check_set


def prepare(name: str, about: str, arguments: Sequence[str] | None = None) -> int:
    """Run a data set's script.

    Args:
        name: of the data set, as in ``load_split``.
        about: where it comes from, its terms, and what is known of consent.
        arguments: of the command line; those of this process without it.

    Returns:
        the exit code: 0 when the set is whole, 2 when something is missing or wrong, 1 when the system refuses.
    """
    asked = _parser(name, about).parse_args(arguments)
    if asked.source is None:
        print(about.strip())
        print(f"\nGive the archive or folder that you have: python data_scripts/{name}.py FILE --out data/{name}")
        return 2
    try:
        root = asked.source if asked.source.is_dir() else unpacked(name, asked.source, asked.out, asked.other_archive)
        report = check_set(
            name, root, boxes=asked.boxes, allow_withdrawn=asked.allow_withdrawn, part=asked.part,
            images=not asked.quick,
        )  # fmt: skip
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return 1
    print(report)
    if report.problems:
        print(f"{len(report.problems)} problems: the set is not whole.", file=sys.stderr)
        return 2
    flag = " --allow-withdrawn" if asked.allow_withdrawn else ""
    print(f"whole. next: cadnet-edu train --dataset {name} --root {shlex.quote(str(root))}{flag} --out runs/{name}")
    return 0


def _parser(name: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"data_scripts/{name}.py", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", type=Path, help="the archive or the folder that you have")
    parser.add_argument("--out", type=Path, help="folder to unpack an archive into; it must not exist yet")
    parser.add_argument("--boxes", choices=("detected", "labeled"), default="detected", help="of cuhk03")
    parser.add_argument("--part", action="store_true", help="it is a part of the set: do not compare counts")
    parser.add_argument("--quick", action="store_true", help="do not open every image")
    parser.add_argument("--other-archive", action="store_true", help="unpack an archive whose checksum is another one")
    parser.add_argument("--allow-withdrawn", action="store_true", help="of dukemtmc_reid")
    return parser


def unpacked(name: str, archive: Path, out: Path | None, other: bool = False) -> Path:
    """The folder that an archive is unpacked in; when that has been done before, it is only named again.

    Args:
        name: of the data set.
        archive: the file.
        out: the folder.
        other: accept an archive with another checksum than the published one.

    Raises:
        ValueError: without a folder, or when the archive is missing, another one, damaged, or unsafe.
        OSError: when it cannot be written.
    """
    if not archive.exists():
        raise ValueError(f"{archive}: there is no such file or folder. Nothing is fetched: give what you have.")
    if out is None:
        raise ValueError(f"{archive}: say where to unpack it, as in --out data/{name}.")
    if out.is_dir() and any(out.iterdir()):
        print(f"{out}: unpacked already, so it is only checked. To unpack again, remove that folder first.")
        return out
    if name in MD5 and not other:
        found = checksum_of(archive)
        if found != MD5[name]:
            raise ValueError(
                f"{archive}: its MD5 is {found}, that of the archive as published is {MD5[name]}. It was cut short or "
                "packed anew: get it again, or accept it with --other-archive; its contents are checked all the same."
            )
        print(f"{archive}: MD5 as published.")
    print(f"unpacking {archive} into {out} ...")
    return extract(archive, out)
