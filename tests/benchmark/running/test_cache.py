"""The store of models: what goes in comes out, or an error says that it did not."""

import pytest
import torch

from sembench.errors import CacheDamaged
from sembench.running.cache import Cache, tensors_sha256

KEY = {"name": "a", "seed": 1}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


@pytest.fixture
def tensors():
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "empty": torch.empty(0, 4)}


def test_nothing_is_stored_under_a_new_key(cache):
    assert cache.load("model", KEY) is None


def test_tensors_and_facts_come_back_to_the_last_bit(cache, tensors):
    cache.save("model", KEY, tensors, {"seconds": 0.1})
    found, facts = cache.load("model", dict(reversed(KEY.items())))
    assert facts == {"seconds": 0.1}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_kinds_and_keys_are_kept_apart(cache, tensors):
    cache.save("model", KEY, tensors, {})
    assert cache.load("backbone", KEY) is None
    assert cache.load("model", {**KEY, "seed": 2}) is None


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "text"])
def test_a_damaged_file_is_an_error(cache, tensors, damage):
    cache.save("model", KEY, tensors, {})
    path = cache.path("model", KEY)
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes({"flip": bytes(data), "truncate": data[:-3], "empty": b"", "text": b"hello world"}[damage])
    with pytest.raises(CacheDamaged, match=str(path)):
        cache.load("model", KEY)
    cache.discard("model", KEY)
    assert cache.load("model", KEY) is None


def test_the_hash_depends_on_names_shapes_types_and_values_but_not_on_memory_layout():
    base = torch.arange(24.0).reshape(1, 2, 3, 4)
    reference = tensors_sha256({"a": base})
    assert tensors_sha256({"a": base.contiguous(memory_format=torch.channels_last)}) == reference
    assert tensors_sha256({"b": base}) != reference
    assert tensors_sha256({"a": base.flatten()}) != reference
    assert tensors_sha256({"a": base.double()}) != reference
    assert tensors_sha256({"a": base + 1e-6}) != reference
