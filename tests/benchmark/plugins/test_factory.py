"""Which code makes the user's network: by module or by file, found without running it."""

import sys

import pytest

from sembench.errors import PluginBroken, SuiteInvalid
from sembench.plugins.factory import code_of, file_sha256, is_factory, load


def test_names_with_a_colon_are_factories():
    assert is_factory("my.module:make")
    assert not is_factory("resnet34")


def test_a_file_is_found_and_loaded_once(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def make():\n    return 3\n")
    assert code_of(f"{path}:make").file == path
    assert load(f"{path}:make")() == 3
    assert load(f"{path}:make") is load(f"{path}:make")


def test_a_module_beside_the_user_is_found_and_the_search_path_stays(tmp_path, monkeypatch):
    (tmp_path / "module_of_mine.py").write_text("def make():\n    return 4\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert code_of("module_of_mine:make").file.samefile(tmp_path / "module_of_mine.py")
    assert "module_of_mine" not in sys.modules
    assert load("module_of_mine:make")() == 4
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:make", "there is no module 'no_such_module'"),
        ("nowhere.py:make", "there is no module 'nowhere.py'"),
        ("json:nothing", "json has no function 'nothing'"),
        ("json:", "write module:factory"),
        (":make", "write module:factory"),
    ],
)
def test_what_is_not_there_is_named(name, reason):
    with pytest.raises(SuiteInvalid, match=reason):
        load(name)


def test_a_module_that_does_not_load_is_broken_and_leaves_nothing(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("raise ValueError('oh dear')\n")
    before = set(sys.modules)
    with pytest.raises(PluginBroken, match="does not load: ValueError: oh dear"):
        load(f"{path}:make")
    assert set(sys.modules) == before


def test_a_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(SuiteInvalid, match="accepted are 'none', 'imagenet', or a file"):
        file_sha256(tmp_path / "none.pth")
