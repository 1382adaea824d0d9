"""Any folder of images sorted by class: the user's own data, with their own split or one drawn here."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sembench.data.augmentation import Augmentation
from sembench.data.dataset import Dataset, make_dataset
from sembench.data.declaration import Licence, Options, declares
from sembench.data.folders import LeftOut, folders, images_of, leave_beside
from sembench.data.image_files import ImageFiles
from sembench.data.memory import remembered
from sembench.data.seeing import has_several_frames, obstacle, printable
from sembench.errors import DataMissing, SuiteInvalid
from sembench.seeding import generator

UNSTATED = "not stated"

_LAYOUT = (
    "It should hold <folder>/<class>/<image>, or <folder>/train/<class>/<image> and <folder>/test/<class>/<image> (or "
    "val, where there is no test)"
)
_SPLITS = {"train": "train|training", "val": "val|valid|validation|dev", "test": "test|testing|eval|evaluation"}
_AROUND = "set|data|dataset|split|images?|imgs?|seg"  # what stands before or behind a split's name

Images = dict[str, list[Path]]


def _licence(options: Options) -> Licence:
    """The licence that the user states."""
    return Licence(options.get("licence", UNSTATED), open=options.get("open_licence", False))


@declares(_licence)
def image_folder(
    data_root: Path,
    *,
    path: str,
    image_size: int = 224,
    classes: Sequence[str] | None = None,
    test_share: float = 0.2,
    split_seed: int = 0,
    augment: bool = False,
    licence: str = UNSTATED,
    open_licence: bool = False,
) -> Dataset:
    """A folder with one folder of images for each class, or with folders for training and testing that are such.

    Those are known by their usual names in any case (``train``, ``Training``, ``test``, ``eval``; ``val`` and
    ``validation`` are for testing where there is no ``test``). Classes are in the order of their names' characters, as
    in torchvision's ``ImageFolder``, images in that of their paths. What is left out, which links were followed, and
    which files stand in both splits, byte for byte, is in the data set's ``notes``. Images are decoded on demand, see
    `sembench.data.seeing`.

    Args:
        data_root: The folder that a relative ``path`` is looked for in.
        path: The folder.
        image_size: Pixels per side after resizing; the aspect ratio is not kept.
        classes: The names of all folders of classes in the order of labels, e.g. that of a trained network's outputs.
        test_share: Share of each class's images that is for testing, where the folder has no split of its own.
        split_seed: Seed of that split; another one gives another split.
        augment: Whether training images are flipped and cropped at random.
        licence: Licence of the images, for the board.
        open_licence: Whether that licence is free, see `sembench.data.declaration.Licence`.

    Raises:
        DataMissing: If the folder is not there or is sorted in another way.
        SuiteInvalid: If the share leaves a class without training or test images, or ``classes`` are not the folders.
    """
    folder = data_root / path
    left = LeftOut(folder)
    first, second, said = _split(folder, test_share, split_seed, left)
    names = _in_order(folder, tuple(first), classes)
    terms = _licence({"licence": licence, "open_licence": open_licence})
    train, test = (_files(images, names, image_size) for images in (first, second))
    return make_dataset("folder", names, train=train, test=test, image_size=image_size, licence=terms,
                        source=f"a folder of images, {printable(folder.name)}",
                        augmentation=Augmentation() if augment else None,
                        notes=(*said, *left.notes(), *_of_content(train, test, left)))  # fmt: skip


def _files(images: Images, names: Sequence[str], image_size: int) -> tuple[ImageFiles, Tensor]:
    counts = torch.tensor([len(images[name]) for name in names])
    paths = [image for name in names for image in images[name]]
    return ImageFiles(paths, image_size), torch.arange(len(names)).repeat_interleave(counts)


def _in_order(folder: Path, found: tuple[str, ...], asked: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the classes in the order of their labels."""
    if asked is None:
        return found
    if sorted(asked) != sorted(found):
        unknown, absent = sorted(set(asked) - set(found)), sorted(set(found) - set(asked))
        wrong = [f"{', '.join(unknown)} of them is no folder"] if unknown else []
        wrong += [f"the folder {', '.join(absent)} is not among them"] if absent else []
        said = "; ".join(wrong) or "some stand there twice"
        raise SuiteInvalid(
            f"{printable(folder)}: classes must name each folder once, and {said}. Found: {list(found)}."
        )
    return tuple(asked)


