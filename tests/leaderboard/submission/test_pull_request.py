"""A pull request made as CONTRIBUTING.md says: which workflows run on it, and with which options."""

import subprocess
from fnmatch import fnmatch

import pytest
import yaml

from places import ROOT

RESULT = "leaderboard/results/quick/digits/mine/seed-0.json"
MANIFEST = "leaderboard/results/manifests/quick/mine.json"
BOARD = "leaderboard/boards/quick/board.md"


def runs(workflow, *changed):
    """Whether a workflow runs on a pull request that changes these files."""
    on = yaml.safe_load((ROOT / ".github/workflows" / f"{workflow}.yml").read_text("utf-8"))[True]  # "on" is true
    if "pull_request" not in on:
        return False
    asked = on["pull_request"] or {}

    def named(path, patterns):
        return any(fnmatch(path, pattern) for pattern in patterns)

    if "paths" in asked:
        return any(named(path, asked["paths"]) for path in changed)
    return any(not named(path, asked.get("paths-ignore", [])) for path in changed)


def test_a_submission_is_validated_and_not_held_to_boards_that_are_not_made_yet():
    assert runs("submission", RESULT, MANIFEST)
    assert not runs("board", RESULT, MANIFEST)
    assert not runs("tests", RESULT, MANIFEST)


@pytest.mark.parametrize("workflow", ["board", "tests"])
def test_whatever_else_changes_is_held_to_the_boards(workflow):
    assert runs(workflow, RESULT, BOARD)
    assert runs(workflow, "leaderboard/sembench_leaderboard/board/board.py")


@pytest.mark.parametrize("workflow", ["board", "tests"])
def test_the_main_branch_is_always_held_to_the_boards(workflow):
    on = yaml.safe_load((ROOT / ".github/workflows" / f"{workflow}.yml").read_text("utf-8"))[True]
    assert on["push"] == {"branches": ["main"]}


def test_the_documents_ask_a_submission_for_results_alone():
    for name in ("CONTRIBUTING.md", "benchmark/sembench/plugins/templates/explainer/README.md.txt"):
        text = " ".join((ROOT / name).read_text("utf-8").split())
        assert "`leaderboard/results/` and changes nothing else" in text


@pytest.mark.parametrize("accepted", [True, False])
def test_beside_accepted_results_a_pull_request_is_a_whole_tree(accepted, tmp_path):
    command = ["make", "--dry-run", f"VENV={tmp_path}", "validate", *(["ACCEPTED=base"] if accepted else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if "sembench validate" in line]
    assert ("--base base" in line, "--whole" in line) == (accepted, accepted)
