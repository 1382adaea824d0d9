"""A benchmark small enough to run whole in a test: two hundred digits, one block a stage, one epoch."""

import dataclasses
import json

import pytest
import torch

from sembench.data.sets.digits import digits
from sembench.plugins.registry import DATASETS
from sembench.suites.suite import parse_suite

torch.set_num_threads(1)  # networks this small are slower on more, and tests run side by side

TINY = """
name = "tiny"
title = "For tests"
seeds = [0]
metrics = ["accuracy", "accuracy_gap", "ghosting", "lrp_kl", "ro_auroc", "ro_auroc_gain", "diversity",
           "alignment_class", "alignment_out"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 2
learning_rate = 0.05
batch_size = 32
[evaluation]
explained_images = 10
steps = 4
batch_size = 50
[[datasets]]
name = "tiny-digits"
image_size = 33
[[explainers]]
name = "kmex"
[[explainers]]
name = "b4"
[[explainers]]
name = "blackbox"
"""


@DATASETS.register("tiny-digits")
def tiny_digits(data_root=None, *, image_size=33):
    """The first 200 training and 50 test images of the digits."""
    whole = digits(image_size=image_size)

    def head(split, count):
        return dataclasses.replace(split, pixels=split.pixels[:count], labels=split.labels[:count])

    return dataclasses.replace(whole, name="tiny-digits", train=head(whole.train, 200), test=head(whole.test, 50))


@pytest.fixture(scope="session")
def tiny_suite():
    return parse_suite(TINY, "the test")


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory):
    """One store of trained backbones for all tests that are not about training."""
    return tmp_path_factory.mktemp("cache")


class Memory:
    """A checkpoint in memory that goes through JSON and copies, as a file would."""

    def __init__(self):
        self.tensors = {}
        self.facts = None
        self.saves = 0

    def load(self):
        if self.facts is None:
            return None
        return {name: value.clone() for name, value in self.tensors.items()}, json.loads(self.facts)

    def save(self, tensors, facts):
        self.tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
        self.facts = json.dumps(facts)
        self.saves += 1


@pytest.fixture
def checkpoint():
    """A checkpoint that outlives a training."""
    return Memory()
