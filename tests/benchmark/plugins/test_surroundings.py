"""The user's code runs as a script of its folder does, and leaves everything else as it was."""

import code
import sys
from pathlib import Path

import pytest
import typer

from sembench.errors import PluginBroken, SembenchError
from sembench.plugins import surroundings
from sembench.plugins.factory import code_of, load, running
from sembench.plugins.loading import load_plugins
from sembench.plugins.registry import EXPLAINERS
from sembench.suites.sources import backbone_hash, source_hash


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    for name in {name for kept in surroundings._KEPT.values() for name in kept.modules}:
        sys.modules.pop(name, None)
    monkeypatch.setattr(surroundings, "_KEPT", {})
    monkeypatch.setattr(EXPLAINERS, "_objects", dict(EXPLAINERS._objects))
    monkeypatch.setattr(EXPLAINERS, "_sources", dict(EXPLAINERS._sources))
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - before.keys():
        del sys.modules[name]


@pytest.fixture
def unchanged(monkeypatch):
    """Search path and arguments are afterwards what they were; they are set to something that stands out."""
    monkeypatch.setattr(sys, "argv", ["sembench", "run", "--suite", "x.toml"])
    monkeypatch.setattr(sys, "path", [*sys.path, "/stands/out"])
    path, arguments, modules = list(sys.path), list(sys.argv), dict(sys.modules)
    yield
    assert (sys.path, sys.argv) == (path, arguments)
    assert {name: sys.modules[name] for name in modules if name in sys.modules} == modules


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def made(name):
    factory = load(name)
    with running(name):
        return factory()


MAKE = "def make(): return {}\n"
LAYOUTS = {
    "a module beside it, at the top": (
        {"net.py": "from helpers import x\n" + MAKE.format("x"), "helpers.py": "x = 'mine'"}, "net.py:make"),
    "a module beside it, in the factory": (
        {"net.py": "def make():\n    from helpers import x\n    return x", "helpers.py": "x = 'mine'"}, "net.py:make"),
    "a module that is loaded from elsewhere": (
        {"net.py": "from typer import x\n" + MAKE.format("x"), "typer.py": "x = 'mine'"}, "net.py:make"),
    "a folder without __init__.py": (
        {"net.py": "from models.deep import x\n" + MAKE.format("x"), "models/deep.py": "from helpers import x",
         "helpers.py": "x = 'mine'"}, "net.py:make"),
    "a path that the file adds itself": (
        {"net.py": "import pathlib, sys\nsys.path.append(str(pathlib.Path(__file__).parent / 'lib'))\n"
                   "def make():\n    from deep import x\n    return x", "lib/deep.py": "x = 'mine'"}, "net.py:make"),
    "a part of a package, by its path": (
        {"pkg/__init__.py": "", "pkg/net.py": "from .layers import x\n" + MAKE.format("x"),
         "pkg/layers.py": "x = 'mine'"},
        "pkg/net.py:make"),
    "a part of a part, that goes up": (
        {"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/layers.py": "x = 'mine'",
         "pkg/sub/net.py": "def make():\n    from ..layers import x\n    return x"}, "pkg/sub/net.py:make"),
    "a package's name in full, by its path": (
        {"pkg/__init__.py": "", "pkg/net.py": "from pkg.layers import x\n" + MAKE.format("x"),
         "pkg/layers.py": "x = 'mine'"}, "pkg/net.py:make"),
    "a part of a package, by its name": (
        {"pkg/__init__.py": "", "pkg/net.py": "from .layers import x\nfrom helpers import y\n" + MAKE.format("x"),
         "pkg/layers.py": "x = 'mine'", "helpers.py": "y = 1"}, "pkg.net:make"),
    "a part of a folder without __init__.py, by its name": (
        {"pkg/net.py": "from .layers import x\n" + MAKE.format("x"), "pkg/layers.py": "x = 'mine'"}, "pkg.net:make"),
    "a module called like one of Python's that is loaded": ({"code.py": MAKE.format("'mine'")}, "code:make"),
    "a package called like one of Python's that is loaded": (
        {"code/__init__.py": "from .layers import x\n" + MAKE.format("x"), "code/layers.py": "x = 'mine'"},
        "code:make"),
    "a module called like an installed one": ({"typer.py": MAKE.format("'mine'")}, "typer:make"),
    "a part of a package called like an installed one": (
        {"typer/__init__.py": "", "typer/net.py": MAKE.format("'mine'")}, "typer.net:make"),
    "no arguments": (
        {"net.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--x', default='mine')\n"
                   "a = p.parse_args()\ndef make(): return p.parse_args().x"}, "net.py:make"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "name"), LAYOUTS.values(), ids=LAYOUTS)
