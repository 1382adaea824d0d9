"""A third party's figure comes in by file, as other plugins do."""

import os
import subprocess
import sys

PLUGIN = """
import sys

from sembench.figures.figure import ResultsFigure
from sembench.plugins.registry import FIGURES


def files(folder, suite, explainers, datasets):
    assert "torch" not in sys.modules
    return {f"{suite}/listing.svg": f"<svg>{explainers}</svg>".encode()}


FIGURES.register("listing")(ResultsFigure(files))
"""


def sembench(folder, *arguments):
    command = [sys.executable, "-m", "sembench", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_a_figure_of_a_file_is_shown_and_listed(tmp_path):
    (tmp_path / "listing.py").write_text(PLUGIN)
    shown = sembench(tmp_path, "show", "listing", "--plugin", "listing.py", "--suite", "mine", "--explainer", "kmex")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "figures/mine/listing.svg\n", "")
    assert (tmp_path / "figures/mine/listing.svg").read_text() == "<svg>['kmex']</svg>"
    listed = sembench(tmp_path, "list", "--plugin", "listing.py").stdout
    figures = listed.partition("\nfigures\n")[2].partition("\nsuites\n")[0]
    assert {line.split()[0] for line in figures.splitlines()} > {"listing", "prototypes", "curves"}


def test_help_says_where_the_names_are(tmp_path):
    assert "Name of a figure, as `sembench list` shows it." in sembench(tmp_path, "show", "--help").stdout
