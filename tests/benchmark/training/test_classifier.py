"""Training: it learns, it can be killed at any epoch, and its order of images depends on seed and epoch alone."""

import dataclasses
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sembench.data.augmentation import Augmentation
from sembench.errors import FitImpossible
from sembench.training import stages
from sembench.training.classifier import Training, train_backbone
from sembench.training.stages import Session

RECIPE = Training(epochs=5, learning_rate=0.1, momentum=0.9, weight_decay=1e-3, batch_size=8)


class Killed(Exception):
    """Raised by the reporter in the place of a signal."""


class Recording:
    """A split that notes which images were asked for."""

    def __init__(self, split):
        self.split = split
        self.asked = []

    def __len__(self):
        return len(self.split)

    def training_batch(self, indices, generator):
        self.asked.append(indices.tolist())
        return self.split.training_batch(indices, generator)


def silent(line):
    """Reports nothing."""


def killed_after(epochs):
    """A reporter that ends the training once it has reported so many epochs."""
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == epochs:
            raise Killed

    return report


def train(backbone, split, checkpoint, recipe=RECIPE, *, seed=0, report=silent):
    train_backbone(backbone, split, recipe, Session(seed, checkpoint, report))
    return {name: value.clone() for name, value in backbone.state_dict().items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


def accuracy(backbone, split):
    with torch.no_grad():
        predictions = backbone.eval()(split.batch(torch.arange(len(split))).images).argmax(1)
    return (predictions == split.labels).float().mean().item()


def test_it_learns_a_set_that_is_easy_to_tell_apart(make, toy, checkpoint):
    backbone = make()
    assert accuracy(backbone, toy) < 0.9
    train(backbone, toy, checkpoint, dataclasses.replace(RECIPE, epochs=15))
    assert accuracy(backbone, toy) == 1


def test_every_epoch_is_saved_and_reported_in_one_line_with_a_falling_loss(make, toy, checkpoint):
    lines = []
    train(make(), toy, checkpoint, report=lines.append)
    assert checkpoint.saves == 5
    assert [line.split(",")[0] for line in lines] == [f"epoch {epoch}/5" for epoch in range(1, 6)]
    losses = [float(line.rsplit(" ", 1)[1]) for line in lines]
    assert losses[-1] < losses[0]


def test_an_epoch_is_saved_before_it_is_reported(make, toy, checkpoint):
    seen = []
    train(make(), toy, checkpoint, report=lambda line: seen.append(checkpoint.saves))
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("momentum", [0.9, 0])
@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5])
def test_a_training_killed_after_any_epoch_ends_with_the_same_weights(make, toy, checkpoint, epochs, momentum):
    recipe = dataclasses.replace(RECIPE, momentum=momentum)
    expected = train(make(), toy, type(checkpoint)(), recipe)
    with pytest.raises(Killed):
        train(make(), toy, checkpoint, recipe, report=killed_after(epochs))
    lines = []
    found = train(make(), toy, checkpoint, recipe, report=lines.append)
    assert_same(found, expected)
    assert len(lines) == 5 - epochs


def test_a_training_killed_after_every_epoch_ends_with_the_same_weights(make, toy, checkpoint):
    expected = train(make(), toy, type(checkpoint)())
    for _ in range(5):
        with pytest.raises(Killed):
            train(make(), toy, checkpoint, report=killed_after(1))
    assert_same(train(make(), toy, checkpoint), expected)


def test_a_training_killed_in_the_middle_of_an_epoch_does_that_epoch_again(make, toy, checkpoint):
    class Dying(Recording):
        def training_batch(self, indices, generator):
            if len(self.asked) == 6:  # the third batch of the second epoch
                raise Killed
            return super().training_batch(indices, generator)

    expected = train(make(), toy, type(checkpoint)())
    with pytest.raises(Killed):
        train(make(), Dying(toy), checkpoint)
    assert checkpoint.saves == 1
    assert_same(train(make(), toy, checkpoint), expected)


def test_a_finished_training_is_not_trained_again(make, toy, checkpoint):
    expected = train(make(), toy, checkpoint)
    watched = Recording(toy)
    assert_same(train(make(), watched, checkpoint), expected)
    assert watched.asked == []


def test_what_is_resumed_is_the_checkpoint_and_not_the_weights_it_starts_with(make, toy, checkpoint):
    expected = train(make(), toy, type(checkpoint)())
    with pytest.raises(Killed):
        train(make(), toy, checkpoint, report=killed_after(3))
    assert_same(train(make("other weights"), toy, checkpoint), expected)


