"""The command line as a whole: whose commands it has, and that a broken package does not take it along."""

import os
import re
import subprocess
import sys

import pytest

OWN = ["list", "inspect", "run", "show", "new", "check"]


@pytest.fixture
def broken(tmp_path):
    """A folder where a package is installed whose command raises at import."""
    (tmp_path / "broken_commands.py").write_text("raise RuntimeError('no such library')")
    info = tmp_path / "broken_commands-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-commands\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sembench.commands]\naaa-broken = broken_commands:run\n")
    return tmp_path


def sembench(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    command = [sys.executable, "-m", "sembench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_broken_command_says_so_and_the_others_work(broken):
    shown = sembench(broken, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(r"aaa-broken +Broken: RuntimeError: no such library", shown.stdout)
    called = sembench(broken, "aaa-broken")
    assert called.returncode == 2
    assert called.stderr.startswith("error: the command 'aaa-broken' is registered as broken_commands:run but does not")
    assert sembench(broken, "list").returncode == 0
    assert sembench(broken, "leaderboard", "--help").returncode == 0


def test_help_shows_our_commands_first_and_then_those_of_packages(broken):
    listed = sembench(broken, "--help").stdout.partition("Commands")[2]
    names = re.findall(r"^\W*([a-z-]+)  ", listed, re.MULTILINE)
    assert names[: len(OWN)] == OWN
    assert {"aaa-broken", "leaderboard", "validate"} <= set(names[len(OWN) :])
