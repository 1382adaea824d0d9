"""Any folder of images sorted by class: the user's own data, with their own split or one drawn here."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from sembench.data.augmentation import Augmentation
from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import Licence, Options, declares
from sembench.data.image_files import ImageFiles
from sembench.errors import DataMissing, SuiteInvalid
from sembench.seeding import generator

UNSTATED = "not stated"

_LAYOUT = "<folder>/<class>/<image>, or <folder>/train/<class>/<image> and <folder>/test/<class>/<image>"


def _licence(options: Options) -> Licence:
    """The licence that the user states."""
    return Licence(options.get("licence", UNSTATED), open=options.get("open_licence", False))


@declares(_licence)
def image_folder(
    data_root: Path,
    *,
    path: str,
    image_size: int = 224,
    test_share: float = 0.2,
    split_seed: int = 0,
    augment: bool = False,
    licence: str = UNSTATED,
    open_licence: bool = False,
) -> Dataset:
    """A folder with one folder of images for each class, or with ``train`` and ``test`` that are such folders.

    Classes are in alphabetical order, images in that of their names; hidden files, and files with an ending that Pillow
    does not read, are left out. Images are decoded on demand, as RGB.

    Args:
        data_root: The folder that a relative ``path`` is looked for in.
        path: The folder.
        image_size: Pixels per side after resizing; the aspect ratio is not kept.
        test_share: Share of each class's images that is for testing, where the folder has no split of its own.
        split_seed: Seed of that split; another one gives another split.
        augment: Whether training images are flipped and cropped at random.
        licence: Licence of the images, for the board.
        open_licence: Whether that licence is free, see `sembench.data.declaration.Licence`.

    Raises:
        SuiteInvalid: If the share leaves a class without training or test images.
    """
    folder = data_root / path
    classes, train, test = _split(folder, test_share, split_seed)
    terms = _licence({"licence": licence, "open_licence": open_licence})

    def files(images: dict[str, list[Path]]) -> tuple[ImageFiles, Tensor]:
        paths = [image for name in classes for image in images[name]]
        counts = torch.tensor([len(images[name]) for name in classes])
        return ImageFiles(paths, image_size), torch.arange(len(classes)).repeat_interleave(counts)

    return make_dataset("folder", classes, train=files(train), test=files(test), image_size=image_size, licence=terms,
                        source=f"a folder of images, {folder.name}",
                        augmentation=Augmentation() if augment else None)  # fmt: skip


Images = dict[str, list[Path]]


def _split(folder: Path, share: float, seed: int) -> tuple[tuple[str, ...], Images, Images]:
    """Names of classes, and the images of each for training and for testing."""
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train, test = sorted_by_class(folder / "train"), sorted_by_class(folder / "test")
        if train.keys() != test.keys():
            alone = sorted(train.keys() ^ test.keys())
            raise DataMissing(
                f"{folder}: {', '.join(alone)} stands in only one of train and test; both need every class."
            )
        return tuple(train), train, test
    whole = sorted_by_class(folder)
    train, test = {}, {}
    for name, images in whole.items():
        count = round(share * len(images))
        if not 0 < count < len(images):
            raise SuiteInvalid(
                f"{folder}: test_share {share} of the {len(images)} images of {name} is {count}; every class needs one "
                "to train and one to test. Choose another share, or add images."
            )
        order = torch.randperm(len(images), generator=generator(seed, "split of a folder", name))
        chosen = set(order[:count].tolist())
        train[name] = [image for position, image in enumerate(images) if position not in chosen]
        test[name] = [image for position, image in enumerate(images) if position in chosen]
    return tuple(whole), train, test


def sorted_by_class(folder: Path) -> Images:
    """The images of each class, below a folder of one folder a class. Raises `DataMissing` if it is none."""
    if not folder.is_dir():
        raise DataMissing(f"looked for the folder {folder}: not there. It should hold {_LAYOUT}.")
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found: Images = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            images = [p for p in sorted(entry.rglob("*")) if p.is_file() and p.suffix.lower() in endings]
            found[entry.name] = [p for p in images if not p.name.startswith(".")]
    empty = [name for name, images in found.items() if not images]
    if len(found) < 2 or empty:
        wrong = (
            f"no images in {', '.join(empty)}" if empty else f"{len(found)} folders of classes, at least 2 are needed"
        )
        raise DataMissing(f"{folder}: {wrong}. It should hold {_LAYOUT}.")
    return found
