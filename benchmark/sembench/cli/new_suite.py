"""Writes a suite for a network and a data set: complete, checked, and run as it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from sembench.backbones.backbone import Backbone, freeze
from sembench.data.dataset import Dataset
from sembench.errors import BackboneUnfit, SuiteInvalid
from sembench.explainers.configuration import recipe
from sembench.files import require_writable, write_atomically
from sembench.metrics.applicability import offer
from sembench.plugins.registry import EXPLAINERS
from sembench.running.black_box import backbone_of
from sembench.running.datasets import loader_of
from sembench.seeding import isolated
from sembench.suites.plan import check_names, plan
from sembench.suites.suite import Suite, parse_suite

_USUAL_SIDES = (224, 32, 64, 96, 128, 299)
_MOST_BLOCKS = 9  # a composite is named by the digits of its blocks
_PROTOTYPES = 5
_METHODS = ("blackbox", "cnn", "kmex")
_CONTROLS = ("chance", "collapsed", "shuffled", "headless")

_NO_STATISTICS = """\
# Images are normalised by the training images' own statistics. A network that was trained with others needs them here,
# or it sees other images than it knows and is silently worse; torchvision's have
# mean = [0.485, 0.456, 0.406]
# std = [0.229, 0.224, 0.225]
"""
_TRAINING = """
[training]  # of the network, before it is explained
epochs = 10
learning_rate = 0.01
weight_decay = 5e-4
batch_size = 32
"""


@dataclass(frozen=True)
class Wanted:
    """What a new suite is for.

    Attributes:
        network: Name of a backbone, or ``path/to/file.py:factory``.
        weights: ``"none"``, ``"imagenet"``, or a file.
        images: A folder of images, for the data set ``folder``.
        data: Name of another data set.
        data_root: Folder of data sets.
        image_size: Height and width of the images, pixels; found if left out.
        mean: Mean per channel that the network wants its images normalised with ...
        std: ... and standard deviation.
    """

    network: str
    weights: str = "none"
    images: Path | None = None
    data: str | None = None
    data_root: Path = Path("data")
    image_size: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def new_suite(wanted: Wanted, file: Path | None = None) -> tuple[Path, list[str]]:
    """Writes the suite; returns its file, by default ``<name>.toml`` in the working directory, and what was assumed.

    The suite is called as its file, the data set as its folder.

    Raises:
        SuiteInvalid: If the file is there already, or the settings do not go together.
        BackboneUnfit: If the network fits at none of the usual sizes.
        DataMissing, DataDamaged: If the images cannot be read.
        NotWritable, DiskFull: If the file cannot be written.
    """
    if (wanted.images is None) == (wanted.data is None):
        raise SuiteInvalid("give either --images FOLDER or --data NAME: a suite needs one data set.")
    named = wanted.data or Path(os.path.abspath(wanted.images or ".")).name  # noqa: PTH100 - a link keeps its name
    label = _name(named)
    file = file or Path(f"{label}.toml")
    if file.exists():
        raise SuiteInvalid(f"{file} is there already; it stays as it is. Name another file with --out.")
    if (wanted.mean is None) != (wanted.std is None):
        raise SuiteInvalid("--mean and --std of the network's images go together; give both or none.")
    require_writable(file.parent)
    sides = [wanted.image_size] if wanted.image_size else _sides(wanted)
    unfit: BackboneUnfit | None = None
    for side in sides:
        head = _head(wanted, _name(file.stem), label, side, file.parent)
        try:
            content = _content(head, wanted, file)
        except BackboneUnfit as error:
            unfit = unfit or error
            continue
        write_atomically(file, content.encode())
        return file, list(_assumed(wanted, side, content))
    tried = ", ".join(map(str, sides))
    raise BackboneUnfit(f"{unfit} Tried images of {tried} pixels; --image-size names another size.") from unfit


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-._+")[:60] or "images"


def _assumed(wanted: Wanted, side: int | None, content: str) -> Iterator[str]:
    """What nobody said, and a network may be silently worse for."""
    if wanted.image_size is None and side is not None:
        yield f"images of {side} pixels; if the network was trained at another size, name it: --image-size"
    if wanted.mean is None:
        yield "images are normalised by their own statistics; if the network was trained with others: --mean, --std"
    if wanted.weights == "none" and _TRAINING in content:
        yield "no weights are named, so the network is trained first; those that you have: --weights FILE"


def _sides(wanted: Wanted) -> list[int | None]:
    """Sizes to try, the likeliest first: that of the data set, or of its images where they are small and square."""
    if wanted.images is None:
        return [None, *_USUAL_SIDES]
    found = next((path for path in sorted(wanted.images.rglob("*.*")) if _shape(path)), None)
    width, height = (found and _shape(found)) or (0, 0)
    own = [width] if width == height and 0 < width <= max(_USUAL_SIDES) else []
    return list(dict.fromkeys([*own, *_USUAL_SIDES]))


def _shape(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):  # no image; what is wrong with one is said on loading
        return None


def _head(wanted: Wanted, name: str, label: str, side: int | None, folder: Path) -> str:
    """The lines on seeds, data and network, all but whether that is frozen."""
    lines = [f"name = {_quoted(name)}", "seeds = [0]  # more than one for error bars", "", "[[datasets]]"]
    lines.append(f"name = {_quoted(wanted.data or 'folder')}")
    if wanted.images is not None:
        lines.append(f"label = {_quoted(label)}")
    if side is not None:
        lines.append(f"image_size = {side}  # the size that the network was trained at, or it is silently worse")
    if wanted.images is not None:
        path = _quoted(_relative(str(wanted.images), folder))
        lines.append(f"parameters = {{ path = {path} }}  # a fifth is for testing, unless it holds train and test")
    place, colon, factory = wanted.network.rpartition(":")
    network = f"{_relative(place, folder)}:{factory}" if colon and place.endswith(".py") else wanted.network
    weights = wanted.weights if wanted.weights in ("none", "imagenet") else _relative(wanted.weights, folder)
    lines += ["", "[backbone]", f"name = {_quoted(network)}", f"weights = {_quoted(weights)}"]
    if wanted.mean is None or wanted.std is None:
        return "\n".join(lines) + f"\n{_NO_STATISTICS}"
    return "\n".join([*lines, f"mean = {list(wanted.mean)}", f"std = {list(wanted.std)}", ""])


def _content(head: str, wanted: Wanted, file: Path) -> str:
    """The whole text, after the network was made and asked what fits it."""
    entry = '\n[[explainers]]\nname = "{}"\n'
    trial = _parsed(head + "frozen = true\n" + entry.format("blackbox"), file)
    run = plan(trial)[0]
    check_names([run])
    data: Dataset = loader_of(run)(wanted.data_root)
    size, normalisation = data.train.image_size, data.train.normalisation
    with isolated(0):
        spec = run.backbone.changed(frozen=False)
        backbone = freeze(backbone_of(spec, data.n_classes, image_size=size, normalisation=normalisation))
    frozen = wanted.weights != "none" and getattr(backbone, "outputs", data.n_classes) == data.n_classes
    least = int(torch.bincount(data.train.labels, minlength=data.n_classes).min())
    entries = []
    for name in _fitting(backbone):
        entries.append(entry.format(name))
        if least < _PROTOTYPES and "prototypes_per_class" in recipe(name, {}, run.data.name).hyperparameters():
            entries.append(f"parameters = {{ prototypes_per_class = {least} }}  # images of the smallest class\n")
    how = "frozen = true  # explained as it comes, not trained\n" if frozen else _TRAINING
    content = head + how + "".join(entries)
    runs = plan(_parsed(content, file))
    check_names(runs)
    for made in runs:
        recipe(made.explainer.name, made.explainer.parameters, made.data.name)
    return content


def _fitting(backbone: Backbone) -> list[str]:
    """The explainers that are made of a trained network and can be fitted to this one, and the controls."""
    last = min(len(backbone.blocks), _MOST_BLOCKS)
    blocks = [str(block) for block in range(1, last + 1)]
    composites = dict.fromkeys([f"b{blocks[-1]}", f"b{''.join(blocks[-3:])}"])
    known = EXPLAINERS.names()
    names = [*(name for name in _METHODS if name in known), *composites, *(name for name in _CONTROLS if name in known)]
    return [name for name in names if offer(recipe(name, {}, "*"), backbone).obstacle is None]


def _parsed(content: str, file: Path) -> Suite:
    return parse_suite(content, str(file)).beside(file.parent.resolve())


def _relative(path: str, folder: Path) -> str:
    """A path of the working directory as a suite file in ``folder`` writes it; an absolute one stays."""
    return path if Path(path).is_absolute() else os.path.relpath(path, folder)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
