"""The registry: names in, objects out, and messages that help."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from sembench.errors import NameTaken, PluginBroken, UnknownName
from sembench.plugins import registry as module
from sembench.plugins.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS, Registry


def points(monkeypatch, *entries):
    found = [EntryPoint(name, value, "test.things") for name, value in entries]
    monkeypatch.setattr(module, "entry_points", lambda group: found)
    return Registry("thing", "test.things")


def test_a_decorated_object_is_found_by_name():
    things = Registry("thing", "test.none")

    @things.register("one")
    def one():
        return 1

    assert things.get("one") is one
    assert things.names() == ["one"]


def test_a_taken_name_is_refused():
    things = Registry("thing", "test.none")
    things.register("one")(object())
    with pytest.raises(NameTaken, match="'one' is taken already"):
        things.register("one")(object())


def test_a_name_of_an_entry_point_is_taken_too():
    with pytest.raises(NameTaken, match="explainer 'kmex' is taken already"):
        EXPLAINERS.register("kmex")(object())


@pytest.mark.parametrize("name", ["", "two words", "bad name/../../x", "-x", "b*", "a\n", "x" * 81])
def test_a_name_that_could_be_no_folder_is_refused_where_it_is_registered(name):
    things = Registry("thing", "test.none")
    with pytest.raises(PluginBroken, match="cannot be registered: a name is at most 80 letters, digits and"):
        things.register(name)
    things.register("kmex(my-method_2.0+)")(object())
    assert things.names() == ["kmex(my-method_2.0+)"]


def test_two_packages_that_claim_one_name_are_both_named(monkeypatch):
    things = points(monkeypatch, ("one", "json:loads"), ("one", "json:dumps"), ("two", "json:loads"))
    for asked in (things.get, things.require, things.source):
        with pytest.raises(NameTaken, match=r"claimed by json:loads and by json:dumps"):
            asked("one")
    assert things.origin("one") == "claimed by json:loads and by json:dumps"
    assert things.names() == ["one", "two"]
    assert things.get("two")("1") == 1


def test_an_unknown_name_gets_near_matches():
    with pytest.raises(UnknownName, match=r"unknown explainer 'kmax'. Did you mean 'kmex'"):
        EXPLAINERS.get("kmax")


def test_an_unknown_name_may_be_a_plugins():
    with pytest.raises(UnknownName, match=r"One of your own needs --plugin MODULE\|FILE, or its package installed\."):
        EXPLAINERS.get("my-method")


def test_a_plugin_that_ends_python_is_a_broken_one(monkeypatch, tmp_path):
    (tmp_path / "ends_python.py").write_text("import sys\nsys.exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginBroken, match="registered as ends_python:x but does not load: SystemExit: 3"):
        points(monkeypatch, ("ends", "ends_python:x")).get("ends")


def test_a_broken_plugin_fails_only_when_asked_for(monkeypatch):
    things = points(monkeypatch, ("good", "json:loads"), ("bad", "no_such_module:x"), ("worse", "json:no_such_name"))
    assert things.names() == ["bad", "good", "worse"]
    assert things.get("good")("1") == 1
    with pytest.raises(PluginBroken, match="registered as no_such_module:x but does not load: ModuleNotFoundError"):
        things.get("bad")
    with pytest.raises(PluginBroken, match="AttributeError"):
        things.get("worse")


def test_a_family_answers_for_its_names():
    assert EXPLAINERS.get("b34")().first == 3
    assert EXPLAINERS.get("b34")().last == 4
    for wrong in ("b43", "b24", "bx", "b", "b0"):
        with pytest.raises(UnknownName):
            EXPLAINERS.get(wrong)
    with pytest.raises(UnknownName):
        EXPLAINERS.get("b*")


@pytest.mark.parametrize("registry", [EXPLAINERS, METRICS, DATASETS, BACKBONES], ids=lambda r: r.kind)
def test_everything_that_is_registered_loads_and_has_a_source(registry):
    for name in registry.names():
        assert registry.origin(name)
        if "*" not in name:
            assert registry.source(name).suffix == ".py"
            assert registry.get(name) is not None
    assert EXPLAINERS.source("b34") == EXPLAINERS.source("b4")


def test_listing_and_finding_sources_import_no_plugin_and_no_torch():
    code = (
        "import sys; from sembench.plugins.registry import EXPLAINERS, METRICS\n"
        "assert EXPLAINERS.names() and EXPLAINERS.source('kmex') and EXPLAINERS.source('b34') and METRICS.names()\n"
        "assert not {'torch', 'sembench_baselines.kmex', 'sembench.metrics.accuracy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_s_file_is_found_without_running_the_packages_around_it(tmp_path, monkeypatch):
    inner = tmp_path / "loud" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (inner / "module.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = {name: module.module_file(f"loud{name}") for name in ("", ".inner", ".inner.module", ".inner.none")}
    assert found == {
        "": inner.parent / "__init__.py", ".inner": inner / "__init__.py", ".inner.module": inner / "module.py",
        ".inner.none": None,
    }  # fmt: skip
    assert module.module_file("nowhere.at.all") is None
