"""A folder of images: sorted by class, split as it stands or by a seed."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sembench.data.augmentation import Augmentation
from sembench.data.declaration import licence_of
from sembench.data.memory import remembering
from sembench.data.sets.image_folder import image_folder
from sembench.errors import DataDamaged, DataMissing, SuiteInvalid


def fill(folder, counts):
    """So many random images of each class."""
    source = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            values = source.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(values).save(folder / name / f"{number:02}.png")


def place(folder, *files):
    """Different images under these names, whatever their endings."""
    for number, name in enumerate(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(hashlib.sha256(os.fsencode(f"{name} {number}")).digest()[:4], "big")
        values = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(values).save(path, "PNG")


def numbered(folder, count=5):
    return [f"{folder}/{number}.png" for number in range(count)]


def below(data, root):
    """The files of both splits, relative to the data set's folder."""
    paths = [*data.train.pixels.paths, *data.test.pixels.paths]
    return sorted(str(path.relative_to(root / "birds")) for path in paths)


def read(root, **options):
    return image_folder(root, path="birds", image_size=8, **options)


def names(split):
    return [f"{path.parent.name}/{path.name}" for path in split.pixels.paths]


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    fill(tmp_path / "birds" / "train", {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / "test", {"gull": 1, "wren": 2})
    data = read(tmp_path)
    assert data.classes == ("gull", "wren")
    assert names(data.train) == ["gull/00.png", "gull/01.png", "wren/00.png", "wren/01.png", "wren/02.png"]
    assert data.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 1, 1]
    assert data.test.load(torch.arange(3)).shape == (3, 3, 8, 8)


def test_one_folder_is_split_by_class_and_by_seed(tmp_path):
    fill(tmp_path / "birds", {"wren": 10, "gull": 20, "tit": 5})
    data = read(tmp_path)
    assert data.classes == ("gull", "tit", "wren")
    assert torch.bincount(data.train.labels).tolist() == [16, 4, 8]
    assert torch.bincount(data.test.labels).tolist() == [4, 1, 2]
    assert sorted(names(data.train) + names(data.test)) == sorted(
        f"{name}/{number:02}.png" for name, count in (("wren", 10), ("gull", 20), ("tit", 5)) for number in range(count)
    )
    assert read(tmp_path).sha256 == data.sha256
    assert read(tmp_path, split_seed=1).sha256 != data.sha256
    assert torch.bincount(read(tmp_path, test_share=0.4).test.labels).tolist() == [8, 2, 4]


def test_the_split_of_a_class_does_not_depend_on_the_others(tmp_path):
    fill(tmp_path / "birds", {"wren": 10, "gull": 20})
    before = [name for name in names(read(tmp_path).test) if name.startswith("wren")]
    fill(tmp_path / "birds", {"auk": 7})
    assert [name for name in names(read(tmp_path).test) if name.startswith("wren")] == before


def test_what_is_no_image_is_left_alone(tmp_path):
    fill(tmp_path / "birds", {"wren": 5, "gull": 5})
    for name in ("wren/notes.txt", "wren/.hidden.png", "README.md"):
        (tmp_path / "birds" / name).write_bytes(b"x")
    (tmp_path / "birds" / ".cache").mkdir()
    assert len(read(tmp_path).train) == 8


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "not there. It should hold <folder>/<class>/<image>"),
        ({"wren": 5}, "1 folders of classes, at least 2 are needed"),
        ({"wren": 5, "gull": 0}, "no images in gull"),
    ],
)
def test_a_folder_that_is_not_sorted_by_class_says_what_it_should_hold(tmp_path, counts, message):
    fill(tmp_path / "birds", counts)
    with pytest.raises(DataMissing, match=f"{re.escape(str(tmp_path / 'birds'))}.*{message}"):
        read(tmp_path)


def test_a_class_in_one_of_train_and_test_only_is_refused(tmp_path):
    fill(tmp_path / "birds" / "train", {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / "test", {"gull": 1, "auk": 2})
    with pytest.raises(DataMissing, match="auk, wren stands in only one of train and test"):
        read(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.95, 1.0])
def test_a_share_that_leaves_a_class_empty_is_refused(tmp_path, share):
    fill(tmp_path / "birds", {"wren": 4, "gull": 40})
    with pytest.raises(SuiteInvalid, match=r"of the (4|40) images of"):
        read(tmp_path, test_share=share)


