"""One of each kind of unit, added to a copy of this repository: one existing file is edited, pyproject.toml."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from places import ROOT

SOURCES = {"benchmark": "sembench", "baselines": "sembench_baselines", "leaderboard": "sembench_leaderboard"}
CONFIDENCE = re.search(
    r"<!-- example: metric -->\n```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL
)[1]
CLASS_MEANS = re.search(
    r"<!-- example: explainer -->\n```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL
)[1]
DATA = """
import dataclasses
from sembench.data.sets.digits import digits


def few_digits(data_root=None, *, image_size=33):
    whole = digits(image_size=image_size)
    head = lambda split, n: dataclasses.replace(split, pixels=split.pixels[:n], labels=split.labels[:n])
    return dataclasses.replace(whole, name="few-digits", train=head(whole.train, 200), test=head(whole.test, 50))
"""
BACKBONE = """
from sembench.backbones.resnet import resnet10_narrow


def mine(n_classes, *, weights="none"):
    return resnet10_narrow(n_classes, weights=weights)
"""
FIGURE = """
from sembench.figures.figure import ModelFigure
from sembench.figures.picture import Picture

NAMES = ModelFigure(lambda subjects: Picture(2, 1, subjects[0].name, ["A name."]), together=True)
"""
BETTER = "import torch\nBETTER_AND_WORSE = {'confidence': (torch.tensor([0.9]), torch.tensor([0.2]))}\n"
ADDED = {
    "benchmark/sembench/metrics/confidence.py": CONFIDENCE,
    "baselines/sembench_baselines/class_means.py": CLASS_MEANS,
    "benchmark/sembench/data/sets/few_digits.py": DATA,
    "benchmark/sembench/backbones/mine.py": BACKBONE,
    "benchmark/sembench/figures/names.py": FIGURE,
    "tests/golden/explainers/class-means.json": json.dumps({"fit": [1, 200], "explain": [1, 20], "forward": [1, 20]}),
    "tests/benchmark/metrics/better_and_worse/confidence.py": BETTER,
    "tests/benchmark/metrics/test_confidence.py": "",
    "tests/reference/test_confidence.py": "COVERS = ('confidence',)\n",
}
REGISTERED = {
    "metrics": 'confidence = "sembench.metrics.confidence:CONFIDENCE"',
    "explainers": 'class-means = "sembench_baselines.class_means:ClassMeans"',
    "datasets": 'few-digits = "sembench.data.sets.few_digits:few_digits"',
    "backbones": 'mine = "sembench.backbones.mine:mine"',
    "figures": 'names = "sembench.figures.names:NAMES"',
}
SUITE = """
name = "mine"
title = "One of each"
seeds = [0]
metrics = ["accuracy", "confidence"]
[backbone]
name = "mine"
[training]
epochs = 1
learning_rate = 0.05
batch_size = 50
[evaluation]
explained_images = 4
steps = 2
[[datasets]]
name = "few-digits"
[[explainers]]
name = "class-means"
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy with one more of each, as if it were installed: its metadata stand beside it, made from pyproject.toml."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    for root, package in SOURCES.items():
        shutil.copytree(ROOT / root / package, tree / root / package, ignore=ignored)
    shutil.copytree(ROOT / "leaderboard/suites", tree / "leaderboard/suites", dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=ignored)
    for name, text in ADDED.items():
        assert not (tree / name).exists()
        write(tree / name, text)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for group, line in REGISTERED.items():
        head = f'[project.entry-points."sembench.{group}"]\n'
        assert head in project
        project = project.replace(head, f"{head}{line}\n")
    write(tree / "pyproject.toml", project)
    facts = tomllib.loads(project)["project"]
    info = tree / "installed" / f"sembench-{facts['version']}.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: sembench\nVersion: {facts['version']}\n")
    groups = facts["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in groups
    ]
    write(info / "entry_points.txt", "\n".join(lines))
    write(tree / "work" / "mine.toml", SUITE)
    return tree


def inside(tree, *arguments, folder="work"):
    """Runs Python with the copy in front."""
    places = [str(tree / root) for root in ("installed", *SOURCES, "tests/support")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=tree / folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_all_are_listed_and_run_in_a_suite_and_are_drawn(tree):
    listed = inside(tree, "-m", "sembench", "list")
    for line in REGISTERED.values():
        name, _, value = line.partition(" = ")
        assert re.search(rf"^  {name} +{value[1:-1]} \(sembench\)$", listed, re.MULTILINE)
    inside(tree, "-m", "sembench", "run", "--suite", "mine.toml")
    result = json.loads((tree / "work/runs/mine/few-digits/class-means/seed-0.json").read_text())
    assert len(result["scores"]["confidence"]["values"]) == 50
    shown = inside(tree, "-m", "sembench", "show", "names", "--suite", "mine.toml")
    assert "figures/mine/few-digits/seed-0/names-class-means.png" in shown


@pytest.mark.slow
def test_the_tests_that_run_over_the_registries_take_them_in(tree):
    """The golden values are written by the tool that writes those of all metrics; everything else is added above."""
    existing = (tree / "tests/golden/metrics/lrp_kl.json").read_bytes()
    inside(tree, "tests/golden/test_metric_values.py", folder=".")
    assert (tree / "tests/golden/metrics/lrp_kl.json").read_bytes() == existing
    assert json.loads((tree / "tests/golden/metrics/confidence.json").read_text())["passes"] == [2, 100]
    tests = (
        "golden",
        "benchmark/metrics",
        "performance/test_exact_gates.py",
        "leaderboard/entries/test_declared_measures.py",
    )
    chosen = "confidence or class-means or every_metric or registered_metrics"
    said = inside(
        tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *(f"tests/{t}" for t in tests), folder="."
    )
    assert "confidence" not in said.partition("short test summary")[2]
    assert int(re.search(r"(\d+) passed", said)[1]) > 20
    assert "failed" not in said
