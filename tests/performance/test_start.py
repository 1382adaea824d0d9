"""What does `sembench --help` load? A list of names, the same on every machine."""

import pytest

from sembench.bench.workloads import modules_at_start

OWN = {
    "benchmark", "benchmark.errors", "sembench", "sembench.boards",
    "sembench.cells", "sembench.changes", "sembench.delivery", "sembench.findings", "sembench.looking",
    "sembench.options", "sembench.plugins", "sembench.running", "sembench.submissions",
}  # fmt: skip
HEAVY = {
    "torch", "torchvision", "zennit", "numpy", "scipy", "sklearn", "pandas", "matplotlib", "PIL", "pydantic", "jinja2",
    "quantus", "umap", "safetensors", "importlib.metadata",
}  # fmt: skip


@pytest.fixture(scope="module")
def modules():
    return set(modules_at_start())


def test_help_loads_the_command_line_and_nothing_else_of_ours(modules):
    packages = ("sembench", "benchmark", "baselines", "leaderboard")
    assert {name for name in modules if name.partition(".")[0] in packages} == OWN


def test_help_loads_no_library_that_computes(modules):
    assert "typer" in modules
    assert not modules & HEAVY
