"""Relevance propagation: what is conserved, what is left behind, what an image's map depends on."""

import copy

import pytest
import torch
from torch import nn

import pixel_world
from sembench.backbones.backbone import Backbone, freeze
from sembench.errors import ContractBroken
from sembench.relevance.propagation import black_box_relevance, headless_relevance, propagate

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def probability_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return logits.softmax(1).gather(1, targets[:, None])[:, 0]


def traces(network: nn.Module) -> dict[str, object]:
    """Everything that a propagation might change: weights, hooks, overloaded methods, parameter lists, modes."""
    return {
        "state": {name: value.clone() for name, value in network.state_dict().items()},
        "strides": {name: value.stride() for name, value in network.state_dict().items()},
        "storage": {name: value.data_ptr() for name, value in network.state_dict().items()},
        "gradients": {name: (value.requires_grad, value.grad) for name, value in network.named_parameters()},
        "hooks": sum(len(getattr(module, kind)) for module in network.modules() for kind in HOOKS),
        "attributes": {name: sorted(vars(module)) for name, module in network.named_modules()},
        "modes": {name: module.training for name, module in network.named_modules()},
    }


def assert_untouched(network: nn.Module, before: dict[str, object]) -> None:
    after = traces(network)
    assert_same_tensors(after.pop("state"), before["state"])
    assert after == {name: value for name, value in before.items() if name != "state"}
    assert after["hooks"] == 0


