"""Plugins by module and by file, of every kind; and what they register counts as theirs."""

import sys

import pytest

from sembench.errors import NameTaken, PluginBroken
from sembench.plugins.loading import load_plugins
from sembench.plugins.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS

REGISTRIES = (EXPLAINERS, METRICS, DATASETS, BACKBONES)
FOUR = """
from functools import partial

from sembench.plugins.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS

EXPLAINERS.register("door-explainer")(partial(dict, a=1))
METRICS.register("door-metric")(object())
DATASETS.register("door-data")(len)
BACKBONES.register("door-backbone")(print)
"""
NAMES = dict(zip(REGISTRIES, ("door-explainer", "door-metric", "door-data", "door-backbone"), strict=True))


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """Registries, loaded modules and the search path are restored."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_objects", dict(registry._objects))
        monkeypatch.setattr(registry, "_sources", dict(registry._sources))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_may_bring_every_kind_of_plugin(tmp_path):
    path = tmp_path / "four_doors.py"
    path.write_text(FOUR)
    load_plugins([str(path), str(path)])  # twice is once
    for registry, name in NAMES.items():
        assert name in registry.names()
        assert registry.source(name) == path  # whatever kind of object it is, the code that counts is the plugin's
        assert registry.origin(name) == f"registered by {path}"


def test_a_module_is_found_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "door_package").mkdir()
    (tmp_path / "door_package" / "__init__.py").write_text("from door_package import four")
    (tmp_path / "door_package" / "four.py").write_text(FOUR)
    monkeypatch.chdir(tmp_path)
    load_plugins(["door_package"])
    assert EXPLAINERS.source("door-explainer") == tmp_path / "door_package" / "four.py"


@pytest.mark.parametrize(
    ("spec", "content", "message"),
    [
        ("missing.py", None, r"missing\.py is no file. Give the path of a Python file"),
        ("no_such_module_at_all", None, "is no module that can be imported here. Install its package"),
        (".", None, "is neither the name of a module"),
        ("README.md", "", "nor the path of a Python file"),
        ("broken.py", "1 / 0", r"does not load: ZeroDivisionError: division by zero. Repair it"),
        ("json.py", "", "a module called json is loaded already; rename the file"),
    ],
)
def test_a_plugin_that_does_not_load_says_what_to_do(tmp_path, monkeypatch, spec, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / spec).write_text(content)
    with pytest.raises(PluginBroken, match=message):
        load_plugins([spec])
    assert "broken" not in sys.modules


def test_a_name_that_is_taken_stays_taken(tmp_path):
    path = tmp_path / "thief.py"
    path.write_text('from sembench.plugins.registry import EXPLAINERS\nEXPLAINERS.register("kmex")(dict)')
    with pytest.raises(NameTaken, match="explainer 'kmex' is taken already"):
        load_plugins([str(path)])
