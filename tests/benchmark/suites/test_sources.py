"""What counts as the source of a number."""

import pytest

from sembench.suites import sources


@pytest.fixture
def package(tmp_path):
    """A package whose method imports one of two siblings, one directly and one through the other."""
    folder = tmp_path / "methods"
    folder.mkdir()
    texts = {
        "__init__": "", "method": "from methods.near import one\n", "near": "from . import far\none = far\n",
        "far": "x = 1\n", "other": "x = 1\n",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def hashed(path):
    sources.source_hash.cache_clear()
    return sources.source_hash(path)


@pytest.mark.parametrize(
    ("file", "counts"), [("method", True), ("near", True), ("far", True), ("__init__", True), ("other", False)]
)
def test_a_method_s_source_is_what_it_imports_of_its_own_package_and_no_more(package, file, counts):
    before = hashed(package / "method.py")
    (package / f"{file}.py").write_text((package / f"{file}.py").read_text() + "y = 2\n")
    assert (hashed(package / "method.py") != before) is counts


def test_an_installed_module_without_a_package_is_its_file_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_installed", lambda path: True)  # beside it lie other packages
    (tmp_path / "method.py").write_text("import other\n")
    (tmp_path / "other.py").write_text("")
    before = hashed(tmp_path / "method.py")
    (tmp_path / "other.py").write_text("x = 1\n")
    assert hashed(tmp_path / "method.py") == before


def test_the_instrument_is_a_list_of_places_that_are_there():
    root = sources.Path(sources.__file__).parents[1]
    assert all((root / name).exists() for name in sources._MOVES_NUMBERS)


def test_a_helper_beside_a_lone_file_counts(tmp_path):
    (tmp_path / "net.py").write_text("def make():\n    import helper\n    return helper.net()\n")
    (tmp_path / "helper.py").write_text("import deeper\n")
    (tmp_path / "deeper.py").write_text("X = 1\n")
    (tmp_path / "stranger.py").write_text("Y = 1\n")
    hashes = []
    for name, text in (("net.py", ""), ("deeper.py", "X = 2\n"), ("stranger.py", "Y = 2\n")):
        (tmp_path / name).write_text((tmp_path / name).read_text() + text)
        sources.source_hash.cache_clear()
        hashes.append(sources.source_hash(tmp_path / "net.py"))
    assert hashes[0] != hashes[1] == hashes[2]