def test_code_is_found_and_hashed_where_it_stands_in_each_of_two_folders(tmp_path, monkeypatch, unchanged, files, name):
    hashes = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        write(folder, {place: text.replace("mine", folder.name) for place, text in files.items()})
        monkeypatch.chdir(folder)
        assert made(name) == folder.name
        assert code_of(name).file.is_relative_to(folder)
        assert (sys.modules["typer"], sys.modules["code"]) == (typer, code)
        hashes.append(backbone_hash(name))
    monkeypatch.chdir(tmp_path / "one")
    assert made(name) == "one"
    if "sys.path" not in str(files):  # where a file looks beyond its folder is known only when it runs
        assert hashes[0] != hashes[1]


def test_what_is_installed_is_found_where_there_is_nothing_of_that_name_here(tmp_path, monkeypatch, unchanged):
    (tmp_path / "code").mkdir()  # a folder with other things
    monkeypatch.chdir(tmp_path)
    assert load("code:InteractiveConsole") is code.InteractiveConsole


def test_a_package_called_like_a_module_that_python_is_built_with_is_refused(tmp_path, monkeypatch, unchanged):
    write(tmp_path, {"sys/__init__.py": MAKE.format(1)})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginBroken, match="a module called sys is loaded already; rename the file"):
        load("sys:make")


ENDS = 'if __name__ == "__main__":'
FAILURES = {
    "sys.exit at import": ("import sys\nsys.exit(3)", f"does not load: it ends Python (SystemExit: 3).*{ENDS}"),
    "argparse at import": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\np.parse_args()",
        f"does not load.*{ENDS}",
    ),
    "click at import": ("import click\n@click.command()\n@click.argument('x')\ndef make(x): ...\nmake()", ENDS),
    "a relative import": ("from .layers import x", "part of a package then: give package.module, the name"),
    "a mistake": ("def make(:", "does not load: SyntaxError"),
}


@pytest.mark.parametrize(("text", "reason"), FAILURES.values(), ids=FAILURES)
def test_code_that_does_not_load_is_named_with_the_reason(tmp_path, unchanged, text, reason):
    write(tmp_path, {"net.py": text})
    reason = reason.replace("(", r"\(").replace(")", r"\)")
    for broken in (lambda: load(f"{tmp_path}/net.py:make"), lambda: load_plugins([f"{tmp_path}/net.py"])):
        with pytest.raises(PluginBroken, match=reason) as said:
            broken()
        assert "net.py" in str(said.value)
    assert source_hash(tmp_path / "net.py")


def test_an_interrupt_passes_through_and_prints_are_let_through(tmp_path, unchanged, capsys):
    write(tmp_path, {"net.py": "print('hello')\nraise KeyboardInterrupt"})
    for call in (lambda: load(f"{tmp_path}/net.py:make"), lambda: load_plugins([f"{tmp_path}/net.py"])):
        with pytest.raises(KeyboardInterrupt):
            call()
    assert capsys.readouterr().out == "hello\n" * 2


PLUGIN = """
from sembench.plugins.registry import EXPLAINERS
from {module} import x
EXPLAINERS.register("of-" + x)(dict)
"""