def assert_same_tensors(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name


def test_without_biases_the_sum_over_pixels_is_the_sum_put_on_the_logits(backbone, images):
    seeds = []

    def relevance(logits: torch.Tensor) -> torch.Tensor:
        largest = logits.argmax(1, keepdim=True)
        start = torch.zeros_like(logits).scatter_(1, largest, logits.softmax(1).gather(1, largest))
        seeds.append(start.sum(1))
        return start

    total = propagate(backbone, Backbone.forward, images, relevance, bias="zero").sum((1, 2))
    torch.testing.assert_close(total, seeds[0], rtol=1e-4, atol=0)


def test_without_biases_the_map_of_the_black_box_sums_to_the_probability_of_the_predicted_class(backbone, images):
    with torch.no_grad():
        probability = backbone(images).softmax(1).amax(1)
    total = black_box_relevance(backbone, images, bias="zero").sum((1, 2))
    torch.testing.assert_close(total, probability, rtol=1e-3, atol=0)


def test_without_biases_relevance_put_on_the_embedding_arrives_whole(backbone, images):
    with torch.no_grad():
        embeddings = backbone.embed(images)
    start = torch.rand(embeddings.shape, generator=torch.Generator().manual_seed(0)) * (embeddings > 1e-3)
    total = propagate(backbone, Backbone.embed, images, lambda z: start, bias="zero").sum((1, 2))
    torch.testing.assert_close(total, start.sum(1), rtol=1e-4, atol=0)


def test_by_default_biases_take_a_share(backbone, images):
    with torch.no_grad():
        seed = backbone(images).softmax(1).amax(1)
    default = black_box_relevance(backbone, images)
    assert torch.equal(default, black_box_relevance(backbone, images, bias="share"))
    arrived = default.sum((1, 2)) / seed
    assert bool((arrived < 0.9).all())
    assert bool((arrived > 0).all())


def test_a_map_has_one_finite_value_per_pixel_and_carries_no_gradient(backbone, images):
    relevance = black_box_relevance(backbone, images)
    assert relevance.shape == (len(images), *images.shape[2:])
    assert bool(torch.isfinite(relevance).all())
    assert not relevance.requires_grad


def test_propagation_leaves_the_network_as_it_was(backbone, images):
    before = traces(backbone)
    black_box_relevance(backbone, images[:2])
    assert_untouched(backbone, before)


def test_propagation_leaves_the_images_as_they_were(basic, images):
    before = images.clone()
    black_box_relevance(basic, images)
    assert torch.equal(images, before)
    assert not images.requires_grad
    assert images.grad is None


class Interrupted(Exception):
    """Raised halfway by the tests."""


def test_nothing_stays_behind_when_the_output_raises_after_some_layers(backbone, images):
    def output(network: Backbone, inputs: torch.Tensor) -> torch.Tensor:
        network.features(inputs)
        raise Interrupted

    before = traces(backbone)
    with pytest.raises(Interrupted):
        propagate(backbone, output, images[:2], lambda logits: logits)
    assert_untouched(backbone, before)


def test_nothing_stays_behind_when_the_relevance_raises(backbone, images):
    def relevance(logits: torch.Tensor) -> torch.Tensor:
        raise Interrupted

    before = traces(backbone)
    with pytest.raises(Interrupted):
        propagate(backbone, Backbone.forward, images[:2], relevance)
    assert_untouched(backbone, before)


def test_nothing_stays_behind_when_the_relevance_has_the_wrong_shape(basic, images):
    before = traces(basic)
    with pytest.raises(ContractBroken, match=r"relevance \(2, 1\) must have the output's shape \(2, 5\)"):
        propagate(basic, Backbone.forward, images[:2], lambda logits: logits[:, :1])
    assert_untouched(basic, before)


def test_logits_are_the_same_before_and_after(basic, images):
    with torch.no_grad():
        before = basic(images)
        black_box_relevance(basic, images)
        assert torch.equal(basic(images), before)


def test_relevance_sees_the_logits_that_the_network_gives(backbone, images):
    seen = []

    def relevance(logits: torch.Tensor) -> torch.Tensor:
        seen.append(logits)
        return torch.zeros_like(logits)

    with torch.no_grad():
        expected = backbone(images)
    assert not propagate(backbone, Backbone.forward, images, relevance).any()
    torch.testing.assert_close(seen[0], expected, rtol=1e-3, atol=1e-3)  # merging batch norm rounds a little
    assert not seen[0].requires_grad


def test_an_image_has_the_same_map_alone_and_in_a_batch(backbone, images):
    exact = copy.deepcopy(backbone).double()  # single precision is tested below; here nothing may hide in rounding
    together = black_box_relevance(exact, images.double())
    for index in range(len(images)):
        alone = black_box_relevance(exact, images[index : index + 1].double())[0]
        torch.testing.assert_close(together[index], alone, rtol=1e-5, atol=1e-9 * together[index].abs().max().item())


def test_an_image_has_the_same_map_whatever_its_neighbours_in_single_precision(basic, images):
    together = black_box_relevance(basic, images)
    backwards = black_box_relevance(basic, images.flip(0)).flip(0)
    pair = black_box_relevance(basic, images[:2])
    torch.testing.assert_close(backwards, together, rtol=1e-5, atol=1e-5 * together.abs().max().item())
    torch.testing.assert_close(pair, together[:2], rtol=1e-5, atol=1e-5 * together.abs().max().item())


def test_it_works_inside_no_grad_and_leaves_that_mode_on(basic, images):
    expected = black_box_relevance(basic, images)
    with torch.no_grad():
        relevance = black_box_relevance(basic, images)
        assert not torch.is_grad_enabled()
    assert torch.equal(relevance, expected)


def test_it_works_inside_inference_mode_with_tensors_made_there(basic, images):
    expected = black_box_relevance(basic, images)
    with torch.inference_mode():
        targets = basic(images).argmax(1)
        copies = images.clone()
        assert copies.is_inference()
        relevance = black_box_relevance(basic, copies, targets)
        assert torch.is_inference_mode_enabled()
    assert torch.equal(relevance, expected)


def test_it_works_on_a_network_whose_weights_want_gradients(basic, images):
    expected = black_box_relevance(basic, images)
    trainable = copy.deepcopy(basic).requires_grad_(True)
    relevance = black_box_relevance(trainable, images)
    torch.testing.assert_close(relevance, expected)
    assert all(parameter.grad is None for parameter in trainable.parameters())
    assert all(parameter.requires_grad for parameter in trainable.parameters())


def test_two_calls_give_the_same_map(basic, images):
    assert torch.equal(black_box_relevance(basic, images), black_box_relevance(basic, images))


def test_the_seed_is_the_predicted_class_s_probability_on_its_logit(basic, images, monkeypatch):
    starts = []

    def spy(backbone, output, images, relevance, *, bias):
        starts.append(relevance(output(backbone, images)))
        assert output is Backbone.forward
        return images[:, 0]

    monkeypatch.setattr("sembench.relevance.propagation.propagate", spy)
    with torch.no_grad():
        logits = basic(images)
        black_box_relevance(basic, images)
        black_box_relevance(basic, images, torch.arange(len(images)))
    predicted, given = starts
    for row, (values, start) in enumerate(zip(logits, predicted, strict=True)):
        expected = torch.zeros_like(values)
        expected[values.argmax()] = values.softmax(0).max()
        torch.testing.assert_close(start, expected)
        expected = torch.zeros_like(values)
        expected[row] = values.softmax(0)[row]
        torch.testing.assert_close(given[row], expected)


def test_targets_change_the_map_and_its_sum(basic, images):
    with torch.no_grad():
        logits = basic(images)
    predicted = logits.argmax(1)
    other = (predicted + 1) % logits.shape[1]
    default = black_box_relevance(basic, images, bias="zero")
    assert torch.equal(black_box_relevance(basic, images, predicted, bias="zero"), default)
    changed = black_box_relevance(basic, images, other, bias="zero")
    assert not torch.allclose(changed, default, rtol=0.1)
    torch.testing.assert_close(changed.sum((1, 2)), probability_of(logits, other), rtol=1e-3, atol=1e-6)


def test_each_image_has_its_own_target(basic, images):
    targets = torch.arange(len(images))
    together = black_box_relevance(basic, images, targets)
    for index, target in enumerate(targets):
        alone = black_box_relevance(basic, images[index : index + 1], target[None])[0]
        torch.testing.assert_close(together[index], alone, rtol=1e-5, atol=1e-5 * together[index].abs().max().item())


def test_it_draws_from_no_global_generator(basic: Backbone, images):
    state = torch.get_rng_state()
    black_box_relevance(basic, images)
    assert torch.equal(torch.get_rng_state(), state)


# --- without a head --------------------------------------------------------------------------------------------------


def test_the_map_without_a_head_is_known_where_each_pixel_is_a_cell():
    """Two channels, of means 2 and 1: they have 2/3 and 1/3 of the relevance, and share it out by activation."""
    conv = torch.nn.Conv2d(3, 2, 1, bias=False)
    conv.weight.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])[:, :, None, None]
    network = freeze(Backbone([torch.nn.Sequential(conv, torch.nn.ReLU())], torch.nn.Linear(2, 4)))
    image = torch.tensor([[[[1.0, 3.0]], [[2.0, -5.0]], [[7.0, 7.0]]]])
    found = headless_relevance(network, image)
    assert found.flatten().tolist() == pytest.approx([2 / 3 * 1 / 4 + 1 / 3, 2 / 3 * 3 / 4], rel=1e-5)


