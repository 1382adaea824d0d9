"""The modules that `sembench --help` loads: a list of names, the same on every machine."""

import pytest

from workloads import modules_at_start

OWN = {
    "sembench", "sembench.lazy",
    "sembench.errors", "sembench.cli", "sembench.cli.main", "sembench.cli.runs", "sembench.cli.options",
    "sembench.cli.models",
    "sembench.cli.output", "sembench.cli.plugins", "sembench.cli.run", "sembench.cli.show", "sembench_leaderboard",
    "sembench_leaderboard.commands", "sembench_leaderboard.commands.boards",
    "sembench_leaderboard.commands.submissions",
}  # fmt: skip
HEAVY = {
    "torch", "torchvision", "zennit", "numpy", "scipy", "sklearn", "pandas", "matplotlib", "PIL", "pydantic", "jinja2",
    "quantus", "umap", "safetensors",
}  # fmt: skip


@pytest.fixture(scope="module")
def modules():
    return set(modules_at_start())


def test_help_loads_the_command_line_and_nothing_else_of_ours(modules):
    packages = ("sembench", "sembench_baselines", "sembench_leaderboard")
    assert {name for name in modules if name.partition(".")[0] in packages} == OWN


def test_help_loads_no_library_that_computes(modules):
    assert "typer" in modules
    assert not modules & HEAVY
