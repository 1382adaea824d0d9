"""RO curves against Quantus: pixel flipping on negated maps, with the same noise, on images of one channel."""

import warnings

import numpy as np
import pytest
import torch

from sembench.evaluation.perturbation import relevance_order_curve
from sembench.seeding import isolated

SIZE = 8


@pytest.fixture(scope="module")
def quantus():
    """The library; what its imports deprecate is not our concern."""
    with isolated(0), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        import quantus
    return quantus


@pytest.fixture(scope="module")
def network():
    """A convolutional classifier of four classes; its weights are scaled up, so that curves are far from flat."""
    with isolated(1):
        layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 6, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(6, 6, 3, stride=2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(54, 4),
        )
    with torch.no_grad():
        layers[-1].weight *= 8
    return layers.eval()


def flip_into(noise):
    """A perturbation for Quantus that writes our noise: on flattened images and the indices of each one."""

    def flip(arr, indices, **ignored):
        changed, rows = arr.copy(), np.arange(len(arr))[:, None]
        changed[rows, indices] = noise.reshape(len(arr), -1)[rows, indices]
        return changed

    return flip


@pytest.mark.parametrize("steps", [4, 16, 64])
def test_curve_agrees_with_quantus_where_it_flips_the_least_relevant_first(quantus, network, steps):
    source = torch.Generator().manual_seed(2)
    images, noise = (torch.rand(6, 1, SIZE, SIZE, generator=source) for _ in range(2))
    relevance = torch.randn(6, SIZE, SIZE, generator=source)
    assert len(relevance.abs().unique()) == relevance.numel(), "Quantus breaks ties in any order; there must be none"

    def predict(batch):
        with torch.no_grad():
            return network(batch).softmax(1)

    ours = relevance_order_curve(predict, images, relevance, noise, steps=steps)
    flipping = quantus.PixelFlipping(
        features_in_step=SIZE * SIZE // steps,
        abs=False,
        normalise=False,
        perturb_func=flip_into(noise.numpy()),
        disable_warnings=True,
    )
    theirs = flipping(
        model=network,
        x_batch=images.numpy(),
        y_batch=predict(images).argmax(1).numpy(),
        a_batch=(relevance.abs().max() - relevance.double().abs())[:, None].numpy(),  # -|r|; it wants some above 0
        softmax=True,
        channel_first=True,
    )
    assert np.ptp(ours.numpy(), axis=1).min() > 0.01, "a flat curve would prove nothing"
    # Quantus leaves out the clean image: its first point is ours after the first step.
    np.testing.assert_allclose(ours[:, 1:], theirs, atol=1e-6)
    np.testing.assert_allclose(ours[:, 0], predict(images).amax(1), atol=1e-6)
