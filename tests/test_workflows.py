"""The workflows run what a developer runs: targets of the Makefile, and nothing else."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from places import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
ACTIONS = {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}


def jobs(path):
    return yaml.safe_load(path.read_text("utf-8"))["jobs"]


def steps(path):
    return [step for job in jobs(path).values() for step in job["steps"]]


def make(*arguments):
    """Calls make as from a shell, although these tests may themselves have been started by make, with variables."""
    own = VARIABLES | {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "GITHUB_STEP_SUMMARY"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_four_workflows_are_there():
    assert [path.stem for path in WORKFLOWS] == ["board", "performance", "submission", "tests"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_runs_a_target_or_one_of_three_actions(path):
    run = [step["run"] for step in steps(path) if "run" in step]
    assert run
    for command in run:
        found = re.fullmatch(r"make ([a-z-]+)", command)
        assert found, f"{command!r} is not one target of the Makefile"
        assert found[1] in TARGETS, f"the Makefile has no target {found[1]}"
    used = {step["uses"].partition("@")[0] for step in steps(path) if "uses" in step}
    assert used <= ACTIONS
    assert all("run" in step or "uses" in step for step in steps(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_set_variables_of_the_makefile_and_may_write_nothing(path):
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
    for job in jobs(path).values():
        assert set(job.get("env", {})) <= VARIABLES
        assert "permissions" not in job


def test_a_submission_is_judged_by_the_code_it_is_submitted_to():
    first, second = [
        step["with"] for step in steps(WORKFLOWS[2]) if step.get("uses", "").startswith("actions/checkout")
    ]
    assert first["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert second["path"] == "submission"


def test_the_files_of_constraints_that_jobs_name_are_there():
    texts = "\n".join(path.read_text("utf-8") for path in WORKFLOWS)
    named = set(re.findall(r"\.github/[a-z]+\.txt", texts))
    assert named == {".github/board.txt", ".github/oldest.txt"}
    assert all((ROOT / name).is_file() for name in named)


def pins(name):
    lines = (ROOT / ".github" / name).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_oldest_versions_that_are_tried_are_the_floors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    floors = {one.name: next(part.version for part in one.specifier if part.operator == ">=") for one in wanted}
    tried = {name: version for name, version in pins("oldest.txt").items() if name not in ("click", "pyparsing")}
    assert tried.keys() == floors.keys()
    for name, floor in floors.items():
        assert Requirement(f"{name}=={floor}").specifier.contains(tried[name]), f"{name}: {floor} is not what is tried"


def test_python_of_the_jobs_is_supported_down_to_the_floor():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (tests,) = [path for path in WORKFLOWS if path.stem == "tests"]
    versions = [one["python"] for one in jobs(tests)["test"]["strategy"]["matrix"]["include"]]
    assert project["requires-python"] == f">={min(versions, key=lambda text: tuple(map(int, text.split('.'))))}"
    assert len(set(versions)) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["validate"], "sembench validate leaderboard/results"),
        (
            ["validate", "RESULTS=a", "ACCEPTED=b", "SUMMARY=c"],
            "sembench validate a --suite leaderboard/suites/birds.toml --suite leaderboard/suites/maps-cifar10.toml "
            "--suite leaderboard/suites/maps.toml --base b --summary c",
        ),
        (
            ["bench-compare", "BASE=v1", "HEAD=v2", "SUMMARY="],
            "python tests/performance/compare.py v1 v2 --rounds 2 --storage runs/bench",
        ),
        (["bench-compare", "SUMMARY=s.md"], "compare.py HEAD~1 HEAD --rounds 2 --storage runs/bench --summary s.md"),
        (["bench", "OUT=mine"], "--benchmark-only --benchmark-autosave --benchmark-storage=mine/bench"),
        (["test"], "python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal"),
        (["board-check"], "sembench report --results leaderboard/results --out leaderboard/boards --check"),
        (["test", "CONSTRAINTS=old.txt", "EXTRAS=test"], '--constraint old.txt -e ".[test]"'),
    ],
)
def test_targets_call_the_command_with_their_variables(arguments, expected, tmp_path):
    done = make("--dry-run", f"VENV={tmp_path}", *arguments)
    assert done.returncode == 0, done.stderr
    assert expected in " ".join(done.stdout.split())


def test_an_old_python_is_refused_in_one_line_that_names_the_remedy(tmp_path):
    old = tmp_path / "python3.10"
    pretends = "import sys; sys.version_info = (3, 10, 4); exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{pretends}" "$2"\n')
    old.chmod(0o755)
    done = make("install", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}")
    error, *rest = done.stderr.splitlines()
    assert error == f"error: {old} is Python 3.10; sembench needs 3.11 or newer. Name one: make PYTHON=python3.11"
    assert len(rest) == 1  # what make says of every failure
    assert done.returncode != 0
    assert done.stdout == ""
    assert not (tmp_path / "venv").exists()


TOY = """
import sembench


def test_toy(benchmark):
    assert benchmark(lambda: sembench.VALUE) == {value}
"""


@pytest.mark.slow
def test_two_revisions_are_timed_in_turn_each_with_its_own_code(tmp_path):
    repository, storage = tmp_path / "repository", tmp_path / "bench"

    def git(*arguments):
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *author, *arguments], cwd=repository, check=True, capture_output=True)

    def compare(*revisions):
        words = [sys.executable, ROOT / "tests/performance/compare.py", *revisions, "--rounds", "2"]
        words += ["--storage", storage, "--summary", tmp_path / "summary.md"]
        return subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)

    for folder in ("benchmark/sembench", "baselines", "leaderboard", "tests/performance"):
        (repository / folder).mkdir(parents=True)
        (repository / folder / "__init__.py").write_text("")
    git("init")
    git("commit", "--allow-empty", "--message", "before the layout")
    for value in (1, 2):
        (repository / "benchmark/sembench/__init__.py").write_text(f"VALUE = {value}\n")
        (repository / "tests/performance/test_toy.py").write_text(TOY.format(value=value))
        git("add", "--all")
        git("commit", "--message", f"value {value}")
    done = compare("HEAD~1", "HEAD")
    assert (done.returncode, done.stderr) == (0, "")
    sides = [line.split("-")[0] for line in done.stdout.splitlines() if ": 1 passed" in line]
    assert sides == ["base", "head", "base", "head"]
    assert "benchmark 'test_toy': 4 tests" in done.stdout
    assert "benchmark 'test_toy': 4 tests" in (tmp_path / "summary.md").read_text()
    assert len(list(storage.glob("*/*.json"))) == 4
    assert len(list((repository / ".git").glob("worktrees/*"))) == 0

    for revision, reason in (("HEAD~2", "cannot be timed: it has another layout"), ("v9", "is no revision of this")):
        refused = compare(revision, "HEAD")
        assert refused.returncode == 1
        assert reason in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