def test_plugins_in_two_folders_have_helpers_of_their_own(tmp_path, unchanged):
    for folder in ("one", "two", "three"):
        module = ".helpers" if folder == "three" else "helpers"
        write(tmp_path / folder, {"plug.py": PLUGIN.format(module=module), "helpers.py": f"x = {folder!r}"})
    write(tmp_path / "three", {"__init__.py": ""})
    for _ in range(2):  # twice is once
        load_plugins([str(tmp_path / folder / "plug.py") for folder in ("one", "two", "three")])
    assert {"of-one", "of-two", "of-three"} <= set(EXPLAINERS.names())
    assert EXPLAINERS.source("of-three") == tmp_path / "three" / "plug.py"


def test_what_code_imports_of_its_own_stays_loaded_unless_another_folder_has_its_like(tmp_path):
    for folder in ("one", "two"):
        write(tmp_path / folder, {"net.py": f"import helpers, of_{folder}\ndef make(): return helpers.__file__",
                                  "helpers.py": "", f"of_{folder}.py": ""})  # fmt: skip
    first = made(f"{tmp_path}/one/net.py:make")
    assert sys.modules["helpers"].__file__ == first
    assert made(f"{tmp_path}/two/net.py:make") != first
    assert "helpers" not in sys.modules  # an import while the network runs must not find the other's
    assert {"of_one", "of_two"} <= sys.modules.keys()


def test_what_is_installed_is_loaded_once_for_all(tmp_path, monkeypatch):
    write(tmp_path / "site", {"shared_by_all.py": "", "package_for_all/__init__.py": "from . import inner",
                              "package_for_all/inner.py": ""})  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = []
    for folder in ("one", "two"):
        text = "import shared_by_all, package_for_all.inner as i\ndef make(): return shared_by_all, i"
        write(tmp_path / folder, {"net.py": text})
        found.append(made(f"{tmp_path}/{folder}/net.py:make"))
    assert found[0] == found[1] == (sys.modules["shared_by_all"], sys.modules["package_for_all.inner"])


def test_modules_that_sembench_runs_on_are_never_replaced(tmp_path, unchanged):
    write(
        tmp_path,
        {"net.py": "import sembench.errors as e\ndef make(): return e.SembenchError", "sembench/__init__.py": ""},
    )
    assert made(f"{tmp_path}/net.py:make") is SembenchError


@pytest.mark.parametrize("changed", ["models/__init__.py", "models/deep.py", "helpers.py", "inner.py"])
@pytest.mark.parametrize("start", ["net.py", "pkg/net.py", "plain/net.py", "net", "pkg.net", "plain.net"])
def test_all_that_a_file_imports_is_hashed(tmp_path, monkeypatch, start, changed):
    text = "def make():\n    from models.deep import x\n    {}import inner\n    return x, inner.x\n"
    files = {"models/__init__.py": "", "models/deep.py": "from helpers import x", "helpers.py": "x = 1"}
    folder = Path(start.removesuffix(".py").replace(".", "/")).parent
    if folder.name == "pkg":
        files["pkg/__init__.py"] = ""
    if start == "plain/net.py":  # without __init__.py, given by its path: its folder is all there is
        files = {f"plain/{name}": content for name, content in files.items()}
        changed = f"plain/{changed}"
    lone = start in ("net.py", "plain/net.py", "net")
    files |= {f"{folder}/net.py": text.format("" if lone else "from . "), f"{folder}/inner.py": "x = 1"}
    write(tmp_path, files)
    changed = f"{folder}/inner.py" if changed.endswith("inner.py") else changed
    monkeypatch.chdir(tmp_path)
    assert made(f"{start}:make") == (1, 1)
    before = backbone_hash(f"{start}:make")
    source_hash.cache_clear()
    assert backbone_hash(f"{start}:make") == before
    (tmp_path / changed).write_text("x = 2")
    source_hash.cache_clear()
    assert backbone_hash(f"{start}:make") != before
