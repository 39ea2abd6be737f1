"""A dry run: two real steps on noise, nothing read and nothing written."""

from pathlib import Path

import pytest
from people import tiny

from cadnet_edu.training.dry_run import dry_run, training_identities


@pytest.mark.parametrize(("dataset", "identities"), [("market1501", 751), ("walkers", 120), ("own", None)])
def test_two_steps_are_measured(
    dataset: str, identities: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tiny(dataset=dataset, root=tmp_path / "gone", walkers_size="M", weights="imagenet", steps=7200)
    assert training_identities(config) == identities
    measured = dry_run(config)
    assert measured.trainer.step_number == 2
    assert identities is None or measured.trainer.net.C.fc.out_features == identities
    assert 0 < measured.seconds < measured.total == 7200 * measured.seconds
    assert measured.peak is None or 0.05 < measured.peak / 2**30 < 64
    assert not list(tmp_path.iterdir())
