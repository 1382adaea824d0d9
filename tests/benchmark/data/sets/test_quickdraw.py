"""QuickDraw: one file a class, the first drawings for training, the next for testing."""

import re

import numpy as np
import pytest
import torch

from sembench.data.sets.quickdraw import FLINT, quickdraw
from sembench.errors import DataDamaged, DataMissing, SuiteInvalid

HERE = ("apple", "bicycle", "bowtie", "cat", "diamond", "eye", "fish", "lollipop", "rainbow", "train")


@pytest.fixture
def root(tmp_path):
    """Three classes of 12, 9 and 10 drawings."""
    (tmp_path / "QuickDraw").mkdir()
    source = np.random.default_rng(0)
    for name, count in (("ant", 12), ("cat", 9), ("The Eiffel Tower", 10)):
        np.save(tmp_path / "QuickDraw" / f"{name}.npy", source.integers(0, 256, (count, 784), dtype=np.uint8))
    return tmp_path


def read(root, *classes, train_images=6, test_images=3):
    return quickdraw(root, classes=classes, train_images=train_images, test_images=test_images)


def test_the_first_drawings_are_for_training_and_the_next_for_testing(root):
    data = read(root, "cat", "ant", "The Eiffel Tower")
    assert data.classes == ("cat", "ant", "The Eiffel Tower")
    assert data.train.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert data.test.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    ants = np.load(root / "QuickDraw" / "ant.npy").reshape(-1, 1, 28, 28)
    assert np.array_equal(data.train.pixels[6:12].numpy(), ants[:6])
    assert np.array_equal(data.test.pixels[3:6].numpy(), ants[6:9])
    assert data.train.batch(torch.tensor([0])).images.shape == (1, 3, 32, 32)
    assert (data.licence, data.open_licence) == ("CC BY 4.0", True)


def test_the_default_is_flints_ten_classes_and_a_missing_one_says_so(root):
    assert len(FLINT) == 10
    with pytest.raises(DataMissing, match=re.escape(str(root / "nowhere" / "QuickDraw" / "ant.npy"))):
        quickdraw(root / "nowhere")
    with pytest.raises(DataMissing, match=f"{re.escape(str(root / 'QuickDraw' / 'lion.npy'))}.*numpy_bitmap"):
        read(root, "ant", "lion")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda good: good[:-1], "mmap length is greater|file size"),
        (lambda good: good[:40], ""),
        (lambda good: b"", ""),
        (lambda good: b"\x80\x04K\x01.", "allow_pickle"),
        (lambda good: good.replace(b"|u1", b"|i1"), "expected uint8"),
        (lambda good: good.replace(b"(12, 784)", b"(84, 112)"), r"expected uint8 \(n, 784\)"),
    ],
)
def test_a_truncated_or_changed_file_is_damaged(root, content, reason):
    path = root / "QuickDraw" / "ant.npy"
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged: .*({reason})"):
        read(root, "ant", "cat")


def test_too_few_drawings_are_no_smaller_data_set(root):
    with pytest.raises(DataDamaged, match=r"cat.npy is damaged: it holds uint8 \(9, 784\).*at least 10 drawings"):
        read(root, "ant", "cat", train_images=7)


@pytest.mark.parametrize("classes", [["ant"], ["ant", "ant"], [], ["ant", "../ant"]])
def test_classes_that_make_no_data_set_are_refused(root, classes):
    with pytest.raises(SuiteInvalid, match="give at least two different published names"):
        read(root, *classes)


def test_a_split_without_images_is_refused(root):
    with pytest.raises(SuiteInvalid, match="6 training and 0 test images"):
        read(root, "ant", "cat", test_images=0)


def test_a_real_copy_has_ten_classes_of_a_thousand(real_root):
    data = quickdraw(real_root, classes=HERE)
    assert torch.bincount(data.train.labels).tolist() == [800] * 10
    assert torch.bincount(data.test.labels).tolist() == [200] * 10
    assert len(data.train.pixels.flatten(1).unique(dim=0)) > 7990  # drawings, not copies
