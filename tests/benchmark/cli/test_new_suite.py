"""`sembench new suite`: a suite that runs as it is, for a network and images of one's own."""

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import sembench
from sembench.suites.plan import plan
from sembench.suites.suite import load_suite

NETWORK = """
from torch import nn

def make():
    maps = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
    return nn.Sequential(*maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a network, its weights and images of three classes, four of the least."""
    (tmp_path / "net.py").write_text(NETWORK)
    namespace = {}
    exec(NETWORK, namespace)
    torch.manual_seed(0)
    torch.save(namespace["make"]().state_dict(), tmp_path / "best.pth")
    draw = np.random.default_rng(0)
    for label, count in {"ant": 8, "bee": 8, "cat": 4}.items():
        (tmp_path / "my photos" / label).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(0, 255, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my photos" / label / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


OWN = ("--network", "net.py:make", "--images", "my photos")


def test_the_suite_that_is_written_runs_at_once(project):
    made = sembench("new", "suite", *OWN, "--weights", "best.pth", "--mean", 0.5, 0.5, 0.5, "--std", 0.25, 0.5, 1)
    assert made.returncode == 0, made.stderr
    assert "Next: sembench run --suite my-photos.toml" in made.stdout
    suite = load_suite("my-photos.toml")
    assert (suite.name, suite.title, suite.seeds, suite.training) == ("my-photos", "my-photos", (0,), None)
    assert suite.backbone.frozen is True
    assert (suite.backbone.mean, suite.backbone.std) == ((0.5, 0.5, 0.5), (0.25, 0.5, 1.0))
    assert suite.datasets[0].image_size == 24
    entries = {entry.name: entry.parameters for entry in suite.explainers}
    assert list(entries) == ["blackbox", "cnn", "kmex", "b2", "b12", "chance", "collapsed", "shuffled", "headless"]
    assert entries["kmex"] == {"prototypes_per_class": 3}
    assert entries["blackbox"] == {}
    done = sembench("run", "--suite", "my-photos.toml")
    assert done.returncode == 0, done.stderr
    assert len(list((project / "runs" / "my-photos").rglob("seed-0.json"))) == len(entries)


def test_without_weights_the_network_is_trained_and_the_trap_explained(project):
    assert sembench("new", "suite", *OWN, "--out", "suites/mine.toml").returncode == 0
    suite = load_suite("suites/mine.toml")
    assert (suite.backbone.name, suite.datasets[0].parameters["path"]) == ("../net.py:make", "../my photos")
    assert not suite.backbone.frozen
    assert plan(suite)[0].training.epochs == 10
    assert "is silently worse" in (project / "suites" / "mine.toml").read_text()


def test_weights_for_other_classes_are_trained_further(project):
    assert sembench("new", "suite", *OWN[:2], "--weights", "best.pth", "--data", "digits").returncode == 0
    suite = load_suite("digits.toml")
    assert (suite.backbone.frozen, suite.datasets[0].name, suite.training is None) == (False, "digits", False)


def test_a_registered_network_will_do(project):
    assert sembench("new", "suite", "--network", "resnet10-narrow", *OWN[2:]).returncode == 0
    assert load_suite("my-photos.toml").backbone.name == "resnet10-narrow"


REFUSED = {
    "no such images": ([*OWN[:2], "--images", "lost"], "looked for the folder"),
    "no images": (OWN[:2], "give either --images FOLDER or --data NAME"),
    "both": ([*OWN, "--data", "digits"], "give either --images FOLDER or --data NAME"),
    "no such weights": ([*OWN, "--weights", "lost.pth"], "lost.pth"),
    "no such network": (["--network", "lost.py:make", *OWN[2:]], "lost.py"),
    "an unknown network": (["--network", "resnet19", *OWN[2:]], "unknown backbone 'resnet19'"),
    "no standard deviation": ([*OWN, "--mean", 0, 0, 0], "go together"),
    "an unknown data set": ([*OWN[:2], "--data", "cats"], "unknown data set 'cats'"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_is_refused_in_a_line_and_nothing_is_written(project, arguments, message):
    done = sembench("new", "suite", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(project.glob("*.toml"))


def test_a_file_that_is_there_stays(project):
    (project / "my-photos.toml").write_text("mine")
    done = sembench("new", "suite", *OWN)
    assert (done.returncode, "Name another file with --out" in done.stderr) == (2, True)
    assert (project / "my-photos.toml").read_text() == "mine"


def test_a_network_that_fits_at_no_size_names_the_sizes_that_were_tried(project):
    (project / "net.py").write_text("from torch import nn\ndef make():\n    return nn.Flatten()\n")
    done = sembench("new", "suite", *OWN)
    assert (done.returncode, "--image-size names another" in done.stderr) == (2, True)
