"""Counting forward passes: exact, from outside, and without a trace."""

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.cost import PassCounter, hardware, peak_memory, tensor_count
from sembench.relevance.propagation import black_box_relevance
from sembench.seeding import generator, isolated

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@pytest.fixture(scope="module")
def network():
    with isolated(0):
        block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
        return freeze(Backbone([block], nn.Linear(4, 2)))


@pytest.fixture
def images():
    return torch.randn(5, 3, 8, 8, generator=generator(0, "images"))


def hooks_on(network):
    return sum(len(getattr(module, kind)) for module in network.modules() for kind in HOOKS)


def test_calls_and_images_are_counted(network, images):
    with PassCounter(network) as counter:
        network(images)
        network(images[:2])
        network.embed(images[:1])
    assert (counter.passes, counter.images) == (3, 8)


def test_before_the_first_call_there_is_nothing_to_count(network):
    with PassCounter(network) as counter:
        assert (counter.passes, counter.images) == (0, 0)


def test_calls_outside_the_context_are_not_counted(network, images):
    counter = PassCounter(network)
    network(images)
    with counter:
        network(images)
    network(images)
    assert (counter.passes, counter.images) == (1, 5)


def test_counts_stay_readable_afterwards_and_no_hook_stays(network, images):
    before = hooks_on(network)
    with PassCounter(network) as counter:
        assert hooks_on(network) == before + 1
        network(images)
    assert hooks_on(network) == before == 0
    assert counter.passes == 1


def test_no_hook_stays_after_an_exception_and_the_exception_goes_on(network, images):
    counter = PassCounter(network)

    def interrupted():
        with counter:
            network(images)
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        interrupted()
    assert hooks_on(network) == 0
    assert counter.passes == 1


def test_a_pass_that_fails_leaves_no_hook(network):
    with pytest.raises(RuntimeError), PassCounter(network):
        network(torch.zeros(1, 7, 8, 8))
    assert hooks_on(network) == 0


def test_two_counters_on_one_network_do_not_disturb_each_other(network, images):
    with PassCounter(network) as outer:
        network(images)
        with PassCounter(network) as inner:
            network(images)
        network(images)
    assert (outer.passes, inner.passes) == (3, 1)
    assert hooks_on(network) == 0


def test_a_pass_of_relevance_propagation_is_one_pass(network, images):
    with PassCounter(network) as counter:
        black_box_relevance(network, images)
    assert (counter.passes, counter.images) == (1, 5)
    assert hooks_on(network) == 0


def test_a_paused_counter_leaves_out_what_runs_inside(network, images):
    with PassCounter(network) as counter:
        network(images)
        with counter.paused():
            network(images)
            with counter.paused():
                network(images)
            network(images)
        network(images)
    assert (counter.passes, counter.images) == (2, 10)


def test_a_pause_ends_with_an_exception(network, images):
    with PassCounter(network) as counter:
        with pytest.raises(KeyError), counter.paused():
            raise KeyError("inside")
        network(images)
    assert counter.passes == 1


def test_counting_does_not_change_the_output(network, images):
    expected = network(images)
    with PassCounter(network):
        assert torch.equal(network(images), expected)


def test_a_network_of_linear_layers_is_counted_too(images):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with PassCounter(network) as counter:
        network(images)
    assert (counter.passes, counter.images) == (1, 5)


def test_a_module_without_layers_counts_nothing(images):
    network = nn.Sequential(nn.ReLU(), nn.Flatten())
    with PassCounter(network) as counter:
        network(images)
    assert (counter.passes, counter.images) == (0, 0)
    assert hooks_on(network) == 0


def test_tensors_are_counted_by_their_numbers():
    assert tensor_count({"a": torch.zeros(2, 3), "b": torch.tensor(1.0), "c": torch.zeros(0)}) == 7
    assert tensor_count({}) == 0


def test_peak_memory_is_that_of_this_process_in_bytes():
    peak = peak_memory(torch.device("cpu"))
    assert 50 * 2**20 < peak < 2**44
    assert peak_memory(torch.device("cpu")) >= peak


def test_the_machine_is_described_in_words_and_numbers():
    found = hardware()
    assert found.keys() == {"processor", "cores", "memory_bytes", "system"}
    assert found["processor"]
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 2**28