def test_a_damaged_image_is_named(tmp_path):
    fill(tmp_path / "birds" / "train", {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / "test", {"wren": 3, "gull": 2})
    path = tmp_path / "birds" / "train" / "wren" / "01.png"
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(DataDamaged, match=re.escape(str(path))):
        read(tmp_path)


def test_licence_and_augmentation_are_what_the_user_states(tmp_path):
    fill(tmp_path / "birds", {"wren": 5, "gull": 5})
    plain, stated = read(tmp_path), read(tmp_path, licence="CC0 1.0", open_licence=True, augment=True)
    assert (plain.licence, plain.open_licence, plain.train.augmentation) == ("not stated", False, None)
    assert (stated.licence, stated.open_licence, stated.train.augmentation) == ("CC0 1.0", True, Augmentation())
    assert not licence_of(image_folder, {"path": "birds"}).open
    assert licence_of(image_folder, {"licence": "CC0 1.0", "open_licence": True}).open


# --- splits under their usual names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "train", ["train", "Training", "TRAIN", "train_set", "Train-2017", "trainData", "seg_train", "imgs_train"]
)
@pytest.mark.parametrize("test", ["test", "Testing", "VAL", "valid", "Validation", "eval", "evaluation", "test_images",
                                  "seg_test", "imgs_val"])  # fmt: skip
def test_usual_names_of_splits(tmp_path, train, test):
    fill(tmp_path / "birds" / train, {"wren": 3, "gull": 2})
    fill(tmp_path / "birds" / test, {"gull": 1, "wren": 2})
    data = read(tmp_path)
    assert data.classes == ("gull", "wren")
    assert (len(data.train), len(data.test)) == (5, 3)
    said = [note for note in data.notes if "Tested on" in note]
    assert len(said) == ("val" in test.lower() and "eval" not in test)


def test_of_val_and_test_the_test_split_is_taken_and_said(tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 4)):
        place(tmp_path / "birds" / split, *numbered("gull", count), *numbered("wren", count))
    data = read(tmp_path)
    assert (len(data.train), len(data.test)) == (6, 8)
    assert data.notes == ("Left out val: tested on test.",) or "Left out val: tested on test." in data.notes


def test_a_test_folder_without_classes_is_left_out_where_val_has_them(tmp_path):
    for split in ("train", "val"):
        place(tmp_path / "birds" / split, *numbered("gull"), *numbered("wren", 3))
    place(tmp_path / "birds", *numbered("test"))
    data = read(tmp_path)
    assert (len(data.train), len(data.test)) == (8, 8)
    assert "Left out test, which holds no folders of classes." in data.notes
    assert any(note.startswith("Tested on val") for note in data.notes)


def test_what_lies_beside_splits_and_classes_is_counted(tmp_path):
    for split in ("train", "test"):
        place(tmp_path / "birds" / split, *numbered("gull"), *numbered("wren"), "stray.png")
    place(tmp_path / "birds", "annotations/x.png", "README.png")
    assert any("splits: 4, e.g." in note for note in read(tmp_path).notes)


def test_classes_may_be_called_like_splits(tmp_path):
    place(tmp_path / "birds", *numbered("train"), *numbered("car"), *numbered("bus"))
    assert read(tmp_path).classes == ("bus", "car", "train")


