"""The commands `bench record` and `bench compare`, as a person or CI calls them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sembench
from sembench.bench.recording import read_recording
from sembench.bench.revision import NoRevision, check_out

SOURCE = Path(sembench.__file__).parents[1]
QUICK = ("--only", "forward passes", "--only", "metric diversity", "--only", "metric accuracy")


def bench(*arguments, folder=None):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "sembench", "bench", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def git(folder, *arguments):
    names = {f"GIT_{role}_{what}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env={**os.environ, **names}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository of two commits of one file."""
    git(tmp_path, "init", "--quiet")
    for number in (1, 2):
        (tmp_path / "file.txt").write_text(str(number))
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--message", f"commit {number}")
    return tmp_path


def test_a_revision_is_checked_out_and_leaves_no_trace(repository, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(repository)
    (repository / "file.txt").write_text("not committed")
    before = git(repository, "status", "--porcelain"), git(repository, "worktree", "list")
    corner = tmp_path_factory.mktemp("corner")
    name = check_out("HEAD~1", corner)
    assert (corner / "files" / "file.txt").read_text() == "1"
    assert name == f"HEAD~1 ({git(repository, 'rev-parse', 'HEAD~1')[:12]})"
    assert (git(repository, "status", "--porcelain"), git(repository, "worktree", "list")) == before
    assert (repository / "file.txt").read_text() == "not committed"


@pytest.mark.parametrize("revision", ["nothing-of-that-name", "--output=x", ""])
def test_an_unknown_revision_says_what_is_accepted(repository, tmp_path_factory, monkeypatch, revision):
    monkeypatch.chdir(repository)
    with pytest.raises(
        NoRevision, match=r"is no revision .* Give a branch, a tag, a commit, or what `sembench bench rec"
    ):
        check_out(revision, tmp_path_factory.mktemp("corner"))


def test_a_recording_is_compared_with_itself(tmp_path):
    done = bench("record", tmp_path / "a.json", "--rounds", 2, *QUICK)
    assert done.returncode == 0, done.stderr
    found = read_recording(tmp_path / "a.json")
    assert found.tree == "working tree"
    assert [list(one.seconds) for one in found.rounds] == [
        ["forward passes", "metric accuracy", "metric diversity"]
    ] * 2
    assert found.rounds[0].counts["metric accuracy"]["passes"] == 2
    assert found.rounds[0].scores == found.rounds[1].scores
    done = bench("compare", tmp_path / "a.json", tmp_path / "a.json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Times: none of 3 changed beyond the noise." in done.stdout
    assert (tmp_path / "out" / "comparison.md").read_text("utf-8") == done.stdout
    written = {"base.json", "head.json", "comparison.json", "comparison.md", "comparison.png", "comparison.svg"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written


def test_an_unknown_workload_is_one_line_and_status_2(tmp_path):
    done = bench("record", tmp_path / "a.json", "--only", "forward pases")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown workload 'forward pases'. Did you mean 'forward passes'")


PLANTED = {
    "benchmark/evaluation.py": (
        "        with torch.no_grad():\n            explanation = ",
        "        with torch.no_grad():\n            self.model(batch.images)\n            explanation = ",
    ),
    "benchmark/metrics/diversity.py": ("return (entropy", "return (1 - 1e-9) * (entropy"),
}
"""An extra forward pass in every reading of a metric; and a score that is changed by a hair."""


@pytest.mark.slow
def test_a_planted_slowdown_between_two_revisions_is_named(tmp_path):
    left_out = shutil.ignore_patterns("__pycache__", "results", "boards")
    for package in ("benchmark", "baselines", "leaderboard", "sembench"):
        shutil.copytree(SOURCE / package, tmp_path / package, ignore=left_out)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "as it is")
    for name, (old, new) in PLANTED.items():
        text = (tmp_path / name).read_text("utf-8")
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new), "utf-8")
    git(tmp_path, "commit", "--quiet", "--all", "--message", "slower")
    done = bench("compare", "HEAD~1", "HEAD", "--rounds", 3, *QUICK, "--out", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert ["metric accuracy", "passes", 2, 4] in found["counts"]
    assert ["metric accuracy", "images", 100, 200] in found["counts"]
    assert {name for name, *_ in found["counts"]} == {"metric accuracy", "metric diversity"}
    assert [name for name, *_ in found["scores"]] == ["metric diversity"]
    assert (found["paired"], found["missing"]) == (True, {})
    assert git(tmp_path, "status", "--porcelain") == "?? out/"
