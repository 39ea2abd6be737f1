"""Every committed table is what today's code makes of the committed records."""

import shlex
from pathlib import Path

import pytest

from cadnet_edu.cli.main import main
from cadnet_edu.io import read_json
from cadnet_edu.lab.rows import ROWS

RESULTS = Path(__file__).parents[2] / "book" / "results"


@pytest.mark.parametrize("what", [what for what in ROWS if what != "regimes" or (RESULTS / f"{what}.json").exists()])
def test_committed_tables_follow_from_the_committed_records(what: str, tmp_path: Path) -> None:
    of = what if what == "regimes" else "claims"  # the others are of the runs of the claims
    told = read_json(RESULTS / f"{of}.json")["command"].removeprefix("cadnet-edu ")
    arguments = told.replace(f"reproduce {of}", f"reproduce {what}")
    assert main([*shlex.split(arguments), "--out", str(tmp_path)]) == 0
    assert not list((tmp_path / "runs").glob("*.json"))  # nothing was run
    made, committed = read_json(tmp_path / f"{what}.json"), read_json(RESULTS / f"{what}.json")
    assert made == committed