FOLDS = [f"fold{number}/cat/a.png" for number in (1, 2, 3)]
REFUSED = {
    "splits of images alone": (["train/a.png", "val/a.png"], "hold no folders of classes"),
    "no split for training": (["val/cat/a.png", "test/cat/a.png"], "none of them is for training"),
    "no split for testing": (["train/cat/a.png", "train/dog/a.png"], "none of them is for testing; the path of train"),
    "training and something": (["train/cat/a.png", "train/dog/a.png", "meta/a.png"], "none of them is for testing"),
    "two of one kind": (["train/cat/a.png", "Training/cat/a.png", "test/cat/a.png"], "mean the same split"),
    "splits in classes": (["cat/train/a.png", "cat/test/b.png", "dog/train/c.png", "dog/test/d.png"], "cat, dog would"),
    "a split missing in one": (["cat/Train/a.png", "cat/test/b.png", "dog/train/c.png"], "cat, dog would be"),
    "folds": (["fold1/cat/a.png", "fold1/dog/b.png", "fold2/cat/a.png", "fold2/dog/b.png"], "fold1, fold2 would be"),
    "uneven folds": (["1/a/a.png", "1/b/b.png", "1/c/b.png", "2/a/a.png", "2/b/b.png"], "1, 2 would be the classes"),
    "a fold without a class": ([*FOLDS, "fold1/dog/a.png", "fold3/dog/a.png"], "fold1, fold2, fold3 would be the cla"),
    "many folds, each without a class": ([f"{n}/{c}/a.png" for n in range(5) for c in range(5) if c != n], "would be"),
    "splits within one class": (["cat/train/a.png", "cat/test/a.png", "dog/a.png"], "cat, dog would be the classes"),
    "unknown splits": (["learn/a/1.png", "learn/b/1.png", "held/a/1.png", "held/b/1.png"], "called train and test"),
    "folds with images/": (["a/images/x/1.png", "a/images/y/1.png", "b/images/x/1.png", "b/images/y/1"], "would be"),
    "folds in splits": (["train/1/x/1.png", "train/1/y/1.png", "train/2/x/1.png", "train/2/y/1.png", "test/1/x/1.png",
                         "test/2/x/1.png"], "1, 2 would be the classes"),
    "images alone": (["a.png", "b.png"], "0 folders of classes"),
    "one folder within": (["photos/cat/a.png", "photos/dog/b.png"], r"1 folders of classes.*\(found photos\)"),
    "no images that Pillow reads": (["cat/a.png", "dog/a.heic", "dog/b.heic"], r"no images in dog.*2 \(2 .heic\)"),
    "hidden alone": (["cat/a.png", "dog/.checkpoints/a.png"], "no images in dog.*hidden.*: 1, e.g. dog/.checkpoints"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_layouts_are_refused_with_what_was_found_and_what_is_accepted(tmp_path, case):
    files, message = REFUSED[case]
    place(tmp_path / "birds", *files)
    with pytest.raises(DataMissing, match=f"birds.*{message}") as caught:
        read(tmp_path)
    assert "It should hold <folder>/<class>/<image>" in str(caught.value)


@pytest.mark.parametrize(("make", "reason"), [(lambda path: path.write_bytes(b"PK"), "a file"), (os.mkfifo, "a pipe"),
                                              (lambda path: path.symlink_to("x"), "a link to nothing")])  # fmt: skip
def test_what_is_no_folder_is_refused_by_what_it_is(tmp_path, make, reason):
    make(tmp_path / "birds")
    with pytest.raises(DataMissing, match=f"birds: {reason}"):
        read(tmp_path)


def test_images_may_lie_deeper_where_no_split_can_be_meant(tmp_path):
    place(tmp_path / "birds", *numbered("cat/images"), *numbered("dog/images"))
    assert read(tmp_path).classes == ("cat", "dog")
    place(tmp_path / "birds", *numbered("dog/more/2021"))
    assert len(below(read(tmp_path), tmp_path)) == 15


NOTED = {
    "masks": [*numbered("cat/images"), *numbered("cat/masks"), *numbered("dog/images")],
    "sites": [*numbered("north/cat"), *numbered("north/dog"), *numbered("south/cat")],
    "masks, deeper": [*numbered("cat/all/images"), *numbered("cat/all/masks"), *numbered("dog/all/images")],
    "some species": [*numbered("a"), *numbered("b"), *numbered("c"), *numbered("d"), *numbered("e/male"),
                     *numbered("e/female"), *numbered("f/male"), *numbered("f/female")],
}  # fmt: skip


@pytest.mark.parametrize("case", NOTED)
@pytest.mark.parametrize("above", [[""], ["train/", "test/"]])
def test_folders_within_classes_that_could_mean_something_are_named(tmp_path, case, above):
    files = [f"{split}{name}" for split in above for name in NOTED[case]]
    place(tmp_path / "birds", *files)
    data = read(tmp_path)
    assert len(below(data, tmp_path)) == len(files)
    said = [note for note in data.notes if note.startswith("Took the images in all folders within those of the class")]
    assert len(said) == len(above)
    inner = {name.rpartition("/")[0] for name in files if name.count("/") > above[0].count("/") + 1}
    for split, note in zip(above, said, strict=True):
        first, second = sorted(name for name in inner if name.startswith(split))[:2]
        assert f"e.g. {first} and {second}, for images of that class" in note


@pytest.mark.parametrize("deeper", [["images", "images"], ["2020", "2021"], ["", "a", "b"]])
def test_folders_within_classes_that_mean_nothing_are_not_named(tmp_path, deeper):
    place(
        tmp_path / "birds",
        *numbered(f"cat/{deeper[0]}"),
        *(f"dog/{name}/{n}.png" for name in deeper[1:] for n in "12345"),
    )
    assert read(tmp_path).notes == ()


# --- what is left out ------------------------------------------------------------------------------------------------

KEPT = [*numbered("cat", 6), *numbered("dog", 6)]


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        (
            ["cat/.ipynb_checkpoints/0-checkpoint.png", "cat/@eaDir/0.png/thumb.png"],
            "Left out images that are hidden.*: 2, e.g. ",
        ),
        (
            ["__MACOSX/cat/._0.png", "cat/._0.png", "lost+found/a.png", ".cache/b.jpg"],
            "Left out images that are hidden.*: 4, e.g. ",
        ),
        (["cat/deep/deeper/.hidden/x.png", "dog/deep/.x.png"], "Left out images that are hidden.*: 2, e.g. "),
        (["cat/a.heic", "dog/b.HEIC", "dog/c"], r".*: 3 \(2 .heic, 1 none\), e.g. cat/a.heic"),
        (["dog/a.h5", "dog/b.eps", "cat/c.fits"], "Left out files without an ending of pictures.*: 3 .*1 .fits"),
        ([f"dog/a.{i}" for i in range(9)], ".*: 9 .* and 4 other endings"),
        (["loose.png"], "Left out what lies beside the folders of classes or splits: 1, e.g. loose.png"),
        (["cat/Thumbs.db", "cat/.DS_Store", "desktop.ini"], None),
    ],
)
def test_what_is_left_out_is_counted_and_exemplified(tmp_path, extra, note):
    place(tmp_path / "birds", *KEPT, *extra)
    data = read(tmp_path)
    assert below(data, tmp_path) == KEPT
    assert data.classes == ("cat", "dog")
    assert len(data.notes) == (note is not None)
    assert note is None or re.match(note, data.notes[0])


