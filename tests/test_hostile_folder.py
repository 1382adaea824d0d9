"""Work in a folder whose files are called like folders of this repository: none of them is imported."""

import subprocess
import sys

import pytest

PLUGIN = """
from dataclasses import dataclass
from sembench import EXPLAINERS, Explainer


@EXPLAINERS.register("mine")
@dataclass(frozen=True)
class Mine(Explainer):
    def fit(self, backbone, train, *, generator): ...
    def restore(self, backbone, state): ...
"""
CELL = (
    "import sys; sys.path.insert(0, '')\n"
    "import sembench, sembench_baselines.kmex, sembench_leaderboard\n"
    "from sembench import Workbench\n"
    "from sembench_leaderboard import load_results\n"
    "sembench.EXPLAINERS.get('kmex'); sembench.METRICS.get('ghosting')\n"
    "sembench.DATASETS.get('digits'); sembench.BACKBONES.get('resnet18')"
)
WORK = {
    "import": ["-c", "import sembench, sembench_baselines.kmex"],
    "notebook": ["-c", CELL],
    "list": ["-m", "sembench", "list"],
    "plugin file": ["-m", "sembench", "list", "--plugin", "mine.py"],
    "plugin module": ["-m", "sembench", "list", "--plugin", "mine"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("benchmark", "baselines", "leaderboard", "tests", "utils"):
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name}.py was imported')")
    (folder / "mine.py").write_text(PLUGIN)
    return folder


@pytest.mark.parametrize("arguments", WORK.values(), ids=WORK)
def test_no_file_of_the_folder_gets_in_the_way(folder, arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("\n  mine " in done.stdout) == ("--plugin" in arguments)
