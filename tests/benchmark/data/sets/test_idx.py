"""IDX files: read as published, refused as anything else, with the path in every message."""

import gzip
import re

import pytest
import torch

from sembench.data.files import PublishedFiles
from sembench.data.sets.mnist import read_idx
from sembench.errors import DataDamaged, DataMissing


def read(idx):
    return read_idx(PublishedFiles(idx.folder, "tiny", "https://example.org"), idx.stem, idx.array.shape, idx.sha256)


def assert_damaged(idx, path, reason=""):
    with pytest.raises(DataDamaged, match=f"{re.escape(str(path))} is damaged: .*{reason}") as caught:
        read(idx)
    assert "in its place" in str(caught.value)


def test_a_plain_file_is_read(idx):
    idx.write()
    found = read(idx)
    assert found.dtype == torch.uint8
    assert found.tolist() == idx.array.tolist()


def test_a_gzipped_file_is_read(idx):
    idx.pack()
    assert read(idx).tolist() == idx.array.tolist()


def test_the_plain_file_is_taken_where_both_are_there(idx):
    idx.write()
    idx.packed.write_bytes(b"not looked at")
    assert read(idx).tolist() == idx.array.tolist()


def test_what_is_read_can_be_written_to(idx):
    idx.write()
    found = read(idx)
    found.add_(1)
    assert read(idx).tolist() == idx.array.tolist()


def test_a_missing_file_says_where_it_was_looked_for_and_the_two_ways_to_get_it(idx):
    with pytest.raises(DataMissing) as caught:
        read(idx)
    message = str(caught.value)
    assert str(idx.plain) in message
    assert f"{idx.stem}.gz" in message
    assert "Either put the published files there (https://example.org)" in message
    assert "sembench run --dataset tiny --data-root DATA_ROOT --download" in message


def test_a_missing_folder_is_a_missing_file(idx):
    idx.folder = idx.folder / "nowhere"
    with pytest.raises(DataMissing, match=re.escape(str(idx.plain))):
        read(idx)


def test_a_folder_in_the_place_of_the_file_is_no_file(idx):
    idx.plain.mkdir()
    with pytest.raises(DataMissing, match=re.escape(str(idx.plain))):
        read(idx)


@pytest.mark.parametrize("kept", [0, 3, 8, -1])
def test_a_truncated_file_is_damaged(idx, kept):
    idx.write(idx.content[:kept])
    assert_damaged(idx, idx.plain, "bytes, expected")


def test_a_file_with_something_behind_it_is_damaged(idx):
    idx.write(idx.content + b"\0")
    assert_damaged(idx, idx.plain, f"{len(idx.content) + 1} bytes, expected {len(idx.content)}")


@pytest.mark.parametrize("packed", [False, True])
def test_a_flipped_byte_is_damage_that_the_checksum_finds(idx, packed):
    content = bytearray(idx.content)
    content[-1] ^= 1
    (idx.pack if packed else idx.write)(bytes(content))
    assert_damaged(idx, idx.packed if packed else idx.plain, f"published is {idx.sha256}")


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_wrong_magic_number_is_damage(idx, place):
    content = bytearray(idx.content)
    content[place] ^= 1
    idx.write(bytes(content))
    assert_damaged(idx, idx.plain)


def test_a_wrong_magic_number_is_not_reported_as_a_wrong_length(idx):
    content = bytearray(idx.content)
    content[3] ^= 1
    idx.write(bytes(content))
    with pytest.raises(DataDamaged) as caught:
        read(idx)
    length = f"{len(idx.content):,}"
    assert f"holds {length} bytes, expected {length}" not in str(caught.value)


def test_other_sizes_in_the_header_are_damage(idx):
    content = bytearray(idx.content)
    content[7] += 1
    idx.write(bytes(content))
    assert_damaged(idx, idx.plain)


def test_a_gzipped_file_cut_short_is_damaged(idx):
    idx.packed.write_bytes(gzip.compress(idx.content)[:-9])
    assert_damaged(idx, idx.packed)


def test_a_gzipped_file_that_is_none_is_damaged(idx):
    idx.packed.write_bytes(b"<html>not found</html>")
    assert_damaged(idx, idx.packed)


def test_a_gzipped_file_with_a_flipped_byte_is_never_read_as_something_else(idx):
    """Damage, wherever the byte is; but time stamp and system in the header carry no data and may be anything."""
    good = gzip.compress(idx.content, mtime=0)
    refused = []
    for place in range(len(good)):
        content = bytearray(good)
        content[place] ^= 0xFF
        idx.packed.write_bytes(bytes(content))
        try:
            assert read(idx).tolist() == idx.array.tolist()
        except DataDamaged as error:
            refused.append(str(error))
    assert len(refused) >= len(good) - 6
    assert all(str(idx.packed) in message for message in refused)


def test_an_empty_gzipped_file_is_damaged(idx):
    idx.packed.write_bytes(b"")
    assert_damaged(idx, idx.packed)
