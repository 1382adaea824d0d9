"""`explain`, `save` and `export`, as a user calls them."""

import json

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sembench.cli.main import app
from sembench.errors import SembenchError

SUITE = """
name = "mine"
[backbone]
name = "resnet10-narrow"
[training]
epochs = 2
learning_rate = 0.05
batch_size = 32
[[datasets]]
name = "tiny-digits"
image_size = 33
[[explainers]]
name = "blackbox"
[[explainers]]
name = "kmex"
parameters = { prototypes_per_class = 2 }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_cache):
    """A suite, a folder of images with one that is none, and the options that name suite and cache."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "suite.toml").write_text(SUITE)
    photos = folder / "photos"
    (photos / "more").mkdir(parents=True)
    for name, seed in (("a.png", 0), ("more/a.png", 1), (".hidden.png", 2)):
        pixels = torch.randint(0, 256, (9, 12, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
        Image.fromarray(pixels.numpy()).save(photos / name)
    (photos / "broken.png").write_bytes(b"no image")
    (photos / "notes.txt").write_text("no image either")
    return folder, ["--suite", str(folder / "suite.toml"), "--cache", str(tiny_cache)]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_images_are_explained_from_a_suite_and_one_that_is_none_stops_no_other(place):
    folder, options = place
    done = call("explain", folder / "photos", *options, "--out", folder / "out", "--count", 2)
    assert done.exit_code == 1
    assert "kmex of suite mine on tiny-digits, seed 0" in done.stderr
    assert "broken.png is damaged or no image" in done.stderr
    assert done.stdout.count("looks like prototype") == 4
    assert "hidden" not in done.output
    assert "photos: 3 images; 2 other files are left out" in done.stderr
    names = {"a.json", "a.png", "a.svg", "a-2.json", "a-2.png", "a-2.svg"}
    assert {path.name for path in (folder / "out").iterdir()} == names
    assert len(json.loads((folder / "out" / "a.json").read_text())["map"]) == 33


def test_a_saved_explainer_says_the_same_and_can_be_exported(place):
    folder, options = place
    image = folder / "photos" / "a.png"
    wanted = call("explain", image, *options, "--json")
    assert call("save", folder / "model", *options).stdout == f"{folder / 'model'}\n"
    found = call("explain", image, "--model", folder / "model", "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout) == json.loads(wanted.stdout)
    assert call("export", folder / "model", folder / "model.pt2").exit_code == 0
    program = torch.export.load(folder / "model.pt2").module()
    assert program(torch.rand(1, 3, 33, 33))[1].shape == (1, 10)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "nowhere"], "nowhere holds no model: there is no file model.json"),
        (["--model", "nowhere", "--explainer", "kmex", "--seed", "1"], "leave out --explainer, --seed"),
        (["--model", "nowhere", "--cache", "c"], "leave out --cache"),
        (["--network", "net.py:make"], "--network goes with --model"),
        (["--explainer", "nobody"], "nobody"),
        (["--suite", "nothing"], "unknown suite 'nothing'"),
    ],
)
def test_what_does_not_go_together_is_refused(place, options, said):
    folder, known = place
    given = options if "--suite" in options or "--model" in options else [*known, *options]
    done = call("explain", folder / "photos" / "a.png", *given)
    assert isinstance(done.exception, SembenchError)
    assert said in str(done.exception)


def test_an_empty_name_is_no_folder_and_a_full_folder_takes_no_model(place):
    folder, options = place
    assert "an image has an empty name" in str(call("explain", "", *options).exception)
    assert "photos is not empty" in str(call("save", folder / "photos", *options).exception)


def test_an_entry_can_be_named(place):
    folder, options = place
    done = call("explain", folder / "photos" / "a.png", *options, "--explainer", "blackbox")
    assert done.exit_code == 0
    assert "looks like" not in done.stdout
    assert "probabilities" in done.stdout
