"""Commands typed in a notebook: what is shown, and what is not."""

from __future__ import annotations

import sys

import pytest

from cadnet_edu import terminal
from cadnet_edu.terminal import run, without_bars


def test_a_command_is_shown_with_all_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cadnet-edu data check market1501 --root 'no such place'") == 2
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("$ cadnet-edu data check market1501 --root 'no such place'\n")
    assert "no such place: there is no such folder" in said.out


def test_a_line_may_go_on_in_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cadnet-edu data check market1501 \\\n  --root nowhere") == 2
    assert "nowhere: there is no such folder" in capsys.readouterr().out


def test_help_and_wrong_options_end_no_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cadnet-edu data cache --help") == 0
    assert run("cadnet-edu data cache --clera") == 2
    assert "--clear" in capsys.readouterr().out


def test_both_streams_come_in_order_and_bars_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(words: list[str]) -> int:
        print("first")
        print("second", file=sys.stderr)
        print("\r 10%\r100%", file=sys.stderr)
        print(*words)
        return 0

    monkeypatch.setattr(terminal, "main", main)
    assert run("cadnet-edu train --out 'a b'") == 0
    assert capsys.readouterr().out == "$ cadnet-edu train --out 'a b'\nfirst\nsecond\ntrain --out a b\n"


@pytest.mark.parametrize("line", ["", "rm -r runs", "python train.py"])
def test_other_programs_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="begins with cadnet-edu"):
        run(line)


def test_a_text_without_bars_stays() -> None:
    assert without_bars("a\n\n\nb") == "a\n\n\nb"
