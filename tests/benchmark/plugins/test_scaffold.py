"""The package that `sembench new explainer` writes: valid, complete, and kept from names that are taken."""

import ast
import subprocess
import sys
import tomllib

import pytest

from command_line import sembench
from sembench.errors import NameTaken, NotWritable, SuiteInvalid
from sembench.plugins.registry import EXPLAINERS
from sembench.plugins.scaffold import new_explainer


def test_it_writes_a_package_in_which_every_name_is_filled_in(tmp_path):
    written = new_explainer("nearest-mean", tmp_path)
    names = [".gitignore", "README.md", "nearest_mean.py", "pyproject.toml", "tests/test_nearest_mean.py"]
    assert sorted(str(path.relative_to(tmp_path / "nearest-mean")) for path in written) == names
    for path in written:
        assert "{{" not in path.read_text()
    project = tomllib.loads((tmp_path / "nearest-mean/pyproject.toml").read_text())["project"]
    assert project["entry-points"]["sembench.explainers"] == {"nearest-mean": "nearest_mean:NearestMean"}


def test_the_authors_part_is_short(tmp_path):
    """Statements in the bodies of model and recipe, without docstrings: what an author changes."""
    new_explainer("nearest-mean", tmp_path)
    tree = ast.parse((tmp_path / "nearest-mean/nearest_mean.py").read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    statements = [
        node
        for one in classes
        for node in ast.walk(one)
        if isinstance(node, ast.stmt)
        and not isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert len(statements) <= 35


@pytest.mark.parametrize("name", ["", "Means", "two words", "../up", "-x", "class", "a_b", "a" * 81])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(SuiteInvalid, match="is no name for an explainer"):
        new_explainer(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["kmex", "json"])
def test_a_name_that_is_taken_is_refused(tmp_path, name):
    with pytest.raises(NameTaken, match="name of an explainer or of a module already"):
        new_explainer(name, tmp_path)


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "nearest-mean").mkdir()
    with pytest.raises(SuiteInvalid, match="is there already"):
        new_explainer("nearest-mean", tmp_path)
    assert list((tmp_path / "nearest-mean").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match=r"file/nearest-mean/pyproject.toml cannot be written: Not a directory"):
        new_explainer("nearest-mean", tmp_path / "file")


@pytest.mark.slow
def test_its_own_tests_pass_and_check_agrees(tmp_path, monkeypatch):
    new_explainer("nearest-mean", tmp_path)
    folder = tmp_path / "nearest-mean"
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(tests, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    monkeypatch.setattr(EXPLAINERS, "_objects", dict(EXPLAINERS._objects))
    monkeypatch.syspath_prepend(folder)
    done = sembench("check", "nearest-mean", "--plugin", "nearest_mean")
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
