"""Every committed table is what today's code makes of the committed records."""

import shlex
from pathlib import Path

import pytest

from cadnet_edu.cli.main import main
from cadnet_edu.io import read_json
from cadnet_edu.lab.rows import ROWS

RESULTS = Path(__file__).parents[2] / "book" / "results"


@pytest.mark.parametrize("what", ROWS)
def test_committed_tables_follow_from_the_committed_records(what: str, tmp_path: Path) -> None:
    seeds = read_json(RESULTS / "claims.json")["command"].partition(" --seeds ")[2]
    arguments = f"reproduce {what} --preset reduced --seeds {seeds}"
    assert main([*shlex.split(arguments), "--out", str(tmp_path)]) == 0
    assert not list((tmp_path / "runs").glob("*.json"))  # nothing was run
    made, committed = read_json(tmp_path / f"{what}.json"), read_json(RESULTS / f"{what}.json")
    assert made == committed
