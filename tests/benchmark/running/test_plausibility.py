"""A black box that is not read as it was trained gets a note with the likely cause."""

from types import SimpleNamespace

import pytest
import torch

from brought_along import OWN
from sembench.data.normalisation import Normalisation
from sembench.evaluation.reference import Reference
from sembench.running.black_box import adapt
from sembench.running.plausibility import notes_on
from sembench.workbench import Workbench

NAMES = tuple("abcdefghij")


def reference(found, labels, classes=NAMES):
    """A black box of which only the answers are known."""
    split = SimpleNamespace(labels=labels, normalisation=Normalisation((0.5,) * 3, (0.25,) * 3))
    data = SimpleNamespace(name="letters", classes=classes, n_classes=len(classes), train=split, test=split)
    made = Reference(None, data, 0, None)
    made.__dict__["predictions"] = found
    return made


def answers(share, *, count=360, order=None, seed=0):
    """Labels in turn, and answers right in this share of images, at random elsewhere, with outputs in an order."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    right = torch.rand(count, generator=source) < share
    found = torch.where(right, labels, torch.randint(0, 10, (count,), generator=source))
    return (found if order is None else order[found]), labels


def notes(found, labels, *, assumed=False, brought=True):
    return notes_on(reference(found, labels), assumed=assumed, brought=brought)


@pytest.mark.parametrize("share", [0.15, 0.3, 0.6, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_black_box_that_is_right_gets_no_note(share, seed):
    assert notes(*answers(share, seed=seed)) == () or share == 0.15


def test_classes_in_another_order_are_named_with_both_accuracies_and_the_option():
    order = torch.arange(10).roll(3)
    found, labels = answers(0.96, order=order)
    (note,) = notes(found, labels)
    now, then = (found == labels).double().mean(), (order.argsort()[found] == labels).double().mean()
    assert f"is {now:.4f} on the test images, but would be {then:.4f}" in note
    # Output k of the network stands for the class that was sent there.
    assert f"classes = {[NAMES[position] for position in order.argsort().tolist()]}" in note


def test_two_exchanged_classes_are_found_although_the_black_box_is_far_from_chance():
    order = torch.arange(10)
    order[[3, 5]] = order[[5, 3]]
    found, labels = answers(1.0, order=order)
    (note,) = notes(found, labels)
    assert "is 0.8000 on the test images, but would be 1.0000" in note
    assert "'c', 'f', 'e', 'd', 'g'" in note


@pytest.mark.parametrize("seed", range(20))
def test_guesses_are_at_chance_and_no_order_is_made_up_for_them(seed):
    (note,) = notes(*answers(0.0, seed=seed, count=60))
    assert "Likely causes: its classes stand in another order" in note
    assert "[0, 255]" in note
    assert "blue, green, red" in note


def test_the_note_counts_as_the_binomial_distribution_does():
    labels = torch.arange(100) % 10
    found = (labels + 1) % 10
    for right, said in ((19, False), (17, True)):  # P(X >= 19) = .0046, P(X >= 17) = .0206 for n = 100, p = .1
        mixed = torch.where(torch.arange(100) < right, labels, torch.full_like(labels, -1))
        mixed = torch.where(mixed < 0, found, mixed)
        assert bool(notes(mixed, labels, brought=False)) is said
    (note,) = notes(found, labels, brought=False)
    assert "right on 0 of 100 test images, 0.0000" in note
    assert "too few epochs" in note
    assert "another order" not in note


def test_naming_the_most_common_class_is_no_better_than_chance():
    labels = torch.cat([torch.zeros(90, dtype=torch.int64), torch.ones(10, dtype=torch.int64)])
    (note,) = notes(torch.zeros(100, dtype=torch.int64), labels)
    assert "always naming the most common class would be right on 90" in note


def test_the_workbench_warns_of_outputs_in_another_order(brought):
    network = torch.nn.Sequential(*brought.network)
    order = torch.arange(10).roll(4)
    linear = torch.nn.Linear(32, 10)
    linear.weight.data, linear.bias.data = network[-1].weight[order].detach(), network[-1].bias[order].detach()
    network[-1] = linear
    bench = Workbench(brought.data)
    with pytest.warns(UserWarning, match=f"but would be {brought.accuracy:.4f}"):
        bench.fit("blackbox", adapt(network.eval(), image_size=16, mean=OWN.mean, std=OWN.std))
    assert f"classes = {[str(label) for label in order.tolist()]}" in bench.notes[0]
