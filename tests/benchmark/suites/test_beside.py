"""Relative paths of a suite file: looked for beside it first, from every directory, and stated as written."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from sembench.cli.run import with_backbone
from sembench.errors import DataMissing
from sembench.plugins.factory import code_of
from sembench.running.black_box import backbone_of
from sembench.running.datasets import loader_of
from sembench.suites.plan import plan
from sembench.suites.suite import load_suite

SUITE = """
name = "mine"
[backbone]
name = "nets/net.py:make"
weights = "best.pth"
frozen = true
[[datasets]]
name = "folder"
image_size = 16
parameters = { path = "images" }
[[explainers]]
name = "kmex"
"""

NETWORK = """
from torch import nn
def make():
    maps = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()
    return nn.Sequential(*maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


def fill(folder, seed=0):
    """A suite with all that it names, beside it."""
    (folder / "nets").mkdir(parents=True)
    (folder / "nets" / "net.py").write_text(NETWORK)
    (folder / "mine.toml").write_text(SUITE)
    torch.manual_seed(seed)
    namespace = {}
    exec(NETWORK, namespace)
    torch.save(namespace["make"]().state_dict(), folder / "best.pth")
    for label in ("cat", "dog"):
        (folder / "images" / label).mkdir(parents=True)
        for number in range(5):
            pixels = np.random.default_rng([seed, number]).integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / label / f"{number}.png")


@pytest.mark.parametrize("start", [".", "project", "project/images", "elsewhere"])
def test_a_suite_runs_the_same_from_every_directory(tmp_path, monkeypatch, start):
    fill(tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    (at_home,) = plan(load_suite("mine.toml"))
    monkeypatch.chdir(tmp_path / start)
    (run,) = plan(load_suite(str(tmp_path / "project" / "mine.toml")))
    assert (run.identity, run.sources) == (at_home.identity, at_home.sources)
    assert str(tmp_path) not in str(run.settings)
    assert run.settings["backbone"]["weights"] == "best.pth"
    assert run.settings["dataset"]["parameters"] == {"path": "images"}
    data = loader_of(run)(tmp_path / "no data")
    assert data.classes == ("cat", "dog")
    backbone = backbone_of(run.backbone, 2, image_size=16, normalisation=data.train.normalisation)
    stored = torch.load(tmp_path / "project" / "best.pth")
    assert torch.equal(backbone.classifier.weight, stored["4.weight"])


def test_what_is_not_beside_the_suite_is_looked_for_where_it_was_before(tmp_path, monkeypatch):
    fill(tmp_path)
    (tmp_path / "suites").mkdir()
    shutil.move(tmp_path / "mine.toml", tmp_path / "suites" / "mine.toml")
    monkeypatch.chdir(tmp_path)
    (run,) = plan(load_suite("suites/mine.toml"))
    assert run.backbone.in_place() == run.backbone
    assert loader_of(run)(tmp_path).classes == ("cat", "dog")
    with pytest.raises(DataMissing, match=r"suites"):
        loader_of(run)(tmp_path / "nowhere")


def test_paths_of_the_command_line_are_the_working_directory_s(tmp_path, monkeypatch):
    fill(tmp_path / "project")
    fill(tmp_path / "here", seed=1)
    monkeypatch.chdir(tmp_path / "here")
    suite = load_suite("../project/mine.toml")
    given = with_backbone(suite, name=None, weights="best.pth", blocks=[], frozen=False).backbone.in_place()
    assert given.weights == "best.pth"
    assert code_of(given.name).file == tmp_path / "project" / "nets" / "net.py"
    given = with_backbone(suite, name="nets/net.py:make", weights=None, blocks=[], frozen=True).backbone.in_place()
    assert (given.name, given.weights) == ("nets/net.py:make", "none")
    given = with_backbone(suite, name=None, weights=None, blocks=["0"], frozen=False).backbone.in_place()
    assert given.weights == str(tmp_path / "project" / "best.pth")
