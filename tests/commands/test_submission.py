"""From a plugin's file to a verified submission, by the commands that a person would give."""

import gc
import json
import sys

import pytest
from typer.testing import CliRunner

from places import RESULTS
from sembench.cli.main import app
from sembench.errors import NotWritable, ResultStale
from sembench.plugins.registry import EXPLAINERS
from sembench.results.result import read_result, result_path, write_result
from sembench.running import runner
from sembench.suites.suite import SUITES
from sembench_leaderboard.submission.records import write_manifest

SUITE = """
name = "small"
title = "For tests of submissions"
seeds = [0]
metrics = ["accuracy", "accuracy_gap", "ghosting", "lrp_kl", "diversity"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 1
learning_rate = 0.05
batch_size = 128
[evaluation]
explained_images = 10
steps = 4
batch_size = 50
[[datasets]]
name = "tiny-digits"
image_size = 33
[[explainers]]
name = "blackbox"
"""
PLUGIN = """
from dataclasses import dataclass

from sembench_baselines.kmex import KMEx
from sembench.plugins.registry import EXPLAINERS


@EXPLAINERS.register("three-means")
@dataclass(frozen=True)
class ThreeMeans(KMEx):
    prototypes_per_class: int = 3
"""


def sembench(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a suite and a plugin, which is forgotten afterwards."""
    (tmp_path / "small.toml").write_text(SUITE)
    (tmp_path / "three_means.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    for content in ("_objects", "_sources"):
        monkeypatch.setattr(EXPLAINERS, content, dict(getattr(EXPLAINERS, content)))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(gc, "disable", lambda: None)  # `leaderboard` does, for the rest of its process
    yield tmp_path
    sys.modules.pop("three_means", None)


@pytest.mark.slow
def test_a_plugin_is_submitted_validated_and_verified_and_an_edited_score_is_caught(folder):
    common = ("--suite", "small.toml", "--plugin", "three_means.py")
    done = sembench("submit", "three-means", *common)
    assert done.exit_code == 0, done.stderr
    assert "Ready: add the files of submission to leaderboard/results" in done.stdout
    result = folder / "submission/small/tiny-digits/three-means/seed-0.json"
    manifest = json.loads((folder / "submission/manifests/small/three-means.json").read_text())
    assert manifest["explainer"] == "registered by three_means.py"  # and nothing of where that lies
    assert list(manifest["files"]) == ["small/tiny-digits/three-means/seed-0.json"]

    again = sembench("submit", "three-means", *common)
    assert "1 done, 0 to compute" in again.stdout

    done = sembench("verify", "submission", *common, "--mark")
    assert done.exit_code == 0, done.stderr
    assert "seed-0.json: agrees bit for bit; no value differs" in done.stdout
    assert "1 of 1 runs agree" in done.stdout
    board = sembench("leaderboard", "--results", "submission", "--out", "board")
    assert board.exit_code == 0, board.stderr
    assert "verified: 1 of 1 runs, bit for bit" in (folder / "board/small/board.md").read_text()

    content = json.loads(result.read_text())
    content["scores"]["lrp_kl"]["values"][0] *= 0.999  # follows from nothing else, and is signed again
    result.write_text(json.dumps(content))
    write_manifest(folder / "submission", "small", "three-means", manifest["explainer"])
    (folder / "submission/verified/small/three-means.json").unlink()
    assert sembench("validate", "submission", "--suite", "small.toml").exit_code == 0
    done = sembench("verify", "submission", *common, "--mark")
    assert done.exit_code == 1
    assert "seed-0.json: does not agree" in done.stdout
    assert "scores.lrp_kl: 1 values differ" in done.stdout
    assert "0 of 1 runs agree" in done.stderr
    assert not (folder / "submission/verified/small/three-means.json").exists()


def test_a_folder_that_is_refused_is_not_run(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"")
    done = sembench("verify", tmp_path)
    assert done.exit_code == 1
    assert "model.pkl: place" in done.stderr
    assert "loading torch" not in done.stdout


def test_list_shows_a_plugin(folder):
    done = sembench("list", "--plugin", "three_means")
    assert f"three-means registered by {folder / 'three_means.py'}" in " ".join(done.stdout.split())


FINISHED, FAILED = "quick/digits/kmex/seed-0", "quick/digits/b4/seed-0"


@pytest.fixture
def half(monkeypatch):
    """A runner that repeats an accepted result, and fails at every other run."""

    class Fake:
        def __init__(self, out, *arguments):
            self.out = out

        def run(self, cells):
            summary = runner.Summary()
            for cell in cells:
                if cell.name == FINISHED:
                    write_result(self.out, read_result(cell.path(RESULTS)))
                    continue
                try:
                    raise RuntimeError("halfway")
                except RuntimeError as error:
                    summary.failed[cell.name] = error
            return summary

    monkeypatch.setattr(runner, "Runner", Fake)


@pytest.fixture
def accepted(tmp_path):
    """Two accepted entries in a folder of their own."""
    for entry in ("kmex", "b4"):
        for seed in (0, 1):
            write_result(tmp_path, read_result(result_path(RESULTS, "quick", "digits", entry, seed)))
        write_manifest(tmp_path, "quick", entry, "registered by a test")
    return tmp_path


def test_what_failed_is_not_recomputed_and_what_did_not_is_still_compared(accepted, half):
    done = sembench("verify", accepted, "--run", FINISHED, "--run", FAILED)
    assert done.exit_code == 1
    assert f"{FINISHED}.json: agrees" in done.stdout
    assert "1 of 2 runs failed:" in done.stderr
    assert f"{FAILED}: RuntimeError: halfway" in done.stderr
    assert "Traceback (most recent call last):" in done.stderr
    assert "beside the results" not in done.stderr
    assert "1 of 2 runs agree, 1 could not be recomputed" in done.stderr


def test_a_run_that_failed_is_not_marked(accepted, half):
    sembench("verify", accepted, "--run", FINISHED, "--run", FAILED, "--mark")
    assert [path.name for path in (accepted / "verified" / "quick").iterdir()] == ["kmex.json"]


def test_a_summary_that_cannot_be_written_is_named(accepted):
    with pytest.raises(NotWritable, match=r"nowhere/x.md cannot be written: No such file or directory"):
        sembench("validate", accepted, "--summary", accepted / "nowhere" / "x.md")


def test_submit_calls_the_folder_of_results_of_other_settings_by_its_own_option(tmp_path):
    write_result(tmp_path / "runs", read_result(result_path(RESULTS, "quick", "digits", "kmex", 0)))
    suite = tmp_path / "quick.toml"
    suite.write_text((SUITES / "quick.toml").read_text("utf-8").replace("steps = 32", "steps = 31"))
    with pytest.raises(ResultStale, match="Use another --runs to keep them"):
        sembench("submit", "kmex", "--suite", suite, "--runs", tmp_path / "runs")
    with pytest.raises(ResultStale, match="Use another --out to keep them"):
        sembench("run", "--explainer", "kmex", "--suite", suite, "--out", tmp_path / "runs")
