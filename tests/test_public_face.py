"""What `import sembench` offers: these names and no others, each imported when it is first used."""

import ast
import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

FACE = {
    "sembench": "Workbench load adapt Explainer TrainedExplainer Conversion SelfExplainableModel Explanation "
    "Prototypes Batch Capability Trait Backbone Metric Meter Scores Dataset Split make_dataset Result read_result "
    "load_suite EXPLAINERS METRICS DATASETS BACKBONES FIGURES SembenchError",
    "sembench.relevance": "propagate black_box_relevance headless_relevance neon contrast gxi prp onto_active "
    "onto_cells epsilon_shares class_shares spread conserved_share examine",
    "sembench.testing": "CHECKS Check Outcome examine Case digits_case make_case Tally tally TooCostly exact_passes "
    "no_loop_over_images bytes_per_image ratio within",
    "sembench_leaderboard": "load_results aggregate write_board validate",
}
FREE = ("torch", "numpy", "pandas", "pydantic", "matplotlib", "sklearn")


@pytest.mark.parametrize("package", FACE)
def test_a_package_offers_these_names_and_no_others(package):
    module = importlib.import_module(package)
    names = FACE[package].split()
    assert sorted(names) == module.__all__
    assert package != "sembench" or module.__version__ == version("sembench")
    assert set(names) <= set(dir(module))
    for name in names:
        assert getattr(module, name) is getattr(module, name)
    with pytest.raises(AttributeError, match=r"has no 'nothing'; its public names are"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", FACE)
def test_type_checkers_are_shown_the_same_names(package):
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    shown = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    shown |= {target.id for node in block.body if isinstance(node, ast.Assign) for target in node.targets}
    assert {name for name in shown if not name.startswith("_")} == set(FACE[package].split())


def test_importing_a_package_loads_no_library_that_computes():
    code = f"import sys, {', '.join(FACE)}; print([name for name in {FREE!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_metrics_module_keeps_its_name():
    """A lazy `sembench.metrics.ghosting` would be the module or the function, depending on what came first."""
    metrics = importlib.import_module("sembench.metrics")
    assert not hasattr(metrics, "__getattr__")
