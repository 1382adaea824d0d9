"""Licences before anything is read, and files fetched once, only when asked to; there is no network here."""

import numpy as np
import pytest
import torchvision.datasets
from torchvision.datasets import utils

from sembench.data.declaration import CC0, RESEARCH_ONLY, Licence, declares
from sembench.data.download import archive, by_torchvision, single
from sembench.errors import DataMissing
from sembench.plugins.registry import DATASETS
from sembench.running.datasets import fetch, licences
from sembench.suites.plan import plan
from sembench.suites.suite import DatasetSpec, load_suite

FREE = {"digits", "mnist", "fashion-mnist", "svhn", "quickdraw"}
NOT_FREE = {"cifar10", "stl10", "celeba", "cub", "folder"}


def runs(*names, **parameters):
    suite = load_suite("quick")
    specs = tuple(DatasetSpec(name=name, label=f"my-{name}", parameters=parameters) for name in names)
    return plan(suite.model_copy(update={"datasets": specs}), explainers=["kmex"], seeds=[0, 1])


@pytest.fixture
def fetched():
    """Registers a data set whose files are fetched by a fake, and returns what the fake was asked for."""
    calls = []
    declaration = declares(CC0, fetch=lambda root, options: calls.append((root, options)))
    DATASETS._objects["fetched"] = declaration(lambda: None)
    DATASETS._objects["silent"] = lambda: None
    yield calls
    del DATASETS._objects["fetched"], DATASETS._objects["silent"]


def test_every_data_set_declares_its_licence_and_whether_that_is_free():
    names = [name for name in DATASETS.names() if DATASETS.origin(name).startswith("sembench.")]
    assert set(names) == FREE | NOT_FREE
    found = licences(runs(*names))
    assert {name for name, licence in found.items() if licence.open} == {f"my-{name}" for name in FREE}
    assert all(licence.name for licence in found.values())


def test_a_licence_may_depend_on_the_options_and_an_undeclared_one_is_not_free(fetched):
    assert licences(runs("folder", path="x", open_licence=True, licence="MIT")) == {"my-folder": Licence("MIT", True)}
    assert licences(runs("silent", "fetched")) == {"my-silent": Licence("not declared", False), "my-fetched": CC0}
    assert not RESEARCH_ONLY.open


def test_each_data_set_is_fetched_once_with_its_options(fetched, tmp_path):
    lines = []
    fetch(runs("fetched", "silent", classes=["a"]), tmp_path / "new", lines.append)
    assert fetched == [(tmp_path / "new", {"classes": ["a"]})]
    assert (tmp_path / "new").is_dir()
    assert lines == [
        f"my-fetched: fetching what is missing into {tmp_path / 'new'}",
        "my-silent: nothing to fetch; sembench knows no address of it",
    ]


def test_torchvision_is_asked_to_download_into_the_root(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(torchvision.datasets, "SVHN", lambda root, **options: calls.append((root, options)))
    fetch(runs("svhn"), tmp_path, lambda line: None)
    assert calls == [(str(tmp_path), {"download": True, "split": split}) for split in ("train", "test")]


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "CIFAR10", "STL10", "CelebA"])
def test_what_torchvision_is_asked_for_is_there(name, tmp_path, monkeypatch):
    assert callable(getattr(torchvision.datasets, name))
    monkeypatch.setattr(torchvision.datasets, name, lambda root, download: (tmp_path / name).touch())
    by_torchvision(name)(tmp_path, {})
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("error", [OSError("no route"), RuntimeError("wrong checksum"), ImportError("gdown")])
def test_a_download_that_fails_says_why_and_what_else_to_do(tmp_path, monkeypatch, error):
    def broken(*arguments, **options):
        raise error

    monkeypatch.setattr(torchvision.datasets, "MNIST", broken)
    with pytest.raises(DataMissing, match=f"MNIST could not be fetched: {error}. Fetch the files by hand"):
        fetch(runs("mnist"), tmp_path, lambda line: None)


def test_drawings_are_fetched_class_by_class_from_the_public_bucket(tmp_path, monkeypatch):
    """And what was fetched can be read."""
    calls = []

    def download(address, folder, name):
        calls.append(address)
        (tmp_path / "QuickDraw").mkdir(exist_ok=True)
        np.save(tmp_path / "QuickDraw" / name, np.eye(1000, 784, dtype=np.uint8) * 255)

    monkeypatch.setattr(utils, "download_url", download)
    classes = ["The Eiffel Tower", "ant"]
    for _ in range(2):
        fetch(runs("quickdraw", classes=classes), tmp_path, lambda line: None)
    bucket = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"
    assert calls == [f"{bucket}The%20Eiffel%20Tower.npy", f"{bucket}ant.npy"]
    assert len(DATASETS.get("quickdraw")(tmp_path, classes=classes).train) == 1600


def test_an_archive_is_fetched_unless_what_it_holds_is_there(tmp_path, monkeypatch):
    calls = []

    def download(address, root, md5):
        calls.append((address, root, md5))
        (tmp_path / "inside.txt").touch()

    monkeypatch.setattr(utils, "download_and_extract_archive", download)
    for _ in range(2):
        archive("https://example.org/a.tgz", "abc", holds="inside.txt")(tmp_path, {})
    assert calls == [("https://example.org/a.tgz", str(tmp_path), "abc")]


def test_a_file_that_is_there_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(utils, "download_url", None)
    (tmp_path / "a").touch()
    single("https://example.org/a", tmp_path / "a")
