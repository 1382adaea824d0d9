"""A network of the user's is known by the weights that it comes with, whatever file they are read from."""

import torch
from torch import nn
from typer.testing import CliRunner

from sembench.cli.main import app
from sembench.results.result import read_result

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