def test_two_trainings_are_bit_identical(make, toy, checkpoint):
    assert_same(train(make(), toy, checkpoint), train(make(), toy, type(checkpoint)()))


def order(split, checkpoint, make, **options):
    """The batches of every epoch."""
    watched = Recording(split)
    train(make(), watched, checkpoint, **options)
    size = len(watched.asked) // options.get("recipe", RECIPE).epochs
    return [watched.asked[start : start + size] for start in range(0, len(watched.asked), size)]


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own(make, toy, checkpoint):
    epochs = order(toy, checkpoint, make)
    assert len(epochs) == 5
    for batches in epochs:
        assert sorted(index for batch in batches for index in batch) == list(range(len(toy)))
        assert [len(batch) for batch in batches] == [8, 8, 8, 6]
    assert len({str(batches) for batches in epochs}) == 5


def test_the_order_of_images_depends_on_the_seed(make, toy, checkpoint):
    first, again, other = (order(toy, type(checkpoint)(), make, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_order_of_images_depends_on_nothing_but_seed_and_epoch(make, toy, checkpoint):
    expected = order(toy, checkpoint, make)
    torch.manual_seed(123)
    recipe = dataclasses.replace(RECIPE, epochs=2, learning_rate=0.01, momentum=0)
    relabelled = dataclasses.replace(toy, labels=toy.labels.flip(0))
    assert order(relabelled, type(checkpoint)(), make, recipe=recipe) == expected[:2]


def test_a_last_batch_of_one_image_is_left_out(make, toy, checkpoint):
    nine = dataclasses.replace(toy, pixels=toy.pixels[:9], labels=toy.labels[:9])
    epochs = order(nine, checkpoint, make, recipe=dataclasses.replace(RECIPE, batch_size=4))
    assert all([len(batch) for batch in batches] == [4, 4] for batches in epochs)
    left_out = {(set(range(9)) - {i for batch in batches for i in batch}).pop() for batches in epochs}
    assert len(left_out) > 1  # not always the same image


def test_training_draws_from_no_global_stream(make, toy, checkpoint):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    train(make(), toy, checkpoint)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_the_images_are_not_changed(make, toy, checkpoint):
    pixels, labels = toy.pixels.clone(), toy.labels.clone()
    train(make(), toy, checkpoint)
    assert torch.equal(toy.pixels, pixels)
    assert torch.equal(toy.labels, labels)


def test_the_learning_rate_falls_along_a_cosine_at_every_step(make, toy, checkpoint, monkeypatch):
    rates = []
    step = torch.optim.SGD.step

    def spy(self, *args, **options):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    train(make(), toy, checkpoint)
    steps = np.arange(20)  # four batches in each of five epochs
    expected = 1e-4 + (0.1 - 1e-4) * (1 + np.cos(np.pi * steps / 20)) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def stepped_by_hand(backbone, split, recipe):
    """Weights after SGD as textbooks have it: ``v <- m v + g``, then ``w <- w - r v``, or ``w - r (g + m v)``."""
    velocities = [torch.zeros_like(p) for p in backbone.parameters()]
    steps, done = recipe.epochs * 4, 0
    backbone.train()
    for epoch in range(recipe.epochs):
        for indices in stages.batches(len(split), recipe.batch_size, 0, epoch):
            batch = split.batch(indices)
            loss = F.cross_entropy(backbone(batch.images), batch.labels)
            rate = 1e-4 + (recipe.learning_rate - 1e-4) * (1 + np.cos(np.pi * done / steps)) / 2
            done += 1
            gradients = torch.autograd.grad(loss, list(backbone.parameters()))
            with torch.no_grad():
                for p, v, gradient in zip(backbone.parameters(), velocities, gradients, strict=True):
                    g = gradient + recipe.weight_decay * p
                    v.mul_(recipe.momentum).add_(g)
                    p -= rate * (g + recipe.momentum * v if recipe.nesterov else v)
    return {name: value.detach() for name, value in backbone.named_parameters()}


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_the_plain_one_or_nesterovs_as_the_recipe_says(make, toy, checkpoint, nesterov):
    recipe = dataclasses.replace(RECIPE, epochs=2, nesterov=nesterov)
    expected = stepped_by_hand(make(), toy, recipe)
    found = train(make(), toy, checkpoint, recipe)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    other = train(make(), toy, type(checkpoint)(), dataclasses.replace(recipe, nesterov=not nesterov))
    assert max(float((other[name] - found[name]).abs().max()) for name in expected) > 1e-3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused_with_the_epoch_and_the_ways_out(make, toy, checkpoint, bad):
    pixels = toy.pixels.clone()
    pixels[3] = bad
    with pytest.raises(FitImpossible, match=r"loss is nan in epoch 1; lower the learning rate \(now 0.1\).*larger"):
        train(make(), dataclasses.replace(toy, pixels=pixels), checkpoint)
    assert checkpoint.saves == 0


def test_a_learning_rate_that_makes_the_loss_explode_is_refused(make, toy, checkpoint):
    with pytest.raises(FitImpossible, match="lower the learning rate"):
        train(make(), toy, checkpoint, dataclasses.replace(RECIPE, learning_rate=1e30))


def test_a_single_image_cannot_be_trained_on(make, toy, checkpoint):
    one = dataclasses.replace(toy, pixels=toy.pixels[:1], labels=toy.labels[:1])
    with pytest.raises(FitImpossible):
        train(make(), one, checkpoint)


def test_no_epochs_leave_the_weights_as_they_were(make, toy, checkpoint):
    expected = make().state_dict()
    assert_same(train(make(), toy, checkpoint, dataclasses.replace(RECIPE, epochs=0)), expected)
    assert checkpoint.saves == 0


@pytest.mark.parametrize(("precision", "kind"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_steps_compute_in_the_precision_asked_for_and_weights_stay_in_float32(make, toy, checkpoint, precision, kind):
    backbone, seen = make(), set()
    handle = backbone.blocks[0][0].register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    found = train(backbone, toy, checkpoint, dataclasses.replace(RECIPE, epochs=15, precision=precision))
    handle.remove()
    assert seen == {kind}
    assert {value.dtype for value in found.values() if value.is_floating_point()} == {torch.float32}
    assert accuracy(backbone, toy) == 1


def test_only_the_head_moves_where_the_encoder_is_frozen_and_its_batch_norm_stays(make, toy, checkpoint):
    backbone, session = make(), Session(0, checkpoint)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    train_backbone(backbone, toy, RECIPE, session, head_only=True)
    moved = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"classifier.weight", "classifier.bias"}
    assert (session.passes, session.images) == (1, 30)  # embeddings are computed once


def test_the_head_is_trained_as_by_hand_on_embeddings(make, toy, checkpoint):
    recipe = dataclasses.replace(RECIPE, epochs=2, nesterov=False)
    backbone, head = make().eval(), make().classifier
    with torch.no_grad():
        embeddings = backbone.embed(toy.batch(torch.arange(30)).images)
    velocities, done = [torch.zeros_like(p) for p in head.parameters()], 0
    for epoch in range(2):
        for indices in stages.batches(30, 8, 0, epoch):
            loss = F.cross_entropy(head(embeddings[indices]), toy.labels[indices])
            rate = 1e-4 + (0.1 - 1e-4) * (1 + np.cos(np.pi * done / 8)) / 2
            gradients, done = torch.autograd.grad(loss, list(head.parameters())), done + 1
            with torch.no_grad():
                for p, v, gradient in zip(head.parameters(), velocities, gradients, strict=True):
                    v.mul_(0.9).add_(gradient + 1e-3 * p)
                    p -= rate * v
    train_backbone(backbone, toy, recipe, Session(0, checkpoint), head_only=True)
    torch.testing.assert_close(backbone.classifier.weight.detach(), head.weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(backbone.classifier.bias.detach(), head.bias.detach(), rtol=1e-4, atol=1e-5)


def test_a_head_on_augmented_images_sees_them_as_they_are_varied_and_pays_for_each(make, toy, checkpoint):
    augmented, session = dataclasses.replace(toy, augmentation=Augmentation()), Session(0, checkpoint)
    train_backbone(make(), augmented, RECIPE, session, head_only=True)
    assert (session.passes, session.images) == (20, 150)


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_killed_training_of_the_head_ends_with_the_same_weights(make, toy, checkpoint, epochs):
    expected, found = make(), make()
    train_backbone(expected, toy, RECIPE, Session(0), head_only=True)
    with pytest.raises(Killed):
        train_backbone(make(), toy, RECIPE, Session(0, checkpoint, killed_after(epochs)), head_only=True)
    train_backbone(found, toy, RECIPE, Session(0, checkpoint), head_only=True)
    assert_same(found.state_dict(), expected.state_dict())
