"""Killed and interrupted runs: nothing is lost, and what goes on is bit for bit the run that was never stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from people import environment, noise_split
from updates import assert_same_run, plain, resumed, timeless, trained

from cadnet_edu.config import Config
from cadnet_edu.data.samples import Split
from cadnet_edu.training.checkpoints import load_checkpoint, read_history
from cadnet_edu.training.signals import StopSignals
from cadnet_edu.training.trainer import Trainer


def train_slowly(out: str, config: str, die_in_save: str) -> None:
    """Train, in a process of its own, which can kill itself while it puts its n-th checkpoint in place."""
    replace, saves = os.replace, iter(range(1, 99))

    def deadly(source: str, target: str) -> None:
        if str(target).endswith("checkpoint.pt") and next(saves) == int(die_in_save):
            os.kill(os.getpid(), signal.SIGKILL)  # the new file is written, but not yet in its place
        replace(source, target)

    def slowly(record: dict[str, float]) -> None:
        print("step", record["step"], flush=True)
        time.sleep(0.05)

    os.replace = deadly
    trainer = Trainer(Config.from_dict(json.loads(config)), noise_split(), out)
    print("resumed", trainer.resume(), trainer.step_number, flush=True)
    trainer.fit(callback=slowly, bar=False)


def start(config: Config, out: Path, die_in_save: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, str(out), json.dumps(config.to_dict()), str(die_in_save)]
    tests = Path(__file__).parents[1]
    variables = environment(PYTHONPATH=os.pathsep.join((str(tests.parent), str(tests))))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)


def lines_until(process: subprocess.Popen[str], last: str | None, number: signal.Signals | None = None) -> list[str]:
    """What a process prints up to a line, upon which it gets a signal, or to its end."""
    said = []
    for text in process.stdout:
        said.append(text.strip())
        if said[-1] == last and number is not None:
            process.send_signal(number)
            break
    return said


def test_kill_9_and_resume_is_never_interrupted(tiny_split: Split, tmp_path: Path) -> None:
    """Killed before the first checkpoint, begun again and killed while it wrote the second: nothing is lost."""
    out, config = tmp_path / "run", plain(steps=7, log_every=1, checkpoint_every=3)
    process = start(config, out)
    lines_until(process, "step 2", signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "checkpoint.pt").exists()
    process = start(config, out, die_in_save=2)  # of checkpoints at 3 and 6
    said = lines_until(process, None)
    assert process.wait() == -signal.SIGKILL
    assert (said[:2], said[-1]) == (["resumed False 0", "step 1"], "step 6")
    assert load_checkpoint(out / "checkpoint.pt")["step"] == 3
    assert list(out.glob(".*.part"))
    last, whole = resumed(config, tiny_split, out), trained(config, tiny_split)
    assert_same_run(last, whole)
    assert timeless(read_history(out)) == timeless(whole.history)
    assert sorted(p.name for p in out.iterdir()) == ["checkpoint.pt", "config.json", "history.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_saves_what_it_has(
    tiny_split: Split, tmp_path: Path, number: signal.Signals
) -> None:
    """Long before its first checkpoint is due; and it goes on as if nothing had been."""
    out, config = tmp_path / "run", plain(steps=200, log_every=1, checkpoint_every=200)
    process = start(config, out)
    lines_until(process, "step 3", number)
    rest = lines_until(process, None)
    assert process.wait() in ([143] if number == signal.SIGTERM else [1, 130, -signal.SIGINT]), rest
    done = load_checkpoint(out / "checkpoint.pt")["step"]
    assert 3 <= done < 200
    assert [r["step"] for r in read_history(out)] == list(range(1, done + 1))
    assert_same_run(resumed(config, tiny_split, out, done + 1), trained(config, tiny_split, until=done + 1))


def test_signals_are_left_as_they_were(tiny_split: Split) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    seen: list[Any] = []
    t = Trainer(plain(log_every=1), tiny_split)
    t.fit(until=1, bar=False, callback=lambda _: seen.append(signal.getsignal(signal.SIGINT)))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert seen
    assert seen[0] not in before


def test_a_second_interrupt_ends_at_once_and_an_ignored_signal_stays_ignored() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a command that a shell put into the background
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.number is None
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    train_slowly(*sys.argv[1:])
