"""The command line as a whole: whose commands it has, and that a broken package does not take it along."""

import os
import re
import subprocess
import sys

import pytest

OWN = ["list", "inspect", "run", "show", "explain", "save", "export", "check", "new"]


@pytest.fixture
def broken(tmp_path):
    """A folder where a package is installed whose command raises at import."""
    (tmp_path / "broken_commands.py").write_text("raise RuntimeError('no such library')")
    info = tmp_path / "broken_commands-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-commands\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[sembench.commands]\naaa-broken = broken_commands:run\nno-command = json:__name__\nrun = json:loads\n"
        "leaderboard = json:loads\n[sembench.figures]\ncurves = json:loads\nno-figure = json:__name__\n"
    )
    return tmp_path


def sembench(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    command = [sys.executable, "-m", "sembench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_broken_command_says_so_and_the_others_work(broken):
    shown = sembench(broken, "--help")
    assert shown.returncode == 0
    assert shown.stderr == "note: the command 'run' of a package is left out: sembench has one of that name\n"
    assert re.search(r"aaa-broken +Broken: RuntimeError: no such library", shown.stdout)
    for name, reason in {
        "aaa-broken": "is registered as broken_commands:run but cannot be used: RuntimeError: no such library.",
        "no-command": "is registered as json:__name__ but cannot be used: ",
        "leaderboard": "and as sembench_leaderboard.commands.boards:leaderboard but cannot be used: NameTaken: several",
    }.items():
        called = sembench(broken, name, "--results", "x")
        assert called.returncode == 2
        assert f"error: the command {name!r} is registered as " in called.stderr
        assert reason in called.stderr
    assert sembench(broken, "run", "--help").stdout.count("--explainer") > 0
    assert sembench(broken, "report", "--help").returncode == 0


def test_a_figure_that_is_none_or_claimed_twice_stops_no_other(broken):
    assert "claimed by json:loads and by" in sembench(broken, "show", "curves").stderr
    assert "'no-figure' is a str, not a figure" in sembench(broken, "show", "no-figure").stderr
    listed = sembench(broken, "list")
    assert listed.returncode == 0
    assert "curves" in listed.stdout
    assert "unknown figure" in sembench(broken, "show", "portrait").stderr


def test_help_shows_our_commands_first_and_then_those_of_packages(broken):
    listed = sembench(broken, "--help").stdout.partition("Commands")[2]
    names = re.findall(r"^\W*([a-z-]+)  ", listed, re.MULTILINE)
    assert names[: len(OWN) - 1] == OWN[:-1]
    assert names[-1] == OWN[-1]  # a group of commands stands behind them all
    assert {"aaa-broken", "leaderboard", "validate"} <= set(names[len(OWN) - 1 :])