def _split(folder: Path, share: float, seed: int, left: LeftOut) -> tuple[Images, Images, list[str]]:
    """The images of each class for training and for testing, and what is to be said of the choice."""
    wrong = obstacle(folder) or "a file"
    if wrong != "a folder":
        raise DataMissing(f"looked for the folder {printable(folder)}: {wrong}. {_LAYOUT}.")
    parts, said = _parts(folder, left)
    if parts is None:
        return *_drawn(folder, sorted_by_class(folder, left), share, seed), said
    train, test = (sorted_by_class(part, left) for part in parts)
    if train.keys() != test.keys():
        alone = sorted(train.keys() ^ test.keys())
        one = f"{parts[0].name} and {parts[1].name}"
        raise DataMissing(
            f"{printable(folder)}: {', '.join(alone)} stands in only one of {one}; both need every class."
        )
    return train, test, said


def _drawn(folder: Path, whole: Images, share: float, seed: int) -> tuple[Images, Images]:
    """A split of each class by the seed, whatever other classes there are."""
    train, test = {}, {}
    for name, images in whole.items():
        count = round(share * len(images))
        if not 0 < count < len(images):
            raise SuiteInvalid(
                f"{printable(folder)}: test_share {share} of the {len(images)} images of {name} is {count}; every "
                "class needs one to train and one to test. Choose another share, or add images."
            )
        order = torch.randperm(len(images), generator=generator(seed, "split of a folder", name))
        chosen = set(order[:count].tolist())
        train[name] = [image for position, image in enumerate(images) if position not in chosen]
        test[name] = [image for position, image in enumerate(images) if position in chosen]
    return train, test


def _part_of(name: str) -> str:
    """Which split a folder's name stands for; empty if none. Case, digits and signs do not count: ``Train_2017``."""
    letters = re.sub("[^a-z]", "", name.lower())
    return next((split for split, words in _SPLITS.items()
                 if re.fullmatch(f"(?:{_AROUND})?(?:{words})(?:{_AROUND})?", letters)), "")  # fmt: skip


def _parts(folder: Path, left: LeftOut) -> tuple[tuple[Path, Path] | None, list[str]]:
    """The folders for training and for testing, if the folder has such, and what is to be said of the choice."""
    inside = folders(folder)
    named = {split: [entry for entry in inside if _part_of(entry.name) == split] for split in _SPLITS}
    splits = [entry for entry in inside if _part_of(entry.name)]
    with_classes = [entry for entry in splits if folders(entry)]
    if not with_classes and len(splits) < max(2, len(inside)):
        return None, []  # a class may be called train
    if not set(named["test"]) & set(with_classes) and set(named["val"]) & set(with_classes):
        unlabelled, named["test"] = named["test"], []
    else:
        unlabelled = []
    wrong = _wrong_parts(named, with_classes)
    if wrong:
        raise DataMissing(f"{printable(folder)}: found the folders {_listed(inside)}; {wrong}. {_LAYOUT}.")
    train, test = named["train"][0], (named["test"] or named["val"])[0]
    leave_beside(folder, [*splits], left)
    said = []
    if unlabelled:
        said.append(f"Left out {_listed(unlabelled)}, which holds no folders of classes.")
    if not named["test"]:
        said.append(f"Tested on {test.name}: there is no other folder of classes for testing.")
    elif named["val"]:
        said.append(f"Left out {_listed(named['val'])}: tested on {test.name}.")
    return (train, test), said


def _wrong_parts(named: dict[str, list[Path]], with_classes: list[Path]) -> str:
    """Why these folders are no training and test split; empty if they are."""
    several = [found for found in named.values() if len(found) > 1]
    if several:
        return f"{_listed(several[0])} mean the same split; keep one of them there, or rename the others"
    if not with_classes:
        return "they are called like splits, and hold no folders of classes"
    if not named["train"]:
        return "none of them is for training"
    if not named["test"] and not named["val"]:
        return f"none of them is for testing; the path of {named['train'][0].name} itself is split by test_share"
    return ""


def _listed(paths: Sequence[Path]) -> str:
    names = [printable(path.name) for path in paths]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def sorted_by_class(folder: Path, left: LeftOut) -> Images:
    """The images of each class, below a folder of one folder a class. Raises `DataMissing` if it is none."""
    classes = folders(folder)
    leave_beside(folder, classes, left)
    wrong = _wrong_classes(classes)
    found = {} if wrong else images_of(classes, left)
    left.remark("" if wrong else _said_of(classes, left))
    empty = [Path(name) for name, images in found.items() if not images]
    if wrong or empty:
        wrong = wrong or f"no images in {_listed(empty)}"
        said = " ".join(["", *left.notes()])
        raise DataMissing(f"{printable(folder)}: {wrong}. {_LAYOUT}.{said}")
    return found