def test_a_plain_folder_has_no_notes(tmp_path):
    place(tmp_path / "birds", *KEPT)
    assert read(tmp_path).notes == ()


def test_odd_entries_are_left_out_and_named(tmp_path):
    place(tmp_path / "birds", *KEPT)
    cat = tmp_path / "birds" / "cat"
    os.mkfifo(cat / "pipe.png")
    (cat / "dangling.png").symlink_to("nothing.png")
    (cat / "loop.png").symlink_to("loop.png")
    (cat / "folder.png").mkdir()
    data = read(tmp_path)
    assert below(data, tmp_path) == KEPT
    assert data.notes == ("Left out entries that are no files: 3, e.g. cat/dangling.png, a link to nothing.",)


def test_links_are_followed_once_and_said(tmp_path):
    place(tmp_path / "birds", *KEPT)
    place(tmp_path / "elsewhere", "more/x.png", "y.png")
    cat, dog = tmp_path / "birds" / "cat", tmp_path / "birds" / "dog"
    (cat / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (dog / "again").symlink_to(tmp_path / "elsewhere" / "more")
    (dog / "y.png").symlink_to(tmp_path / "elsewhere" / "y.png")
    (cat / "up").symlink_to("..")
    (cat / "self").symlink_to(".")
    (dog / "other").symlink_to(cat)
    (dog / "root").symlink_to("/")
    data = read(tmp_path)
    assert below(data, tmp_path) == sorted([*KEPT, "cat/more/x.png", "dog/y.png"])
    twice, followed = data.notes
    assert re.match("Left out links to folders that are read elsewhere already.*: 5, e.g. cat/", twice)
    assert re.match("Followed links: 2, e.g. cat/more to ", followed)


def test_a_linked_folder_of_a_class_is_read_and_one_of_another_class_refused(tmp_path):
    place(tmp_path / "birds", *numbered("cat"))
    place(tmp_path / "elsewhere", *numbered("dogs"))
    (tmp_path / "birds" / "dog").symlink_to(tmp_path / "elsewhere" / "dogs")
    assert read(tmp_path).classes == ("cat", "dog")
    (tmp_path / "birds" / "eel").symlink_to("cat")
    with pytest.raises(DataMissing, match=r"no images in eel.*links to folders.*: 1, e.g. eel"):
        read(tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    place(tmp_path / "birds", *KEPT)
    real = Path.iterdir

    def locked(self):
        if self.name == "dog":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", locked)
    with pytest.raises(DataMissing, match=r"birds/dog cannot be read: Permission denied"):
        read(tmp_path)


def test_names_that_are_not_utf_8(tmp_path):
    place(tmp_path / "birds", *KEPT, os.fsdecode(b"cat/caf\xe9.png"), os.fsdecode(b"cat/caf\xe9.xyz"))
    with remembering(tmp_path / "facts.json"):
        data = read(tmp_path)
        assert (len(data.train) + len(data.test), len(data.sha256)) == (13, 64)
    assert all(note.encode() for note in data.notes)
    place(tmp_path / "birds", *numbered(os.fsdecode(b"caf\xe9")))
    with pytest.raises(DataMissing, match=r"the name of the folder caf\\xe9 is not UTF-8; rename it"):
        read(tmp_path)


# --- what the content says -------------------------------------------------------------------------------------------


def test_files_of_both_splits_are_counted_and_exemplified(tmp_path):
    place(tmp_path / "birds" / "train", *KEPT)
    place(tmp_path / "birds" / "test", *numbered("cat", 2), "dog/new.png")
    copies = [("cat/0.png", "cat/7.png"), ("cat/1.png", "dog/8.png")]
    for source, target in copies:
        (tmp_path / "birds" / "test" / target).write_bytes((tmp_path / "birds" / "train" / source).read_bytes())
    for number in range(2):  # unlike those of training
        path = tmp_path / "birds" / "test" / "cat" / f"{number}.png"
        Image.fromarray(np.full((4, 4, 3), 90 + number, np.uint8)).save(path)
    with remembering(tmp_path / "facts.json"):
        twins, mixed = read(tmp_path).notes
        assert read(tmp_path).notes == (twins, mixed)
    assert re.match(
        "2 of 5 test images are training images too, byte for byte, e.g. test/cat/7.png and train/cat/0", twins
    )
    assert re.match("1 images stand under another class too, byte for byte, e.g. train/cat/1.png and test/dog/8", mixed)


def test_a_test_folder_that_is_a_link_to_the_training_folder_is_noticed(tmp_path):
    place(tmp_path / "birds" / "train", *KEPT)
    (tmp_path / "birds" / "test").symlink_to("train")
    assert any(note.startswith("12 of 12 test images are training images too") for note in read(tmp_path).notes)


def test_copies_within_a_class_are_noticed_where_the_split_parts_them(tmp_path):
    place(tmp_path / "birds", *numbered("cat", 2), *numbered("dog", 6))
    for number in range(2, 10):
        source = tmp_path / "birds" / "cat" / f"{number % 2}.png"
        source.with_name(f"{number}.png").write_bytes(source.read_bytes())
    assert any(note.startswith("2 of 3 test images are training") for note in read(tmp_path).notes)


def test_files_of_several_frames_are_counted(tmp_path):
    place(tmp_path / "birds", *KEPT)
    frames = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (9, 99)]
    for ending in ("gif", "tif"):
        frames[0].save(tmp_path / "birds" / "cat" / f"a.{ending}", save_all=True, append_images=frames[1:])
    note = "Took the first frame or page of 2 files of several, e.g. cat/a."
    assert any(found.startswith(note) for found in read(tmp_path).notes)


# --- the order of classes --------------------------------------------------------------------------------------------


def test_the_order_of_classes_can_be_given(tmp_path):
    place(tmp_path / "birds", *numbered("cat", 5), *numbered("dog", 10), *numbered("eel", 15))
    plain, turned = read(tmp_path), read(tmp_path, classes=["eel", "cat", "dog"])
    assert turned.classes == ("eel", "cat", "dog")
    assert torch.bincount(turned.train.labels).tolist() == [12, 4, 8]
    assert plain.sha256 != turned.sha256
    assert below(plain, tmp_path) == below(turned, tmp_path)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cat"], "the folder dog is not among them"),
        (["cat", "dog", "eel"], "eel of them is no folder"),
        (["cat", "Dog"], "Dog of them is no folder; the folder dog is not among them"),
        (["cat", "dog", "dog"], "some stand there twice"),
        ([], "the folder cat, dog is not among them"),
    ],
)
def test_classes_that_are_not_the_folders_are_refused_with_the_difference(tmp_path, classes, message):
    place(tmp_path / "birds", *KEPT)
    with pytest.raises(SuiteInvalid, match=message):
        read(tmp_path, classes=classes)


# --- a property: whatever is put beside them, the images of the classes stay the same ---------------------------------

ODD = ["cat/.a/x.png", "cat/@eaDir/x.png", "dog/._x.png", "dog/x.heic", "cat/x", "x.png", "__MACOSX/dog/x.png",
       ".git/x.png", "dog/Thumbs.db", "cat/lost+found/x.png", "dog/n.txt"]  # fmt: skip


@given(extra=st.sets(st.sampled_from(ODD)), train=st.sampled_from(["", "Train"]))
@settings(deadline=None, max_examples=40)
def test_odd_entries_change_no_image_and_none_is_lost_silently(tmp_path_factory, extra, train):
    root = tmp_path_factory.mktemp("odd")
    for split in [train, "Test"] if train else [""]:
        place(root / "birds" / split, *KEPT)
    before = read(root)
    place(root / "birds" / train, *extra)
    after = read(root)
    assert after.sha256 == before.sha256
    counts = [int(re.search(r": (\d+)", note)[1]) for note in after.notes if note.startswith("Left out")]
    assert sum(counts) == len(extra - {"dog/Thumbs.db"})
