"""From a plugin's file to a verified submission, in the processes that a person would start."""

import json
import subprocess
import sys

import pytest

from leaderboard.submission.manifest import write_manifest

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
[[datasets]]
name = "digits"
image_size = 33
[[explainers]]
name = "blackbox"
"""
PLUGIN = """
from dataclasses import dataclass

from baselines.kmex import KMEx
from benchmark.registry import EXPLAINERS


@EXPLAINERS.register("three-means")
@dataclass(frozen=True)
class ThreeMeans(KMEx):
    prototypes_per_class: int = 3
"""


def sembench(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "sembench", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "small.toml").write_text(SUITE)
    (folder / "three_means.py").write_text(PLUGIN)
    return folder


@pytest.mark.slow
def test_a_plugin_is_submitted_validated_and_verified_and_an_edited_score_is_caught(folder):
    common = ("--suite", "small.toml", "--plugin", "three_means.py")
    done = sembench(folder, "submit", "three-means", *common)
    assert done.returncode == 0, done.stderr
    assert "Ready: add the files of submission to leaderboard/results" in done.stdout
    result = folder / "submission/small/digits/three-means/seed-0.json"
    manifest = json.loads((folder / "submission/manifests/small/three-means.json").read_text())
    assert manifest["explainer"] == "registered by three_means.py"  # and nothing of where that lies
    assert list(manifest["files"]) == ["small/digits/three-means/seed-0.json"]

    again = sembench(folder, "submit", "three-means", *common)
    assert "1 done, 0 to run" in again.stdout

    done = sembench(folder, "verify", "submission", *common, "--mark")
    assert done.returncode == 0, done.stderr
    assert "seed-0.json: agrees bit for bit; no value differs" in done.stdout
    board = sembench(folder, "leaderboard", "--results", "submission", "--out", "board")
    assert board.returncode == 0, board.stderr
    assert "verified: 1 of 1 cells, bit for bit" in (folder / "board/small/board.md").read_text()

    content = json.loads(result.read_text())
    content["scores"]["lrp_kl"]["values"][0] *= 0.999  # follows from nothing else, and is signed anew
    result.write_text(json.dumps(content))
    write_manifest(folder / "submission", "small", "three-means", manifest["explainer"])
    (folder / "submission/verified/small/three-means.json").unlink()
    assert sembench(folder, "validate", "submission", "--suite", "small.toml").returncode == 0
    done = sembench(folder, "verify", "submission", *common, "--mark")
    assert done.returncode == 1
    assert "seed-0.json: does not agree" in done.stdout
    assert "scores.lrp_kl: 1 values differ" in done.stdout
    assert not (folder / "submission/verified/small/three-means.json").exists()


def test_a_folder_that_is_refused_is_not_run(folder, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"")
    done = sembench(folder, "verify", tmp_path)
    assert done.returncode == 1
    assert "model.pkl: place" in done.stderr
    assert "loading torch" not in done.stdout


def test_list_shows_a_plugin(folder):
    done = sembench(folder, "list", "--plugin", "three_means")
    assert f"three-means registered by {folder / 'three_means.py'}" in " ".join(done.stdout.split())
