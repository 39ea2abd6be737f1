"""Every code name of the notation page exists, and does what its row says."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from cadnet_edu import losses
from cadnet_edu.config import Config
from cadnet_edu.data import resolution
from cadnet_edu.data.sampling import Batch
from cadnet_edu.models import classifier
from cadnet_edu.models.cadnet import CADNet, Output

PAGE = Path(__file__).resolve().parents[2] / "book" / "notation.md"
ROW = re.compile(r"^\| (?P<symbol>.+) \| `(?P<name>[^`]+)` \| (?P<shape>.+) \| (?P<section>[^|]+) \|$", re.MULTILINE)
ROWS = [m.groupdict() for m in ROW.finditer(PAGE.read_text(encoding="utf-8"))]


@cache
def net() -> CADNet:
    return CADNet(identities=5, size=(64, 32), backbone="slim", backbone_width=8, decoder_width=4).eval()


@cache
def out() -> Output:
    with torch.no_grad():
        return net()(torch.rand(2, 3, 64, 32))


def look_up(name: str) -> Any:
    """Return what a code name stands for."""
    first, _, rest = name.partition(".")
    if first == "batch":
        assert rest in Batch._fields, f"a Batch has no {rest}"
        return rest
    if first in ("net", "out", "config"):
        thing: Any = {"net": net, "out": out, "config": Config}[first]()
        for part in rest.split("."):
            thing = getattr(thing, part)
        return thing
    homes = [home for home in (losses, resolution, classifier) if hasattr(home, name)]
    assert homes, f"the package has no {name}"
    return getattr(homes[0], name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_name_exists(row: dict[str, str]) -> None:
    assert look_up(row["name"]) is not None
    assert re.fullmatch(r"\d\.\d(, eq\. \(\d\))?", row["section"]), row


def test_every_row_was_read_and_nothing_is_forgotten() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(ROWS) == sum(line.startswith("| ") and "code name" not in line for line in lines) > 30
    wanted = {f"net.{n}" for n in ("E", "G", "F", "C", "D_F", "D_I", "w")} | {f"batch.{n}" for n in Batch._fields}
    wanted |= {f"out.{n}" for n in Output._fields if n != "branch_logits"} | {n for n in vars(losses) if n[:2] == "L_"}
    wanted -= {"L_con"}  # which is not the paper's
    assert wanted <= {row["name"] for row in ROWS}


@pytest.mark.parametrize("row", [r for r in ROWS if r["name"].startswith("out.")], ids=lambda row: row["name"])
def test_shape_of_what_is_computed(row: dict[str, str]) -> None:
    value = look_up(row["name"])
    b, d, h, w = out().f.shape
    sizes = {"b": b, "d": d, "2d": 2 * d, "h": h, "w": w, "H": 64, "W": 32, "3": 3, "identities": 5}
    assert tuple(value.shape) == tuple(sizes[s] for s in row["shape"].strip("()").split(", "))
