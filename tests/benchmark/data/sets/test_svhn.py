"""SVHN: Matlab files with images behind their rows, columns and channels, and a 10 for every 0."""

import hashlib
import io
import re

import numpy as np
import pytest
from scipy.io import savemat

from sembench.data.files import PublishedFiles
from sembench.data.sets.svhn import read_matrix, svhn
from sembench.errors import DataDamaged, DataMissing

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
LABELS = np.array([[1], [10], [9], [10], [3]], dtype=np.uint8)


def matrix(**parts):
    file = io.BytesIO()
    savemat(file, parts, do_compression=True)
    return file.getvalue()


def write(folder, content, name="test_32x32.mat"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return PublishedFiles(folder, "svhn", "https://example.org"), hashlib.md5(content).hexdigest()


@pytest.mark.parametrize("name", ["test_32x32.mat", "svhn/test_32x32.mat"])
def test_images_and_digits_are_read(tmp_path, name):
    (tmp_path / "svhn").mkdir()
    files, md5 = write(tmp_path, matrix(X=PIXELS, y=LABELS), name)
    pixels, labels = read_matrix(files, "test", md5, 5)
    assert labels.tolist() == [1, 0, 9, 0, 3]
    assert pixels.shape == (5, 3, 32, 32)
    for image in range(5):
        for channel in range(3):
            assert np.array_equal(pixels[image, channel].numpy(), PIXELS[:, :, channel, image])


def test_a_missing_file_says_both_places_and_both_ways(tmp_path):
    with pytest.raises(DataMissing) as caught:
        svhn(tmp_path)
    for part in (tmp_path / "train_32x32.mat", tmp_path / "svhn" / "train_32x32.mat", "--dataset svhn", "housenumbers"):
        assert str(part) in str(caught.value)


@pytest.mark.parametrize("change", [lambda c: c[:-20], lambda c: c[:-20] + b"\0" * 20, lambda c: b""])
def test_a_truncated_or_changed_file_is_damaged(tmp_path, change):
    content = matrix(X=PIXELS, y=LABELS)
    _, md5 = write(tmp_path, content)
    files, _ = write(tmp_path, change(content))
    path = re.escape(str(tmp_path / "test_32x32.mat"))
    with pytest.raises(DataDamaged, match=f"{path} is damaged: the MD5 of its content is .* published is {md5}"):
        read_matrix(files, "test", md5, 5)


def test_the_published_checksum_is_the_one_that_counts(tmp_path):
    write(tmp_path, matrix(X=PIXELS, y=LABELS), "train_32x32.mat")
    with pytest.raises(DataDamaged, match="published is e26dedcc434d2e4c54c9b2d4a06d8373"):
        svhn(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (matrix(X=PIXELS), "no Matlab file with X and y"),
        (matrix(X=PIXELS, y=LABELS)[:300], "no Matlab file with X and y"),
        (b"not a Matlab file" * 20, "no Matlab file with X and y"),
        (matrix(X=PIXELS[..., :4], y=LABELS[:4]), r"holds X uint8 \(32, 32, 3, 4\)"),
        (matrix(X=PIXELS, y=LABELS[:4]), r"y \(4,\)"),
        (matrix(X=PIXELS / 255, y=LABELS), "holds X float64"),
    ],
)
def test_another_content_is_damage_whatever_its_checksum(tmp_path, content, reason):
    files, md5 = write(tmp_path, content)
    with pytest.raises(DataDamaged, match=reason):
        read_matrix(files, "test", md5, 5)


def test_a_real_copy_is_the_published_one(real_root):
    data = svhn(real_root)
    assert (len(data.train), len(data.test)) == (73_257, 26_032)
    assert data.classes == tuple("0123456789")
