"""A network of the user's is known by all that decides what it computes, wherever that is read from."""

import sys

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from sembench.cli.main import app
from sembench.plugins import surroundings
from sembench.results.result import read_result
from sembench.running.black_box import network_sources
from sembench.suites.network import BackboneSpec
from sembench.suites.sources import plugin_hash

NETWORK = """
import argparse
import torch
from pathlib import Path
from torch import nn

argparse.ArgumentParser().parse_args()  # ours are not its

def make():
    from helpers import WIDTH
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(WIDTH, 10))
    network.load_state_dict(torch.load(Path(__file__).with_name("best.pth"), weights_only=True))
    return network
"""

SUITE = """
name = "mine"
metrics = ["accuracy"]
[backbone]
name = "net.py:make"
frozen = true
[[datasets]]
name = "digits"
image_size = 32
[[explainers]]
name = "blackbox"
"""


def save(folder, seed):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))  # fmt: skip # noqa: E501
    torch.save(network.state_dict(), folder / "best.pth")


def run(folder, *options, out="runs"):
    made = CliRunner().invoke(app, ["run", "--suite", str(folder / "suite.toml"), "--out", str(folder / out),
                                    "--cache", str(folder / "cache"), *options])  # fmt: skip
    assert made.exit_code == 0, made.output
    result = read_result(folder / out / "mine" / "digits" / "blackbox" / "seed-0.json")
    return made.output, result.provenance.backbone_sha256


def test_weights_that_a_factory_reads_by_itself_are_noticed_when_they_change(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "helpers.py").write_text("WIDTH = 8")
    (tmp_path / "suite.toml").write_text(SUITE)
    save(tmp_path, 0)
    _, first = run(tmp_path)
    said, again = run(tmp_path)
    assert again == first
    assert "other weights" not in said
    save(tmp_path, 1)
    said, kept = run(tmp_path)
    assert kept == first
    assert "or on other weights of a network" in said
    _, fresh = run(tmp_path, out="elsewhere")
    assert fresh != first
    _, refreshed = run(tmp_path, "--refresh")
    assert refreshed == fresh


COMPOSED = """
import json
import torch
from pathlib import Path
from torch import nn

class Net(nn.Module):
    def __init__(self, facts):
        super().__init__()
        torch.manual_seed(0)
        self.gain = facts["gain"]
        self.register_buffer("shift", torch.tensor(facts["shift"]), persistent=False)
        self.first, self.second = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3, stride=2)
        self.active = nn.ReLU()
        self.last = nn.Linear(8, 10)

    def forward(self, images):
        middle = self.active(self.first(images * self.gain + self.shift))
        return self.last(self.active(self.second(middle)).mean((2, 3)))

def make():
    return Net(json.loads(Path(__file__).with_name("facts.json").read_text()))
"""
FACTS = '{"gain": 1.0, "shift": 0.0}'
KMEX = """
name = "mine"
metrics = ["accuracy"]
[backbone]
name = "net.py:make"
frozen = true
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
[evaluation]
explained_images = 2
[[datasets]]
name = "tiny-digits"
[[explainers]]
name = "b34"
parameters = { first = 1, last = 2, prototypes_per_class = 1 }
"""


@pytest.mark.filterwarnings("ignore:the black box is right on")
@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("suite.toml", "mean = [0.0, 0.0, 0.0]", "mean = [0.9, 0.9, 0.9]"),
        ("suite.toml", "std = [1.0, 1.0, 1.0]", "std = [0.05, 0.05, 0.05]"),
        ("suite.toml", "frozen = true", 'frozen = true\nblocks = ["first", "second"]'),
        ("facts.json", '"gain": 1.0', '"gain": 9.0'),
        ("facts.json", '"shift": 0.0', '"shift": 0.7'),
    ],
)
def test_a_model_that_was_fitted_to_another_network_of_the_same_weights_is_not_taken(tmp_path, file, before, after):
    (tmp_path / "net.py").write_text(COMPOSED)
    (tmp_path / "facts.json").write_text(FACTS)
    (tmp_path / "suite.toml").write_text(KMEX)

    def fitted(*options, out="runs", cache="cache"):
        command = ["run", "--suite", str(tmp_path / "suite.toml"), "--out", str(tmp_path / out)]
        made = CliRunner().invoke(app, [*command, "--cache", str(tmp_path / cache), *options])
        assert made.exit_code == 0, made.output
        return read_result(tmp_path / out / "mine" / "tiny-digits" / "b34" / "seed-0.json").provenance.model_sha256

    first = fitted()
    assert fitted("--refresh") == first
    (tmp_path / file).write_text((tmp_path / file).read_text().replace(before, after))
    refreshed = fitted("--refresh")
    assert refreshed == fitted(out="elsewhere", cache="another")
    assert refreshed != first


HELPED = {
    "on the path": "import sys\nsys.path.insert(0, {folder!r})\nfrom far_helper import WIDTH\n",
    "by its file": (
        "import importlib.util, sys\nspec = importlib.util.spec_from_file_location('far_helper', {folder!r} + "
        "'/far_helper.py')\nsys.modules['far_helper'] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\nWIDTH = module.WIDTH\n"
    ),
}


@pytest.mark.parametrize("way", HELPED)
def test_code_that_is_imported_from_elsewhere_counts(tmp_path, way, monkeypatch):
    far = tmp_path / "far"
    far.mkdir()
    own = HELPED[way].format(folder=str(far))
    net = "from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(12, 10))\n"
    (tmp_path / "net.py").write_text(own + net)
    hashes = []
    for width in (8, 9):
        (far / "far_helper.py").write_text(f"WIDTH = {width}  # {'x' * width}\n")
        monkeypatch.setattr(surroundings, "_KEPT", {})
        for name in [name for name in sys.modules if name.startswith(("sembench_own_", "far_helper"))]:
            monkeypatch.delitem(sys.modules, name)
        found = network_sources(BackboneSpec(name=f"{tmp_path / 'net.py'}:make"))["network"]
        hashes.append((found, plugin_hash(tmp_path / "net.py")))
    assert hashes[0][0] != hashes[1][0]
    assert hashes[0][1] != hashes[1][1]