def _wrong_classes(classes: Sequence[Path]) -> str:
    """Why these folders are no classes; empty if they may be."""
    if len(classes) < 2:
        found = f" (found {_listed(classes)})" if classes else ""
        return f"{len(classes)} folders of classes, at least 2 are needed{found}"
    strange = [entry for entry in classes if printable(entry.name) != entry.name]
    if strange:
        return f"the name of the folder {_listed(strange)} is not UTF-8; rename it"
    inside = _inside(classes)
    usual = [name for name, count in _recurring(inside).items() if 2 * count > len(classes)]
    parts = [{_part_of(entry.name) for entry in found} - {""} for found in inside]
    if len(usual) > 1 or all(parts) or any(len(found) > 1 for found in parts):
        example = max(inside, key=len)
        return (
            f"the folders {_listed(classes)} would be the classes, and hold the folders {_listed(example)}, as parts "
            "or splits do; put classes above their images alone, with splits above them that are called train and test"
        )
    return ""


def _inside(classes: Sequence[Path]) -> list[list[Path]]:
    """The folders within those of the classes, or deeper, where each holds one of the same name: <class>/images/."""
    inside = [folders(entry) for entry in classes]
    while all(len(found) == 1 for found in inside) and len({found[0].name for found in inside}) == 1:
        if _part_of(inside[0][0].name):
            break
        inside = [folders(found[0]) for found in inside]
    return inside


def _recurring(inside: Sequence[Sequence[Path]]) -> dict[str, int]:
    """Names of folders that lie within several classes, and within how many."""
    counts = Counter(entry.name for found in inside for entry in found)
    return {name: count for name, count in counts.items() if count > 1}


def _said_of(classes: Sequence[Path], left: LeftOut) -> str:
    """What a reader should know of folders within those of the classes; empty where none could mean something."""
    inside = _inside(classes)
    known = _recurring(inside)
    several = next((found for found in inside if len(found) > 1 and any(e.name in known for e in found)), None)
    if several is None:
        return ""
    names = " and ".join(left.name(entry) for entry in several[:2])
    return (
        f"Took the images in all folders within those of the classes, e.g. {names}, for images of that class. If they "
        "are masks, or the folders within are the classes, sort them in another way."
    )


def _of_content(train: tuple[ImageFiles, Tensor], test: tuple[ImageFiles, Tensor], left: LeftOut) -> tuple[str, ...]:
    """What the files' content has a reader know, found out once: the same files in both splits, several frames."""
    paths = [*train[0].paths, *test[0].paths]
    labels = [*train[1].tolist(), *test[1].tolist()]

    def compute() -> str:
        digests = [*train[0].digests, *test[0].digests]
        return json.dumps([*_twins(paths, labels, digests, len(train[0]), left), *_frames(paths, left)])

    return tuple(json.loads(remembered(f"notes on content, {labels}", paths, compute)))


def _twins(
    paths: Sequence[Path], labels: Sequence[int], digests: Sequence[bytes], trained: int, left: LeftOut
) -> list[str]:
    """Notes on the same file, byte for byte, in training and test, and under two classes."""
    first = dict(zip(digests[trained - 1 :: -1], range(trained - 1, -1, -1), strict=True))
    both = [(at, first[digests[at]]) for at in range(trained, len(paths)) if digests[at] in first]
    found = []
    if both:
        one, other = (left.name(paths[at]) for at in both[0])
        found.append(f"{len(both):,} of {len(paths) - trained:,} test images are training images too, byte for byte, "
                     f"e.g. {one} and {other}: what is right on them shows nothing of new images.")  # fmt: skip
    earlier: dict[bytes, int] = {}
    mixed = [(earlier[digest], at) for at, digest in enumerate(digests)
             if labels[earlier.setdefault(digest, at)] != labels[at]]  # fmt: skip
    if mixed:
        one, other = (left.name(paths[at]) for at in mixed[0])
        found.append(f"{len(mixed):,} images stand under another class too, byte for byte, e.g. {one} and {other}.")
    return found


def _frames(paths: Sequence[Path], left: LeftOut) -> list[str]:
    several = [path for path in paths if has_several_frames(path)]
    if not several:
        return []
    return [f"Took the first frame or page of {len(several):,} files of several, e.g. {left.name(several[0])}."]
