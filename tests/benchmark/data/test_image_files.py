"""Images in files: the same as a tensor of them, decoded once where they fit, refused where damaged."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from sembench.data import image_files
from sembench.data.dataset import make_dataset
from sembench.data.image_files import ImageFiles, decode
from sembench.data.memory import remembering
from sembench.data.normalisation import measure_normalisation
from sembench.errors import DataDamaged

SIZE = 8


@pytest.fixture
def paths(tmp_path):
    """Six colour images of different sizes, losslessly stored."""
    source = np.random.default_rng(0)
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(source.integers(0, 256, (9 + number, 12, 3), dtype=np.uint8)).save(path)
        found.append(path)
    return found


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that were decoded, in order."""
    names, real = [], image_files.decode

    def watched(path, size, box=None):
        names.append(path.name)
        return real(path, size, box)

    monkeypatch.setattr(image_files, "decode", watched)
    return names


def stacked(paths):
    return torch.stack([decode(path, SIZE) for path in paths])


@pytest.mark.parametrize("budget", [0, 10**9])
def test_they_are_indexed_like_a_tensor(paths, budget):
    files, expected = ImageFiles(paths, SIZE, budget=budget), stacked(paths)
    assert (len(files), files.shape, files.dtype) == (6, tuple(expected.shape), expected.dtype)
    for indices in (torch.tensor([4, 0, 4]), torch.arange(6), torch.tensor([True, False] * 3), torch.tensor([-1])):
        assert torch.equal(files[indices], expected[indices])
    assert torch.equal(torch.cat(list(files.split(4))), expected)
    assert torch.equal(files[1:4][torch.arange(3)], expected[1:4])


def test_what_fits_in_the_budget_is_decoded_once(paths, opened):
    files = ImageFiles(paths, SIZE, budget=6 * 3 * SIZE * SIZE)
    for _ in range(3):
        files[torch.tensor([1, 1, 5])]
        files[torch.arange(6)]
    assert sorted(opened) == [path.name for path in paths]


def test_what_does_not_fit_is_decoded_each_time(paths, opened):
    files = ImageFiles(paths, SIZE, budget=6 * 3 * SIZE * SIZE - 1)
    for _ in range(3):
        files[torch.arange(6)]
    assert len(opened) == 18


def test_what_is_given_out_can_be_written_to(paths):
    files, expected = ImageFiles(paths, SIZE), stacked(paths)
    files[torch.arange(6)].zero_()
    assert torch.equal(files[torch.arange(6)], expected)


def test_an_image_of_the_right_size_is_taken_as_it_is(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", SIZE).permute(1, 2, 0).tolist() == values.tolist()


def test_a_grey_image_gets_three_equal_channels(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    red, green, blue = decode(tmp_path / "a.png", SIZE)
    assert torch.equal(red, green)
    assert torch.equal(red, blue)


def test_a_box_shows_a_part_and_is_clipped_to_the_image(tmp_path):
    values = np.zeros((12, 20, 3), dtype=np.uint8)
    values[2:6, 5:9] = 200
    Image.fromarray(values).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 4, (5, 2, 9, 6)).unique().tolist() == [200]
    assert torch.equal(decode(tmp_path / "a.png", 4, (-3, -1, 25, 13)), decode(tmp_path / "a.png", 4))
    with pytest.raises(DataDamaged, match=re.escape(str(tmp_path / "a.png"))):
        decode(tmp_path / "a.png", 4, (30, 30, 40, 40))


@pytest.mark.parametrize("kept", [0, 30, -60])
def test_a_truncated_image_is_damaged(paths, kept):
    paths[2].write_bytes(paths[2].read_bytes()[:kept])
    with pytest.raises(DataDamaged, match=f"{re.escape(str(paths[2]))} is damaged"):
        ImageFiles(paths, SIZE)[torch.arange(6)]


def test_a_truncated_jpeg_is_damaged(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataDamaged, match="truncated"):
        decode(path, SIZE)


def data(paths, labels=(0, 1, 0), **options):
    splits = {"train": ImageFiles(paths[:3], SIZE, **options), "test": ImageFiles(paths[3:], SIZE, **options)}
    pairs = {name: (files, torch.tensor(labels)) for name, files in splits.items()}
    return make_dataset("files", ("a", "b"), **pairs, image_size=SIZE, licence="none", source="the test")


def test_a_data_set_of_files_gives_what_one_of_tensors_gives(paths):
    found = data(paths)
    images = stacked(paths)
    assert found.train.normalisation == measure_normalisation(images[:3], SIZE)
    expected = found.test.normalisation(images[3:] / 255)
    assert torch.equal(torch.cat([batch.images for batch in found.test.batches(2)]), expected)
    assert torch.equal(found.test.load(torch.tensor([2])), images[5:] / 255)


def test_its_hash_is_of_content_order_boxes_and_labels_and_not_of_names(paths, tmp_path):
    hashes = [data(paths).sha256, data(paths[::-1]).sha256, data(paths, (1, 0, 0)).sha256]
    hashes.append(data(paths, boxes=[(0, 0, 5, 5)] * 3).sha256)
    assert len(set(hashes)) == 4
    assert data(paths, budget=0).sha256 == hashes[0]
    elsewhere = [path.rename(tmp_path / f"other {path.name}") for path in paths]
    assert data(elsewhere).sha256 == hashes[0]
    elsewhere[4].write_bytes(paths[5].with_name("other 5.png").read_bytes())
    assert data(elsewhere).sha256 != hashes[0]


def test_hash_and_statistics_are_found_out_once(paths, tmp_path, opened, monkeypatch):
    with remembering(tmp_path / "facts.json"):
        first = data(paths)
        assert first.sha256
        opened.clear()
        monkeypatch.setattr(ImageFiles, "_content", None)
        again = data(paths)
        assert (again.train.normalisation, again.sha256) == (first.train.normalisation, first.sha256)
    assert opened == []
