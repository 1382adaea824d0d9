"""CIFAR-10: pickles of Python 2, read without executing them; tiny ones made here, and the real ones."""

import hashlib
import pickle
import re
import struct
import warnings

import numpy as np
import pytest
import torch

from sembench.data.augmentation import Augmentation
from sembench.data.files import PublishedFiles
from sembench.data.sets.cifar10 import cifar10, read_batches
from sembench.errors import DataDamaged, DataMissing

NAMES = ("data_batch_1", "data_batch_2", "test_batch", "batches.meta")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def text(value):
    return b"U" + bytes([len(value)]) + value.encode()


def items(parts):
    return b"](" + b"".join(parts) + b"e"


def batch_bytes(pixels, labels):
    """What Python 2 wrote: a dictionary with a list of labels and an array of bytes, protocol 2."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R(K\x01"
        + b"M" + struct.pack("<H", len(pixels)) + b"M" + struct.pack("<H", 3072) + b"\x86"
        + b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", pixels.size) + pixels.tobytes()
        + b"tb"
    )  # fmt: skip
    listed = items(b"K" + bytes([label]) for label in labels)
    return b"\x80\x02}(" + text("labels") + listed + text("data") + array + b"u."


@pytest.fixture
def tiny(tmp_path):
    """Two training batches and a test batch of three images each, and the names of classes."""
    source, parts, hashes = np.random.default_rng(0), {}, {}
    for name in NAMES:
        if name == "batches.meta":
            content = b"\x80\x02}(" + text("label_names") + items(map(text, CLASSES)) + b"u."
        else:
            parts[name] = source.integers(0, 256, (3, 3072), dtype=np.uint8), source.integers(0, 10, 3)
            content = batch_bytes(*parts[name])
        (tmp_path / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    return PublishedFiles(tmp_path, "cifar10", "https://example.org"), hashes, parts


def test_batches_are_read_as_published(tiny):
    files, hashes, parts = tiny
    found = read_batches(files, hashes, 3)
    assert found["classes"] == CLASSES
    pixels, labels = found["train"]
    expected = np.concatenate([parts["data_batch_1"][0], parts["data_batch_2"][0]]).reshape(6, 3, 32, 32)
    assert np.array_equal(pixels.numpy(), expected)
    assert labels.tolist() == [*parts["data_batch_1"][1], *parts["data_batch_2"][1]]
    assert np.array_equal(found["test"][0].numpy().reshape(3, -1), parts["test_batch"][0])


def test_the_pickles_made_here_are_pickles(tiny):
    """Held against Python's own reader, which may execute them, since they are ours."""
    files, _, parts = tiny
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy.core, as it was called then
        found = pickle.loads((files.folder / "test_batch").read_bytes(), encoding="bytes")
    assert np.array_equal(found[b"data"], parts["test_batch"][0])


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_batch_says_where_it_was_looked_for(tiny, name):
    files, hashes, _ = tiny
    (files.folder / name).unlink()
    with pytest.raises(DataMissing, match=f"{re.escape(str(files.folder / name))}: not there.*--download"):
        read_batches(files, hashes, 3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [lambda c: c[:-9], lambda c: c[:40] + bytes([c[40] ^ 1]) + c[41:], lambda c: b""])
def test_a_truncated_or_changed_batch_is_damaged(tiny, name, change):
    files, hashes, _ = tiny
    path = files.folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged: the SHA-256"):
        read_batches(files, hashes, 3)


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(Evil(), 2), r"it asks for __builtin__\.print"),
        (b"not a pickle", "it is no batch of CIFAR-10"),
        (pickle.dumps({b"labels": [1]}, 2), "codecs"),
        (batch_bytes(np.zeros((2, 3072), np.uint8), [1, 2]), "it does not hold 3 images of 32x32"),
    ],
)
def test_even_with_the_right_checksum_nothing_else_is_read_or_executed(tiny, capsys, content, reason):
    files, hashes, _ = tiny
    (files.folder / "test_batch").write_bytes(content)
    with pytest.raises(DataDamaged, match=reason):
        read_batches(files, hashes | {"test_batch": hashlib.sha256(content).hexdigest()}, 3)
    assert capsys.readouterr().out == ""


def test_a_real_copy_is_the_published_one(real_root):
    data = cifar10(real_root)
    assert data.classes == CLASSES
    assert torch.bincount(data.train.labels).tolist() == [5000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.train.pixels.shape == (50_000, 3, 32, 32)
    assert data.train.normalisation.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=1e-4)  # as known to many
    assert data.test.labels[:5].tolist() == [3, 8, 8, 0, 6]
    assert (data.train.augmentation, data.test.augmentation) == (Augmentation(), None)
    assert not data.open_licence