def test_the_map_without_a_head_is_made_pixel_by_pixel():
    evaluation = pixel_world.make_evaluation()
    found = headless_relevance(evaluation.reference.backbone, evaluation.sample.images)
    for image, relevance in zip(evaluation.sample.images, found, strict=True):
        by_hand = pixel_world.ByHand(evaluation, image).headless_map()
        assert relevance.flatten().tolist() == pytest.approx(by_hand, rel=1e-4, abs=1e-6)


def test_the_map_without_a_head_does_not_depend_on_the_classifier_and_sums_to_one_without_biases(backbone, images):
    other = copy.deepcopy(backbone)
    with torch.no_grad():
        other.classifier.weight.neg_()
    assert torch.equal(headless_relevance(other, images), headless_relevance(backbone, images))
    total = headless_relevance(backbone, images, bias="zero").sum((1, 2))
    torch.testing.assert_close(total, torch.ones(len(images)), rtol=1e-2, atol=0)


def test_an_embedding_of_zeros_has_a_map_of_zeros_without_a_head():
    conv = torch.nn.Conv2d(3, 2, 1, bias=False)
    conv.weight.data.fill_(-1.0)
    network = freeze(Backbone([torch.nn.Sequential(conv, torch.nn.ReLU())], torch.nn.Linear(2, 4)))
    assert headless_relevance(network, torch.ones(2, 3, 4, 4)).tolist() == torch.zeros(2, 4, 4).tolist()


def test_an_output_computed_without_gradients_has_the_same_map(basic, images):
    def detached(network, inputs):
        with torch.no_grad():
            return network(inputs).detach()

    ours = propagate(basic, detached, images[:2], torch.ones_like)
    torch.testing.assert_close(ours, propagate(basic, Backbone.forward, images[:2], torch.ones_like))


def test_an_output_that_does_not_depend_on_the_images_is_refused_with_a_remedy(basic, images):
    with pytest.raises(ContractBroken, match="does not depend on the images"):
        propagate(basic, lambda network, inputs: torch.ones(len(inputs), 3), images[:2], torch.ones_like)
