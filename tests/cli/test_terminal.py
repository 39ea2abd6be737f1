"""Commands typed in a notebook: what is shown, and what is not."""

import shlex
import sys

import pytest

from cadnet_edu.cli import terminal
from cadnet_edu.cli.terminal import run, words_of


def test_a_command_is_shown_with_all_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cadnet-edu data check market1501 --root 'no such place'") == 2
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("$ cadnet-edu data check market1501 --root 'no such place'\n")
    assert "no such place: there is no such folder" in said.out


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
        print(*words, end="\n\n\n")
        return 0

    monkeypatch.setattr(terminal, "main", main)
    assert run("cadnet-edu train --out 'a b'") == 0
    assert capsys.readouterr().out == "$ cadnet-edu train --out 'a b'\nfirst\nsecond\ntrain --out a b\n\n\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "begins with cadnet-edu"),
        ("python train.py", "begins with cadnet-edu"),
        ("cadnet-edu data check own --root 'my photos", "a quote is opened and not closed"),
    ],
)
def test_other_programs_and_open_quotes_are_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        # paths of Windows
        (r"--root C:\data\market1501 --part", ["--root", r"C:\data\market1501", "--part"]),
        (r"--root=C:\data\new", [r"--root=C:\data\new"]),
        (r"--root C:\data\ --part", ["--root", "C:\\data\\", "--part"]),
        ("--root C:\\data\\", ["--root", "C:\\data\\"]),
        (r'--root "C:\My Photos" --part', ["--root", r"C:\My Photos", "--part"]),
        (r'--root="C:\My Photos\" --part', ["--root=C:\\My Photos\\", "--part"]),
        (r"--root 'C:\My Photos\' --part", ["--root", "C:\\My Photos\\", "--part"]),
        (r"--root C:\(old)\$new", ["--root", r"C:\(old)\$new"]),
        (r"--root \\server\share\x", ["--root", r"\\server\share\x"]),
        (r'--root "\\server\my share"', ["--root", r"\\server\my share"]),
        (r"data\walkers ..\a ~\b .\_c \d \.e", [r"data\walkers", r"..\a", r"~\b", r".\_c", r"\d", r"\.e"]),
        (r"fotos\über\王", [r"fotos\über\王"]),
        # as a shell of Linux and macOS
        (r"my\ folder/a", ["my folder/a"]),
        (r"it\'s \"so\" a\&b\(1\) data\\walkers", ["it's", '"so"', "a&b(1)", r"data\walkers"]),
        (r"""'my "folder"' "it's" "say \"so\"" "a\\b\c" '\ '""", ['my "folder"', "it's", 'say "so"', r"a\b\c", "\\ "]),
        ("""'it'"'"'s' a"b c"d""", ["it's", "ab cd"]),
        ("a \\\n  b \\\r\n c", ["a", "b", "c"]),
        ("", []),
    ],
)
def test_quotes_and_backslashes(line: str, words: list[str]) -> None:
    assert words_of(line) == words
    assert words_of(shlex.join(words)) == words


def test_a_windows_path_reaches_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(r"cadnet-edu data check market1501 --root C:\data\market1501") == 2
    assert r"C:\data\market1501: there is no such folder" in capsys.readouterr().out


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_was_said_before_an_error_is_shown(
    error: type[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(words: list[str]) -> int:
        print("step 1")
        raise error

    monkeypatch.setattr(terminal, "main", main)
    with pytest.raises(error):
        run("cadnet-edu train")
    assert capsys.readouterr().out == "$ cadnet-edu train\nstep 1\n"
